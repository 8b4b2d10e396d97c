import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createConnection, type Connection } from 'mysql2/promise';
import type { BinlogCoordinates, BinlogEvent, BinlogStart, CommitEvent } from '../../../src/binlog/binlog.types.js';
import { GtidSet } from '../../../src/binlog/gtid.set.js';
import type { ZongjiSourceOptions } from '../../../src/binlog/zongji.source.js';
import { FaultProxy } from '../../../src/testing/index.js';
import { createTestDatabase, mysqlUrl, type TestDatabase } from '../../support/servers.js';
import { connectionOf, isRows, Listener, sourceOf } from './listener.fixture.js';

const MIB = 1024 * 1024;

let database: TestDatabase;
let connection: Connection;
const listeners: Listener[] = [];

async function run(...statements: string[]): Promise<any> {
  let rows: any;
  for (const sql of statements) [rows] = await connection.query(sql);
  return rows;
}

async function executed(): Promise<string> {
  const [row] = await run('SELECT @@GLOBAL.gtid_executed AS executed');
  return row.executed;
}

/** Listens to this file's database from what was executed so far. */
async function listen(options: Partial<ZongjiSourceOptions> = {}, start?: BinlogStart): Promise<Listener> {
  const source = sourceOf({ include: (schema) => schema === database.name, ...options });
  const listener = new Listener(source, start ?? { kind: 'gtid-set', gtidSet: await executed() });
  listeners.push(listener);
  return listener;
}

const changesOf = (events: readonly BinlogEvent[]) =>
  events.filter(isRows()).flatMap(({ changes }) => changes.map(({ before, after }) => [before?.id, after?.id]));

/** Ids of inserted rows, up to and with the wanted one. */
async function idsUpTo(listener: Listener, last: number): Promise<number[]> {
  const ids: number[] = [];
  while (ids.at(-1) !== last) {
    const event = await listener.next();
    if (event.kind === 'rows') ids.push(...event.changes.map(({ after }) => Number(after!.id)));
    if (event.kind === 'undecodable') throw new Error(event.reason);
  }
  return ids;
}

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

async function insert(from: number, to: number): Promise<void> {
  for (let id = from; id <= to; id += 1) await run(`INSERT INTO item VALUES (${id}, 'row ${id}')`);
}

beforeAll(async () => {
  database = await createTestDatabase('listener');
  connection = await createConnection({ uri: database.url, supportBigNumbers: true, dateStrings: true });
  await run(
    'CREATE TABLE item (id INT PRIMARY KEY, title LONGTEXT)',
    'CREATE TABLE other (id INT PRIMARY KEY, note VARCHAR(20))',
  );
});

afterEach(async () => {
  await Promise.all(listeners.splice(0).map((listener) => listener.stop()));
  await run('DELETE FROM item', 'DELETE FROM other');
});

afterAll(async () => {
  await connection.end();
  await database.drop();
});

