import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { cacheFolder, withLock } from '../../tools/servers/cache.folder.mjs';
import { findDebianArchive } from '../../tools/servers/debian.packages.mjs';
import { isDockerThere } from '../../tools/servers/docker.engine.mjs';
import { elasticsearchSettings } from '../../tools/servers/elasticsearch.native.mjs';
import { minJavaOf } from '../../tools/servers/elasticsearch.install.mjs';
import { useGivenElasticsearch, useGivenMysql, withoutPassword } from '../../tools/servers/given.server.mjs';
import { chooseJdk } from '../../tools/servers/java.install.mjs';
import { mysqlSettings } from '../../tools/servers/mysql.settings.mjs';
import { createReporter } from '../../tools/servers/progress.reporter.mjs';
import { parseArguments } from '../../tools/servers/servers.arguments.mjs';
import { writeTruststore } from '../../tools/servers/truststore.writer.mjs';

const savedEnv = { ...process.env };
afterEach(() => {
  process.env = { ...savedEnv };
});

/** Nothing listens there: it was free a moment ago. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe('arguments', () => {
  it('takes options before -- and leaves the command alone', () => {
    expect(parseArguments(['run', '--only', 'mysql', '--durable', '--', 'jest', '--only', '--', 'x'])).toEqual({
      action: 'run',
      only: 'mysql',
      durable: true,
      command: ['jest', '--only', '--', 'x'],
    });
    expect(parseArguments(['up', '--only=elasticsearch'])).toMatchObject({ action: 'up', only: 'elasticsearch' });
    expect(parseArguments([])).toMatchObject({ action: 'help' });
    expect(parseArguments(['--help'])).toMatchObject({ action: 'help' });
  });

  it.each([
    [['fly'], /there is no command fly/],
    [['run', 'jest'], /no option jest \(the command comes after --\)/],
    [['run', '--'], /no command to run/],
    [['up', '--only', 'redis'], /--only takes mysql or elasticsearch/],
  ])('refuses %j and says what to do', (args, message) => {
    expect(() => parseArguments(args)).toThrow(message);
    expect(() => parseArguments(args)).toThrow(/to fix: /);
  });
});

describe('cache folder', () => {
  it('is the one asked for, else one of the system, else one of the user', () => {
    expect(cacheFolder({ NEST_CONSISTENT_CACHE: '/x', HOME: '/home/a' }, true)).toBe('/x');
    expect(cacheFolder({ HOME: '/root' }, true)).toBe('/var/cache/nest-consistent');
    expect(cacheFolder({ XDG_CACHE_HOME: '/c', HOME: '/home/a' }, false)).toBe('/c/nest-consistent');
    expect(cacheFolder({ HOME: '/home/a' }, false)).toBe('/home/a/.cache/nest-consistent');
  });

  it('lets one at a time through its lock, also after a failure', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'servers-lock-'));
    const file = join(folder, 'lock');
    const seen: string[] = [];
    const work = (name: string) =>
      withLock(file, async () => {
        seen.push(`${name} in`);
        await new Promise((resolve) => setTimeout(resolve, 20));
        seen.push(`${name} out`);
        if (name === 'b') throw new Error('b failed');
      });
    const results = await Promise.allSettled(['a', 'b', 'c'].map(work));
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(1);
    expect(seen).toHaveLength(6);
    for (let i = 0; i < 6; i += 2) expect(seen[i + 1]).toBe(seen[i]?.replace('in', 'out'));
    await rm(folder, { recursive: true });
  });
});

describe('packages', () => {
  it.each([
    ['URIs: http://a.example/debian-security\n\nURIs: http://a.example/debian\n', '', 'http://a.example/debian'],
    ['', 'deb [arch=amd64 signed-by=/k] https://b.example/debian/ sid main\n', 'https://b.example/debian/'],
    ['', '# deb http://c.example/debian sid main\ndeb http://c.example/ubuntu noble main\n', undefined],
  ])('finds the Debian archive in %j %j', (sources, lists, expected) => {
    expect(findDebianArchive(sources, lists)).toBe(expected);
  });

  it('chooses the newest Java that was tried', () => {
    const jdks = [11, 17, 21, 25, 27].map((major) => ({ home: `/jdk${major}`, major }));
    expect(chooseJdk(jdks, 21)?.major).toBe(25);
    expect(chooseJdk(jdks.slice(0, 2), minJavaOf('9.5.0'))).toBeUndefined();
    expect(chooseJdk(jdks.slice(0, 2), minJavaOf('8.19.5'))?.major).toBe(17);
    expect(chooseJdk([{ home: '/jdk27', major: 27 }], 21)?.major).toBe(27);
  });

  it('writes the certificate authorities of this machine as a Java key store', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'servers-jks-'));
    const file = join(folder, 'cacerts');
    await writeTruststore(file);
    const bytes = await readFile(file);
    expect(bytes.readUInt32BE(0)).toBe(0xfeedfeed);
    expect(bytes.readUInt32BE(8)).toBeGreaterThan(10);
    expect((await stat(file)).size).toBe(bytes.length);
    await rm(folder, { recursive: true });
  });
});

describe('settings', () => {
  it('flushes every commit only when asked, and lets the caller overrule', () => {
    expect(mysqlSettings()).toEqual(expect.arrayContaining(['--sync-binlog=0', '--innodb-flush-log-at-trx-commit=2']));
    const durable = mysqlSettings({ durable: true, settings: ['--max-connections=9'] });
    expect(durable).toEqual(expect.arrayContaining(['--sync-binlog=1', '--innodb-flush-log-at-trx-commit=1']));
    expect(durable.at(-1)).toBe('--max-connections=9');
  });

  it('writes every Elasticsearch setting as one line of YAML', () => {
    const lines = elasticsearchSettings('/data x', 9200, { 'node.name': 'a: b', 'http.max_content_length': '9mb' });
    expect(lines).toContain('node.name: "a: b"');
    expect(lines).toContain('path.data: "/data x/data"');
    expect(lines).toContain('http.max_content_length: "9mb"');
    expect(lines.filter((line) => line.startsWith('node.name'))).toHaveLength(1);
  });
});

describe('servers from URLs', () => {
  it('never prints a password', () => {
    expect(withoutPassword('mysql://root:s3cr@t@db:3306/x')).toBe('mysql://root:***@db:3306/x');
    expect(withoutPassword('http://127.0.0.1:9200')).toBe('http://127.0.0.1:9200');
  });

  it('says which variable is wrong and what to do', async () => {
    const port = await closedPort();
    await expect(useGivenMysql('localhost:3306', {})).rejects.toThrow(/MYSQL_URL is not a URL .*\n.*mysql:\/\/root@/);
    await expect(useGivenMysql(`mysql://root@127.0.0.1:${port}`, {})).rejects.toThrow(
      /no answer from .*unset MYSQL_URL/s,
    );
    await expect(useGivenElasticsearch('127.0.0.1:9200', {})).rejects.toThrow(/ELASTICSEARCH_URL is not a URL/);
    const unreachable = useGivenElasticsearch(`http://u:pw@127.0.0.1:${port}`, {});
    await expect(unreachable).rejects.toThrow(/no answer from http:\/\/u:\*\*\*@.*unset ELASTICSEARCH_URL/s);
  });
});

describe('Docker', () => {
  it('is not there when nothing answers at DOCKER_HOST', async () => {
    process.env.DOCKER_HOST = `tcp://127.0.0.1:${await closedPort()}`;
    delete process.env.DOCKER_TLS_VERIFY;
    expect(await isDockerThere()).toBe(false);
    process.env.DOCKER_HOST = 'unix:///nowhere/docker.sock';
    expect(await isDockerThere()).toBe(false);
  });
});

describe('progress', () => {
  it('moves one line on a terminal, and prints whole lines elsewhere', async () => {
    for (const isTTY of [true, false]) {
      const written: string[] = [];
      const reporter = createReporter({ write: (text) => written.push(text), isTTY });
      const work = new Promise((resolve) => setTimeout(() => resolve('result'), 700));
      expect(await reporter.track('get x', async () => 5_000_000, 50_000_000, work)).toBe('result');
      expect(written.join('')).toMatch(/get x \(50 MB\)\n/);
      expect(written.join('').includes('\r[servers] get x: 5 MB of 50 MB')).toBe(isTTY);
      expect(written.at(-1)).toMatch(/get x: done in .* s\n$/);
    }
  });
});
