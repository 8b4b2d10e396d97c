import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from '@elastic/elasticsearch';
import { compareStores } from '../../examples/film-catalogue/src/comparison/comparison.js';
import { FaultProxy } from '../../src/testing/index.js';
import { build } from '../../tools/demo/demo.preparation.mjs';
import { type CliEnd, runCli } from '../support/cli.run.js';
import {
  createTestDatabase,
  deleteIndices,
  elasticsearchUrl,
  indexPrefix,
  type TestDatabase,
} from '../support/servers.js';

const FILMS = 60;
const APP = fileURLToPath(new URL('./runbook/runbook.module.mjs', import.meta.url));
const INSTANCE = fileURLToPath(new URL('./runbook/runbook.instance.mjs', import.meta.url));
const IMPORT = fileURLToPath(new URL('../../examples/film-catalogue/build/import/import.main.js', import.meta.url));
const LONG_MS = 600_000;

/** The runbook of docs/operations.md: the film catalogue is broken in five ways, and each is mended by the command line alone. */
describe('the runbook', () => {
  const prefix = indexPrefix('runbook');
  const alias = `${prefix}films`;
  const client = new Client({ node: elasticsearchUrl() });
  const proxy = new FaultProxy(elasticsearchUrl());
  const instances: Instance[] = [];
  let database: TestDatabase;
  let env: Record<string, string>;

  beforeAll(async () => {
    build(() => undefined);
    database = await createTestDatabase('runbook');
    env = {
      MYSQL_URL: database.url,
      ELASTICSEARCH_URL: elasticsearchUrl(),
      FILMS_INDEX: alias,
      WRITE_TIMEOUT_MS: '2000',
      DEADLINE_MS: '5000',
    };
    const limits = { WRITE_TIMEOUT_MS: '10000', DEADLINE_MS: '25000' };
    const importing = spawn(process.execPath, [IMPORT, '--films', String(FILMS)], {
      env: { ...process.env, ...env, ...limits },
      stdio: 'ignore',
    });
    expect(await once(importing, 'exit')).toEqual([0, null]);
    expect((await cli('migrate', '--apply')).code).toBe(0);
    await proxy.start();
  }, LONG_MS);
  afterAll(async () => {
    for (const instance of instances) await instance.kill();
    await proxy.stop();
    await client.close();
    await deleteIndices(prefix);
    await database?.drop();
  }, LONG_MS);

  const cli = (...args: string[]): Promise<CliEnd> => runCli([...args, '--app', APP], { env, built: true });
  const json = async (...args: string[]) => {
    const { code, stdout, stderr } = await cli(...args, '--json');
    if (stdout === '') throw new Error(`no answer (exit code ${code}): ${stderr}`);
    return { code, answer: JSON.parse(stdout) as Record<string, any> };
  };
  const start = async (more: Record<string, string> = {}): Promise<Instance> => {
    const instance = await Instance.start({ ...env, ...more });
    instances.push(instance);
    return instance;
  };

  /**
   * By a comparison that shares no code with the library, and does not know of adoption: what the backstop adopted is above its
   * row's version, with a marker.
   */
  async function agree(...adopted: string[]): Promise<void> {
    const stores = { mysqlUrl: database.url, elasticsearchUrl: elasticsearchUrl(), index: alias };
    const different: string[] = [];
    const { rows, documents } = await compareStores({ ...stores, onDifference: ({ id }) => different.push(id) });
    expect([different, documents]).toEqual([adopted, rows]);
    for (const id of adopted) {
      const { _source } = await client.get<{ title: string }>({ index: alias, id });
      expect(await database.query('SELECT title FROM film WHERE id = ?', [id])).toEqual([{ title: _source!.title }]);
    }
  }

  async function verified(differences: Record<string, number>): Promise<void> {
    const { code, answer } = await json('verify');
    const none = { missing: 0, stale: 0, foreign: 0, orphaned: 0 };
    expect(answer).toEqual({
      ...none,
      ...differences,
      rows: expect.any(Number),
      documents: expect.any(Number),
      seconds: expect.any(Number),
    });
    expect(code).toBe(Object.keys(differences).length === 0 ? 0 : 1);
  }

  async function mended(...adopted: string[]): Promise<void> {
    expect((await cli('repair')).code).toBe(0);
    await verified({});
    await agree(...adopted);
  }

  it(
    'is well at first',
    async () => {
      expect((await json('doctor')).answer).toEqual({ findings: [] });
      await verified({});
      await agree();
    },
    LONG_MS,
  );

  it(
    'documents were deleted: verify, repair',
    async () => {
      await client.bulk({
        index: alias,
        refresh: true,
        operations: ['1', '2', '3'].map((_id) => ({ delete: { _id } })),
      });
      await verified({ missing: 3 });
      await mended();
    },
    LONG_MS,
  );

  it(
    'rows were edited by SQL while no backstop ran: verify, repair',
    async () => {
      await database.query(`UPDATE film SET title = CONCAT(title, ' (edited)') WHERE id <= 4`);
      await database.query('DELETE FROM film WHERE id = 5');
      await database.query(`INSERT INTO film (title, releasedOn) VALUES ('By SQL', '2001-01-01')`);
      await verified({ stale: 4, orphaned: 1, missing: 1 });
      await mended();
    },
    LONG_MS,
  );

  it(
    'an old index was restored: verify, repair',
    async () => {
      const old = await client.search<Record<string, unknown>>({ index: alias, size: 1_000, version: true });
      const app = await start({ BACKSTOP: 'off' });
      await app.order('save', { id: '10', title: 'Written after the snapshot' });
      await app.order('save', { title: 'New after the snapshot', releasedOn: '2002-02-02' });
      await app.order('remove', '11');
      await app.kill();
      await restore(old.hits.hits as Hit[]);
      await verified({ stale: 1, missing: 1, orphaned: 1 });
      await mended();
      expect((await json('doctor')).answer).toEqual({ findings: [] });
    },
    LONG_MS,
  );

  it(
    'the sweeper stands still, and a write was cut off: status, sweep',
    async () => {
      const app = await start({ ELASTICSEARCH_URL: proxy.url, BACKSTOP: 'off' });
      await app.order('stop-sweeper');
      const fault = proxy.inject({ kind: 'black-hole' }, { path: '_bulk' });
      await expect(app.order('save', { id: '20', title: 'Never arrives' })).rejects.toThrow('OUTCOME_UNKNOWN');
      fault.remove();
      const film = async () => (await json('status')).answer['tables'][0];
      expect(await film()).toMatchObject({ undecided: 1 });
      while ((await film()).overdue === 0);
      const { code, answer } = await json('sweep');
      expect([code, answer]).toEqual([0, { claimed: 1, settled: 1, failed: 0, parked: 0 }]);
      expect(await film()).toMatchObject({ undecided: 0, overdue: 0 });
      await app.kill();
      await verified({});
      await agree();
    },
    LONG_MS,
  );

  it(
    "the backstop's leader was killed: backstop status, repair; the next one goes on from the checkpoint",
    async () => {
      const leader = await start();
      await leader.order('leading');
      await database.query(`UPDATE film SET title = 'Adopted' WHERE id = 30`);
      await leader.order('drained');
      expect((await json('backstop', 'status')).answer).toMatchObject([{ leading: true, toVerify: {} }]);
      await leader.kill();
      await database.query(`UPDATE film SET title = 'Unseen' WHERE id = 31`);
      const { code, answer } = await json('backstop', 'status');
      expect([code, answer[0]['leading'], answer[0]['transactionsBehind'] > 0]).toEqual([1, false, true]);
      expect((await json('status')).answer['problems']).toContain(
        'no instance leads the backstop: is the application running?',
      );
      await verified({ stale: 1 });
      await mended('30');
      const next = await start();
      await next.order('leading');
      await next.order('drained');
      expect((await cli('backstop', 'status')).code).toBe(0);
      await next.kill();
      await agree('30');
    },
    LONG_MS,
  );

  /** What a restore from a snapshot leaves: the documents and versions of then, in an index behind the same alias. */
  async function restore(hits: readonly Hit[]): Promise<void> {
    const [current] = Object.entries(await client.indices.get({ index: alias }));
    const next = `${alias}-restored`;
    const { mappings } = current![1];
    await client.indices.create({ index: next, mappings: mappings!, settings: { 'index.gc_deletes': '1h' } as never });
    const operations = hits.flatMap(({ _id, _version, _source }) => [
      { index: { _id, version: _version, version_type: 'external' as const } },
      _source,
    ]);
    const { errors } = await client.bulk({ index: next, refresh: true, operations });
    expect(errors).toBe(false);
    await client.indices.updateAliases({
      actions: [{ remove_index: { index: current![0] } }, { add: { index: next, alias, is_write_index: true } }],
    });
  }
});

interface Hit {
  _id: string;
  _version: number;
  _source: Record<string, unknown>;
}

/** The catalogue in a process of its own. */
class Instance {
  private constructor(private readonly child: ChildProcess) {}

  static async start(env: Record<string, string>): Promise<Instance> {
    // Jest's own flags are not for the child.
    const child = fork(INSTANCE, [], {
      env: { ...process.env, ...env },
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const ended = once(child, 'exit').then(() => {
      throw new Error('the instance ended before it was ready');
    });
    await Promise.race([once(child, 'message'), ended]);
    ended.catch(() => undefined);
    return new Instance(child);
  }

  async order(order: string, given?: unknown): Promise<unknown> {
    const answered = once(this.child, 'message');
    this.child.send({ order, given });
    const [{ answer, error }] = (await answered) as [{ answer?: unknown; error?: string }];
    if (error) throw new Error(error);
    return answer;
  }

  /** As `kill -9`. */
  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await gone;
  }
}