describe('events', () => {
  it('come in order, transaction by transaction, with both images', async () => {
    const listener = await listen();
    await run(
      'BEGIN',
      `INSERT INTO item VALUES (1, 'one'), (2, 'two')`,
      `UPDATE item SET title = 'deux' WHERE id = 2`,
      'COMMIT',
      'DELETE FROM item WHERE id = 1',
    );
    const first = await listener.transactionOf(database.name, 'item');
    expect(first.map(({ kind }) => kind)).toEqual(['transaction', 'rows', 'rows', 'commit']);
    expect(first.filter(isRows()).flatMap(({ changes }) => changes)).toEqual([
      { before: null, after: { id: 1, title: 'one' } },
      { before: null, after: { id: 2, title: 'two' } },
      { before: { id: 2, title: 'two' }, after: { id: 2, title: 'deux' } },
    ]);
    const second = await listener.transactionOf(database.name, 'item');
    expect(changesOf(second)).toEqual([[1, undefined]]);
    expect(second.filter(isRows())[0]!.columns).toEqual([
      { name: 'id', type: 'INT', unsigned: false, decimals: null },
      { name: 'title', type: 'LONGTEXT', unsigned: false, decimals: null },
    ]);
  });

  it('carry the coordinates to go on from, and the server that they belong to', async () => {
    // Whatever a transaction is like, one that is passed over counts as done.
    await run(
      'SET SESSION binlog_transaction_compression = ON',
      `INSERT INTO other VALUES (1, 'packed')`,
      'SET SESSION binlog_transaction_compression = OFF',
      `XA START 'passed'`,
      `INSERT INTO other VALUES (2, 'prepared')`,
      `XA END 'passed'`,
      `XA PREPARE 'passed'`,
      `XA COMMIT 'passed'`,
    );
    const listener = await listen();
    await insert(1, 3);
    const commits: CommitEvent[] = [];
    while (commits.length < 3) {
      commits.push((await listener.transactionOf(database.name, 'item')).at(-1) as CommitEvent);
    }
    const [{ uuid }] = await run('SELECT @@server_uuid AS uuid');
    const last = commits.at(-1)!.coordinates;
    expect(last.serverUuid).toBe(uuid);
    const [subset] = await run(`SELECT GTID_SUBSET('${last.gtidSet}', @@GLOBAL.gtid_executed) AS yes`);
    expect(Number(subset.yes)).toBe(1);
    // A new reader that begins at the first commit gets the other two, by GTID set or by position.
    for (const start of startsAt(commits[0]!.coordinates)) {
      const again = await listen({}, start);
      expect(changesOf(await again.transactionOf(database.name, 'item'))).toEqual([[undefined, 2]]);
      const end = (await again.transactionOf(database.name, 'item')).at(-1) as CommitEvent;
      expect(end.coordinates).toEqual(last);
      await again.stop();
    }
  });

  it('tell the time of the commit to the microsecond', async () => {
    const now = 'SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS UNSIGNED) AS micros';
    const listener = await listen();
    const [before] = await run(now);
    await insert(1, 1);
    const [after] = await run(now);
    const [begin] = await listener.transactionOf(database.name, 'item');
    const committedAtUs = begin!.kind === 'transaction' ? begin!.committedAtUs : 0;
    expect(committedAtUs).toBeGreaterThanOrEqual(Number(before.micros));
    expect(committedAtUs).toBeLessThanOrEqual(Number(after.micros));
  });

  it('of tables that are not wanted are left out, and the choice can change while it runs', async () => {
    const listener = await listen({ include: (schema, table) => schema === database.name && table === 'item' });
    await run(`INSERT INTO other VALUES (1, 'unwanted')`, `INSERT INTO item VALUES (1, 'wanted')`);
    await listener.until(isRows());
    expect(listener.events.filter(isRows()).map(({ table }) => table)).toEqual(['item']);
    listener.source.include = (schema, table) => schema === database.name && table === 'other';
    await run(`INSERT INTO item VALUES (2, 'unwanted')`, `INSERT INTO other VALUES (2, 'wanted')`);
    const { table, changes } = await listener.until(isRows());
    expect([table, changes[0]!.after]).toEqual(['other', { id: 2, note: 'wanted' }]);
  });

  it('have a tagged GTID where the session gives one', async () => {
    const listener = await listen();
    await run(
      `SET gtid_next = 'AUTOMATIC:blue'`,
      `INSERT INTO item VALUES (1, 'tagged')`,
      `SET gtid_next = 'AUTOMATIC'`,
    );
    const [begin, ...rest] = await listener.transactionOf(database.name, 'item');
    const commit = rest.at(-1) as CommitEvent;
    const gtid = begin!.kind === 'transaction' ? begin!.gtid : '';
    expect(gtid).toMatch(/^[0-9a-f-]{36}:blue:\d+$/);
    expect(GtidSet.parse(commit.coordinates.gtidSet).contains(gtid)).toBe(true);
    const age = Date.now() * 1000 - (begin!.kind === 'transaction' ? begin!.committedAtUs : 0);
    expect(Math.abs(age)).toBeLessThan(60_000_000);
  });

  it('tell of statements that change tables, and not of others', async () => {
    const listener = await listen();
    await run(
      'ALTER TABLE other ADD extra INT',
      'ALTER TABLE other DROP extra',
      'TRUNCATE TABLE other',
      'RENAME TABLE other TO moved, moved TO other',
      'CREATE TABLE copied AS SELECT 1 AS id',
      'DROP TABLE copied',
      'ANALYZE TABLE item',
    );
    await insert(1, 1);
    await listener.until(isRows('item'));
    const statements = listener.events.flatMap((event) =>
      event.kind === 'schema-change' && event.schema === database.name ? [event] : [],
    );
    expect(statements.map(({ schema }) => schema)).toEqual(Array(6).fill(database.name));
    expect(statements.map(({ statement }) => statement.split(' ')[0])).toEqual([
      'ALTER',
      'ALTER',
      'TRUNCATE',
      'RENAME',
      'CREATE',
      'DROP',
    ]);
    const kinds = listener.events.map(({ kind }) => kind).filter((kind) => kind !== 'heartbeat');
    expect(kinds.filter((kind) => kind === 'transaction')).toHaveLength(
      kinds.filter((kind) => kind === 'commit').length + 1,
    );
  });

  it('have the names and types of their time, though the table has changed since', async () => {
    const from = await executed();
    await run(
      'CREATE TABLE altered (id INT PRIMARY KEY, a INT, b VARCHAR(10))',
      `INSERT INTO altered VALUES (1, 7, 'old')`,
      'ALTER TABLE altered DROP a, ADD c BIGINT FIRST, CHANGE b a VARCHAR(10)',
      `INSERT INTO altered VALUES (9, 2, 'new')`,
    );
    const listener = await listen({}, { kind: 'gtid-set', gtidSet: from });
    const before = await listener.until(isRows('altered'));
    const after = await listener.until(isRows('altered'));
    expect(before.changes[0]!.after).toEqual({ id: 1, a: 7, b: 'old' });
    expect(after.changes[0]!.after).toEqual({ c: 9, id: 2, a: 'new' });
    await run('DROP TABLE altered');
  });
});

