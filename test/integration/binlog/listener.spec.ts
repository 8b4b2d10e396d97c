import { describe, expect, it } from '@jest/globals';
import { FaultProxy } from '../../../src/testing/index.js';
import { mysqlUrl } from '../../support/servers.js';
import { connectionOf, isRows, Listener } from './listener.fixture.js';
import { listenerSetup } from './listener.setup.js';

const MIB = 1024 * 1024;

const { run, executed, listen, insert, name } = listenerSetup('listener');

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
      const [begin] = await listener.transactionOf(name(), 'item');
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
