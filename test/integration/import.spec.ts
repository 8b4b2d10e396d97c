import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Column, Entity, PrimaryColumn } from 'typeorm';
import {
  Consistency,
  type ConsistentRepository,
  defineConsistentRepository,
  type ImportFailure,
  ImportStoppedError,
  IndexRejectedError,
  InvalidOptionsError,
  UnsupportedOperationError,
} from '../../src/index.js';
import { FaultProxy } from '../../src/testing/index.js';
import { Stores } from '../support/application.js';
import { elasticsearchUrl } from '../support/servers.js';

@Entity('imported')
class Imported {
  @PrimaryColumn() id!: number;
  @Column({ length: 20, unique: true }) code!: string;
  @Column({ default: '1' }) amount!: string;
  @Column(() => Consistency) consistency!: Consistency;
}

type Row = Pick<Imported, 'id' | 'code' | 'amount'>;
/** Every test has ids of its own; in what follows they are named from 0. */
let base = 0;
const row = (id: number): Row => ({ id: base + id, code: `code ${base + id}`, amount: String(id) });
/** One being taken, one being prepared, three behind. */
const MOST_CHUNKS = 5;

describe('import', () => {
  let stores: Stores;
  let proxy: FaultProxy;
  let rows: ConsistentRepository<Imported>;
  /** Where rows share statements, also while the tests run without group commit. */
  let shared: ConsistentRepository<Imported>;
  let statements: string[] = [];

  beforeAll(async () => {
    stores = await Stores.create('import');
    proxy = new FaultProxy(elasticsearchUrl());
    await proxy.start();
    const target = defineConsistentRepository(Imported, {
      index: stores.index('imported'),
      mappings: { properties: { amount: { type: 'integer' } } },
    });
    const nothing = () => undefined;
    const logger = {
      logQuery: (sql: string) => void statements.push(sql),
      logQueryError: nothing,
      logQuerySlow: nothing,
      logSchemaBuild: nothing,
      logMigration: nothing,
      log: nothing,
    };
    const parts = { entities: [Imported], repositories: [target], elasticsearchNode: proxy.url };
    rows = (await stores.start(parts)).get(target);
    const watched = { module: { groupCommit: true }, dataSource: { logger, logging: ['query'] } };
    shared = (await stores.start({ ...parts, ...watched })).get(target);
  });
  afterAll(async () => {
    await stores.close();
    await proxy.stop();
  });
  beforeEach(() => {
    proxy.clear();
    base += 1_000_000;
    statements = [];
  });

  const ids = async (where = 'TRUE') =>
    (await stores.database.query(`SELECT id FROM imported WHERE id >= ? AND ${where} ORDER BY id`, [base])).map(
      ({ id }) => Number(id) - base,
    );
  const documents = async () => {
    await stores.client.indices.refresh({ index: rows.index });
    const ours = { range: { id: { gte: base } } };
    return (await stores.client.count({ index: rows.index, query: ours })).count;
  };
  const until = (length: number) => Array.from({ length }, (_, at) => at);
  const stopped = async (call: Promise<unknown>): Promise<ImportStoppedError> => {
    const error = await call.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(ImportStoppedError);
    return error as ImportStoppedError;
  };

  it('takes 50,000 rows in bounded memory, and hands on those that are poisoned', async () => {
    const [total, chunkSize] = [50_000, 500];
    let [pulled, settled, most] = [0, 0, 0];
    async function* source() {
      for (let id = 0; id < total; id++) {
        most = Math.max(most, ++pulled - settled);
        // MySQL refuses the first kind, Elasticsearch the second.
        if (id % 5_000 === 4_321) yield { ...row(id), code: 'far too long for this column' };
        else if (id % 5_000 === 1_234) yield { ...row(id), amount: 'no number' };
        else yield row(id);
      }
    }
    const failures: ImportFailure<Row>[] = [];
    const progress: number[] = [];
    const result = await shared.import(source(), {
      chunkSize,
      onFailed: async (failure) => void failures.push(failure),
      onProgress: ({ committed, failed }) => {
        settled = committed + failed;
        progress.push(settled);
      },
    });
    expect(result).toMatchObject({ read: total, committed: total - 20, deferred: 0, failed: 20 });
    expect(progress).toEqual(Array.from({ length: total / chunkSize }, (_, at) => (at + 1) * chunkSize));
    expect(most).toBeLessThanOrEqual(MOST_CHUNKS * chunkSize);
    const poisoned = until(10).flatMap((at) => [at * 5_000 + 1_234, at * 5_000 + 4_321]);
    expect(failures.map(({ position }) => position)).toEqual(poisoned);
    expect(failures.map(({ entity }) => entity.id - base)).toEqual(poisoned);
    expect(result.failures.map(({ position }) => position)).toEqual(poisoned);
    for (const [at, { error }] of failures.entries()) {
      if (at % 2 === 0) expect(error).toBeInstanceOf(IndexRejectedError);
      else expect(error).toMatchObject({ driverError: { code: 'ER_DATA_TOO_LONG' } });
    }
    const written = until(total).filter((id) => !poisoned.includes(id));
    expect(await ids("consistency_state = 'commit'")).toEqual(written);
    expect([await ids("consistency_state = 'prepare'"), await documents()]).toEqual([[], written.length]);
  }, 300_000);

  it('divides a chunk around a poisoned row instead of sending its rows one by one', async () => {
    const source = until(200).map((id) => (id === 77 ? { ...row(id), code: 'far too long for this column' } : row(id)));
    const result = await shared.import(source, { chunkSize: 200 });
    expect(result).toMatchObject({ committed: 199, failed: 1, failures: [{ position: 77 }] });
    expect(statements.filter((sql) => sql.startsWith('INSERT')).length).toBeLessThan(30);
  });

  it('writes rows that are there and rows that are new by one statement each, so that an import can be repeated', async () => {
    await shared.import(until(50).map(row));
    statements = [];
    const result = await shared.import(until(100).map((id) => ({ ...row(id), amount: '7' })));
    expect(result).toMatchObject({ read: 100, committed: 100, failed: 0 });
    expect(statements.filter((sql) => sql.startsWith('INSERT'))).toHaveLength(1);
    expect(await ids("amount = '7' AND consistency_state = 'commit'")).toEqual(until(100));
    expect((await stores.document(rows.index, String(base + 49)))?.source).toMatchObject({ amount: '7' });
  });

  it('ends where its signal is aborted: what it counts is written, nothing else is, and the source is closed', async () => {
    const abort = new AbortController();
    let closed = false;
    function* source() {
      try {
        for (let id = 0; ; id++) yield row(id);
      } finally {
        closed = true;
      }
    }
    const onProgress = ({ committed }: { committed: number }) => {
      if (committed >= 300) abort.abort(new Error('enough'));
    };
    const error = await stopped(rows.import(source(), { chunkSize: 50, signal: abort.signal, onProgress }));
    expect(error).toMatchObject({ code: 'IMPORT_STOPPED', retryable: false, cause: new Error('enough') });
    const { reason, read, committed } = error.data as { reason: string; read: number; committed: number };
    expect([reason, committed, closed]).toEqual(['aborted', read, true]);
    expect(read).toBeLessThanOrEqual(300 + MOST_CHUNKS * 50);
    expect(await ids("consistency_state = 'commit'")).toEqual(until(read));
    expect(await documents()).toBe(read);
  });

  it('does not wait for a source that hangs, when it is aborted', async () => {
    const abort = new AbortController();
    async function* source() {
      yield row(0);
      abort.abort();
      await new Promise(() => undefined);
    }
    const error = await stopped(rows.import(source(), { signal: abort.signal }));
    expect(error.data).toMatchObject({ reason: 'aborted', read: 0, committed: 0 });
    expect(await ids()).toEqual([]);
  });

  it('takes nothing where its signal is aborted already', async () => {
    const error = await stopped(rows.import([row(0)], { signal: AbortSignal.abort() }));
    expect(error.data).toMatchObject({ reason: 'aborted', read: 0 });
    expect(await ids()).toEqual([]);
  });

  it('writes what a source gave before it threw', async () => {
    const broken = new Error('line 701 is no JSON');
    async function* source() {
      for (let id = 0; id < 700; id++) yield row(id);
      throw broken;
    }
    const error = await stopped(rows.import(source(), { chunkSize: 200 }));
    expect(error.cause).toBe(broken);
    expect(error.data).toMatchObject({ reason: 'source', read: 700, committed: 700, failed: 0 });
    expect([await ids(), await documents()]).toEqual([until(700), 700]);
  });

  it('does not let rows of a slow source wait until their chunk is full', async () => {
    async function* source() {
      yield row(0);
      yield row(1);
      while ((await ids("consistency_state = 'commit'")).length < 2) await new Promise((wake) => setTimeout(wake, 20));
      yield row(2);
    }
    expect(await rows.import(source())).toMatchObject({ read: 3, committed: 3 });
  });

  it.each([
    [0, 1],
    [2, 3],
  ])('ends with more than %i failed rows, and says how far it came', async (maxFailures, least) => {
    const source = until(100).map((id) => (id % 10 === 9 ? { ...row(id), amount: 'no number' } : row(id)));
    const handed: number[] = [];
    const error = await stopped(
      rows.import(source, { chunkSize: 5, maxFailures, onFailed: ({ position }) => void handed.push(position) }),
    );
    const { reason, read, committed, failed } = error.data as Record<string, number>;
    expect([reason, failed, error.cause]).toEqual(['failures', handed.length, expect.any(IndexRejectedError)]);
    expect(failed).toBeGreaterThanOrEqual(least);
    expect(read).toBe(committed! + failed!);
    expect(read).toBeLessThan(100);
    expect(await ids()).toEqual(until(read!).filter((id) => id % 10 !== 9));
  });

  it.each(['onProgress', 'onFailed'] as const)('ends where %s throws', async (callback) => {
    const thrown = new Error('disk full');
    const source = until(100).map((id) => (id === 3 ? { ...row(id), amount: 'no number' } : row(id)));
    const error = await stopped(rows.import(source, { chunkSize: 5, [callback]: () => Promise.reject(thrown) }));
    expect(error.cause).toBe(thrown);
    const { reason, read, committed, failed } = error.data as Record<string, number>;
    expect([reason, failed, committed]).toEqual(['callback', 1, read! - 1]);
    expect(await ids()).toEqual(until(read!).filter((id) => id !== 3));
  });

  it('leaves exactly the rows of a lost bulk unknown', async () => {
    const fault = proxy.inject({ kind: 'cut-before' }, { path: '/_bulk', times: 1 });
    const failures: ImportFailure<Row>[] = [];
    const result = await rows.import(until(100).map(row), {
      chunkSize: 10,
      onFailed: (failure) => void failures.push(failure),
    });
    expect(fault.hits).toBe(1);
    expect(failures.length).toBeGreaterThan(0);
    expect(result).toMatchObject({ read: 100, committed: 100 - failures.length, failed: failures.length });
    expect(new Set(failures.map(({ error }) => (error as { code?: string }).code))).toEqual(
      new Set(['OUTCOME_UNKNOWN']),
    );
    expect(await ids("consistency_state = 'prepare'")).toEqual(failures.map(({ position }) => position));
    expect(await documents()).toBe(100 - failures.length);
  });

  it('refuses a source that gives one object again and again', async () => {
    function* source() {
      const reused = row(0);
      for (let id = 0; id < 10; id++) yield Object.assign(reused, row(id));
    }
    const error = await stopped(rows.import(source()));
    expect(error.cause).toBeInstanceOf(UnsupportedOperationError);
    expect([error.data['read'], await ids()]).toEqual([0, []]);
  });

  it('leaves the objects of the source as they are', async () => {
    const given = row(5);
    await rows.import([given]);
    expect(given).toEqual(row(5));
    expect(await ids()).toEqual([5]);
  });

  it('takes nothing from an empty source, and refuses what it cannot use', async () => {
    expect(await rows.import([])).toEqual({ read: 0, committed: 0, deferred: 0, failed: 0, failures: [] });
    for (const options of [{ chunkSize: 0 }, { chunkSize: 1_001 }, { maxFailures: -1 }, { maxFailures: 0.5 }]) {
      await expect(rows.import([row(1)], options)).rejects.toThrow(InvalidOptionsError);
    }
    await expect(rows.import(7 as unknown as Row[])).rejects.toThrow(InvalidOptionsError);
    expect(await ids()).toEqual([]);
  });
});