function startsAt({ gtidSet, file, position }: BinlogCoordinates): BinlogStart[] {
  return [
    { kind: 'gtid-set', gtidSet },
    { kind: 'position', file, position },
  ];
}

describe('start', () => {
  it('from now leaves out what was before', async () => {
    await insert(1, 2);
    const listener = await listen({ heartbeatMs: 100 }, { kind: 'now' });
    await listener.until(({ kind }) => kind === 'heartbeat');
    await insert(3, 4);
    expect(await idsUpTo(listener, 4)).toEqual([3, 4]);
  });

  it('from a time begins with the first transaction that was committed then, in whichever file', async () => {
    await insert(1, 2);
    await run('FLUSH BINARY LOGS');
    await insert(3, 3);
    const listener = await listen();
    await insert(4, 6);
    const times: number[] = [];
    while (times.length < 3) {
      const [begin] = await listener.transactionOf(database.name, 'item');
      if (begin!.kind === 'transaction') times.push(begin!.committedAtUs);
    }
    await run('FLUSH BINARY LOGS');
    await insert(7, 7);
    const later = await listen({}, { kind: 'time', time: new Date(Math.ceil(times[1]! / 1000)) });
    // Two commits within one millisecond cannot be told apart by a Date.
    const expected = times[2]! >= Math.ceil(times[1]! / 1000) * 1000 ? [6, 7] : [7];
    expect(await idsUpTo(later, 7)).toEqual(expected);
  });

  it('from a position that is not there fails for good', async () => {
    const listener = await listen({}, { kind: 'position', file: 'binlog.999999', position: 4 });
    await expect(listener.next()).rejects.toMatchObject({ code: 'BINLOG_POSITION_LOST', retryable: false });
  });

  it('from a set with transactions that the server has not fails for good', async () => {
    const [{ uuid }] = await run('SELECT @@server_uuid AS uuid');
    const listener = await listen({}, { kind: 'gtid-set', gtidSet: `${uuid}:1-999999999` });
    await expect(listener.next()).rejects.toMatchObject({ code: 'BINLOG_POSITION_LOST', data: { reason: 'ahead' } });
  });
});

