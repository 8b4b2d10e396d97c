import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { createConnection } from 'mysql2/promise';
import { isAlive } from '../../tools/servers/child.process.mjs';
import { silentReporter } from '../../tools/servers/progress.reporter.mjs';
import { startElasticsearch, startMysql } from '../../tools/servers/servers.mjs';

const TIMEOUT_MS = 300_000;
const CLI = 'tools/servers/servers.cli.mjs';

/** The tool as a user starts it, without the servers that this test run already has. */
function tool(args: string[]) {
  const env = { ...process.env, MYSQL_URL: '', ELASTICSEARCH_URL: '' };
  const child = spawn(process.execPath, [CLI, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()));
  return { child, output };
}

async function until<T>(look: () => T | undefined | false): Promise<T> {
  for (;;) {
    const found = look();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Every process that mentions the text in its command line: the data folder of a run names the run's process. */
function processesWith(text: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && isAlive(pid) && commandLine(pid).includes(text));
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

/** Data folders and the processes on them, as `nest-consistent-<kind>-<namespace>-<pid>-…`. */
function leftBy(child: ChildProcess) {
  const pattern = new RegExp(`^nest-consistent-[a-z]+-\\d+-${child.pid}-`);
  return {
    processes: processesWith(`-${child.pid}-`).filter((pid) =>
      new RegExp(`nest-consistent-[a-z]+-\\d+-${child.pid}-`).test(commandLine(pid)),
    ),
    folders: readdirSync('/tmp').filter((name) => pattern.test(name)),
  };
}

describe('servers run', () => {
  it(
    'gives the command a server, its exit status is ours, and nothing is left',
    async () => {
      const { child, output } = tool(['run', '--only', 'mysql', '--', 'sh', '-c', 'echo "[$MYSQL_URL]"; exit 7']);
      const [code] = (await once(child, 'close')) as [number];
      expect(output.stdout).toMatch(/^\[mysql:\/\/root@[^\]]+:\d+\]$/m);
      expect(output.stderr).toMatch(/\[servers\] mysql \S+ .* at mysql:.*\(.+\)/);
      expect(code).toBe(7);
      expect(leftBy(child)).toEqual({ processes: [], folders: [] });
    },
    TIMEOUT_MS,
  );

  it.each(['SIGINT', 'SIGTERM'] as const)(
    'ends the command and the server on %s',
    async (signal) => {
      const { child, output } = tool(['run', '--only', 'mysql', '--', 'sh', '-c', 'echo ready; exec sleep 600']);
      await until(() => output.stdout.includes('ready'));
      child.kill(signal);
      const [code] = (await once(child, 'close')) as [number];
      expect(code).toBe(signal === 'SIGINT' ? 130 : 143);
      expect(leftBy(child)).toEqual({ processes: [], folders: [] });
    },
    TIMEOUT_MS,
  );

  it(
    'leaves no process when it is killed itself, and the next run removes the data',
    async () => {
      const { child, output } = tool(['up', '--only', 'mysql']);
      await until(() => output.stdout.includes('MYSQL_URL='));
      const folders = leftBy(child).folders;
      child.kill('SIGKILL');
      await once(child, 'close');
      await until(() => leftBy(child).processes.length === 0);
      const next = tool(['run', '--only', 'mysql', '--', 'true']);
      await once(next.child, 'close');
      expect(folders.filter((name) => existsSync(`/tmp/${name}`))).toEqual([]);
    },
    TIMEOUT_MS,
  );

  it(
    'ends while it is still starting',
    async () => {
      const { child } = tool(['run', '--', 'true']);
      await until(() => leftBy(child).folders.length > 0 || child.exitCode !== null);
      child.kill('SIGTERM');
      await once(child, 'close');
      expect(leftBy(child)).toEqual({ processes: [], folders: [] });
    },
    TIMEOUT_MS,
  );

  it(
    'says which command cannot be run',
    async () => {
      const { child, output } = tool(['run', '--only', 'mysql', '--', 'no-such-program']);
      const [code] = (await once(child, 'close')) as [number];
      expect(code).toBe(2);
      expect(output.stderr).toMatch(/cannot run no-such-program.*to fix:/s);
    },
    TIMEOUT_MS,
  );
});

describe('a server of one’s own', () => {
  it(
    'keeps MySQL’s committed rows over kill -9, on the same port',
    async () => {
      const mysql = await startMysql({ durable: true, settings: ['--max-connections=37'], reporter: silentReporter });
      try {
        const before = await createConnection(mysql.url);
        before.on('error', () => {});
        await before.query('CREATE DATABASE own');
        await before.query('CREATE TABLE own.t (id INT PRIMARY KEY)');
        await before.query('INSERT INTO own.t VALUES (1)');
        await mysql.kill('SIGKILL');
        expect(mysql.pid).toBeUndefined();
        await expect(createConnection(mysql.url)).rejects.toThrow();
        before.destroy();
        await mysql.start();
        const after = await createConnection(mysql.url);
        const [rows] = await after.query(
          'SELECT id, @@max_connections AS connections, @@sync_binlog AS sync FROM own.t',
        );
        expect(rows).toEqual([{ id: 1, connections: 37, sync: 1 }]);
        await after.end();
      } finally {
        await mysql.remove();
      }
      await expect(createConnection(mysql.url)).rejects.toThrow();
    },
    TIMEOUT_MS,
  );

  it(
    'keeps Elasticsearch’s documents over kill -9 and over a restart, and can be frozen',
    async () => {
      const elasticsearch = await startElasticsearch({
        settings: { 'http.max_content_length': '9mb' },
        reporter: silentReporter,
      });
      const document = `${elasticsearch.url}/own/_doc/1`;
      try {
        const headers = { 'content-type': 'application/json' };
        const put = await fetch(document, { method: 'PUT', headers, body: '{"a":1}' });
        expect(put.status).toBe(201);
        await elasticsearch.kill();
        await expect(fetch(document)).rejects.toThrow();
        await elasticsearch.start();
        expect((await fetch(document)).status).toBe(200);
        await elasticsearch.kill('SIGSTOP');
        await expect(fetch(document, { signal: AbortSignal.timeout(500) })).rejects.toThrow();
        await elasticsearch.kill('SIGCONT');
        expect((await fetch(document)).status).toBe(200);
        await elasticsearch.restart();
        expect((await fetch(document)).status).toBe(200);
      } finally {
        await elasticsearch.remove();
      }
      await expect(fetch(document)).rejects.toThrow();
    },
    TIMEOUT_MS,
  );
});

describe('servers from URLs alone', () => {
  it('cannot be controlled: starting one of one’s own fails with what to do', async () => {
    const env = { ...process.env };
    process.env.NEST_CONSISTENT_SERVERS = 'somewhere';
    await expect(startMysql({ reporter: silentReporter })).rejects.toThrow(/set it to docker or native/);
    process.env = env;
  });
});