describe('back-pressure', () => {
  it('holds the server back, so that a large transaction passes in bounded memory', async () => {
    const maxQueuedBytes = MIB;
    await run('CREATE TABLE large (id INT PRIMARY KEY AUTO_INCREMENT, title TEXT)');
    const from = await executed();
    await run('BEGIN');
    const values = Array.from({ length: 250 }, () => `(REPEAT(UUID(), 220))`).join(', ');
    for (let statement = 0; statement < 32; statement += 1) await run(`INSERT INTO large (title) VALUES ${values}`);
    await run('COMMIT');
    const listener = await listen({ maxQueuedBytes }, { kind: 'gtid-set', gtidSet: from });
    let bytes = 0;
    let rows = 0;
    for (let event = await listener.next(); bytes === 0 || event.kind !== 'commit'; event = await listener.next()) {
      listener.events.length = 0;
      if (event.kind !== 'rows') continue;
      bytes += event.bytes;
      rows += event.changes.length;
      // A consumer that is slower than the server.
      if (rows % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(rows).toBe(8_000);
    expect(bytes).toBeGreaterThan(60 * MIB);
    const { highWaterBytes } = listener.source.statistics;
    expect(highWaterBytes).toBeGreaterThanOrEqual(maxQueuedBytes);
    // What was under way when it was full still goes in: one event.
    expect(highWaterBytes).toBeLessThan(maxQueuedBytes + 64 * 1024);
    await run('DROP TABLE large');
  });
});

describe('connection', () => {
  it('that breaks is made again, and nothing is lost', async () => {
    const proxy = new FaultProxy(mysqlUrl());
    await proxy.start();
    const reconnects: number[] = [];
    const listener = await listen({
      connection: connectionOf(proxy.url),
      onReconnect: ({ attempt }) => reconnects.push(attempt),
    });
    await insert(1, 3);
    expect(await idsUpTo(listener, 3)).toEqual([1, 2, 3]);
    await proxy.refuse();
    await insert(4, 6);
    await proxy.start();
    expect(new Set(await idsUpTo(listener, 6))).toEqual(new Set([4, 5, 6]));
    expect(reconnects.length).toBeGreaterThan(0);
    await listener.stop();
    await proxy.stop();
  });

  it('is ended by stop, more than once, and the sequence with it; few rights suffice', async () => {
    const user = `nc_${process.pid}_${Date.now() % 1e6}`;
    await run(
      `CREATE USER ${user} IDENTIFIED WITH caching_sha2_password BY 'secret'`,
      `GRANT REPLICATION SLAVE, REPLICATION CLIENT, SELECT ON *.* TO ${user}`,
    );
    const listener = await listen({ connection: { ...connectionOf(), user, password: 'secret' } });
    await insert(1, 1);
    await listener.until(isRows('item'));
    const end = listener.until(() => false).catch((error: Error) => error.message);
    await Promise.all([listener.stop(), listener.stop()]);
    await listener.stop();
    expect(await end).toBe('the source ended');
    const open = `SELECT COUNT(*) AS open FROM performance_schema.processlist WHERE USER = '${user}'`;
    while (Number((await run(open))[0].open) > 0) await pause();
    // The same source can be read again.
    const again = new Listener(listener.source, { kind: 'gtid-set', gtidSet: await executed() });
    await insert(2, 2);
    expect(await idsUpTo(again, 2)).toEqual([2]);
    await again.stop();
    await run(`DROP USER ${user}`);
  });

  it('that cannot be made is given up after so many tries', async () => {
    const listener = await listen({ connection: { host: '127.0.0.1', port: 1 }, maxReconnects: 2 }, { kind: 'now' });
    await expect(listener.next()).rejects.toMatchObject({ code: 'BINLOG_CONNECTION', retryable: true });
    expect(listener.source.statistics.reconnects).toBe(2);
  });

  it('is refused for good with a wrong password', async () => {
    const listener = await listen({ connection: { ...connectionOf(), password: 'wrong' } }, { kind: 'now' });
    await expect(listener.next()).rejects.toMatchObject({ code: 'BINLOG_ACCESS', retryable: false });
  });

  it('is read by one at a time', async () => {
    const listener = await listen();
    await insert(1, 1);
    await listener.until(isRows('item'));
    await expect(new Listener(listener.source, { kind: 'now' }).next()).rejects.toMatchObject({
      code: 'UNSUPPORTED_OPERATION',
    });
  });
});

describe('compressed transactions', () => {
  it('are unpacked, and a large one passes in bounded memory too', async () => {
    const maxQueuedBytes = MIB;
    await run('CREATE TABLE packed (id INT PRIMARY KEY AUTO_INCREMENT, title TEXT)');
    const from = await executed();
    await run('SET SESSION binlog_transaction_compression = ON', 'BEGIN');
    const values = Array.from({ length: 200 }, (_, at) => `(REPEAT('${at} alike ', 900))`).join(', ');
    for (let statement = 0; statement < 40; statement += 1) await run(`INSERT INTO packed (title) VALUES ${values}`);
    await run('COMMIT', 'SET SESSION binlog_transaction_compression = OFF');
    const listener = await listen({ maxQueuedBytes }, { kind: 'gtid-set', gtidSet: from });
    // Nothing is taken at first.
    await listener.next();
    while (listener.source.statistics.queuedBytes < maxQueuedBytes) await pause();
    let bytes = 0;
    const ids = new Set<unknown>();
    const titles = new Set<unknown>();
    for (let event = await listener.next(); bytes === 0 || event.kind !== 'commit'; event = await listener.next()) {
      listener.events.length = 0;
      if (event.kind !== 'rows') continue;
      bytes += event.bytes;
      for (const { after } of event.changes) {
        ids.add(after!.id);
        titles.add(after!.title);
      }
    }
    expect(ids.size).toBe(8_000);
    expect(titles.size).toBe(200);
    expect(bytes).toBeGreaterThan(60 * MIB);
    const { highWaterBytes } = listener.source.statistics;
    expect(highWaterBytes).toBeGreaterThanOrEqual(maxQueuedBytes);
    // One slice, unpacked.
    expect(highWaterBytes).toBeLessThan(maxQueuedBytes + 4 * MIB);
    await run('DROP TABLE packed');
  });
});
