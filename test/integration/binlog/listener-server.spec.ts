import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createConnection, type Connection } from 'mysql2/promise';
import type { BinlogEvent, BinlogStart, CommitEvent } from '../../../src/binlog/binlog.types.js';
import { finalError } from '../../../src/binlog/zongji.errors.js';
import { ZongjiSession } from '../../../src/binlog/zongji.session.js';
import type { ZongjiSourceOptions } from '../../../src/binlog/zongji.source.js';
import { silentReporter } from '../../../tools/servers/progress.reporter.mjs';
import type { Server } from '../../../tools/servers/server.types.mjs';
import { startMysql } from '../../../tools/servers/servers.mjs';
import { connectionOf, isRows, Listener, sourceOf } from './listener.fixture.js';

let server: Server;
let withoutGtids: Server;
const listeners: Listener[] = [];

async function run(...statements: string[]): Promise<any> {
  return runOn(server, ...statements);
}

async function runOn(target: Server, ...statements: string[]): Promise<any> {
  const connection: Connection = await createConnection({ uri: target.url, supportBigNumbers: true });
  let rows: any;
  try {
    for (const sql of statements) [rows] = await connection.query(sql);
  } finally {
    await connection.end();
  }
  return rows;
}

function listen(start: BinlogStart, options: Partial<ZongjiSourceOptions> = {}, target = server): Listener {
  const source = sourceOf({
    connection: connectionOf(target.url),
    include: (schema) => schema === 'shop',
    maxReconnects: 1000,
    ...options,
  });
  const listener = new Listener(source, start);
  listeners.push(listener);
  return listener;
}

async function fromNow(options: Partial<ZongjiSourceOptions> = {}): Promise<Listener> {
  const [{ executed }] = await run('SELECT @@GLOBAL.gtid_executed AS executed');
  return listen({ kind: 'gtid-set', gtidSet: executed }, options);
}

const idOf = (event: BinlogEvent) => (event.kind === 'rows' ? event.changes[0]!.after?.id : undefined);
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

beforeAll(async () => {
  server = await startMysql({ durable: true, reporter: silentReporter });
  withoutGtids = await startMysql({
    reporter: silentReporter,
    settings: ['--gtid-mode=OFF', '--enforce-gtid-consistency=OFF', '--binlog-checksum=NONE'],
  });
  for (const each of [server, withoutGtids]) {
    await runOn(each, 'CREATE DATABASE shop', 'CREATE TABLE shop.item (id INT PRIMARY KEY)');
  }
});

afterEach(async () => {
  await Promise.all(listeners.splice(0).map((listener) => listener.stop()));
});

afterAll(async () => {
  await server.remove();
  await withoutGtids.remove();
});

describe('a server', () => {
  it('that falls silent with its connections open is noticed, and read on from where it was', async () => {
    const errors: string[] = [];
    const listener = await fromNow({
      heartbeatMs: 100,
      connectTimeoutMs: 300,
      onReconnect: ({ error }) => errors.push(error.message),
    });
    await run('INSERT INTO shop.item VALUES (1)');
    await listener.until((event) => idOf(event) === 1);
    await server.kill('SIGSTOP');
    const second = listener.until((event) => idOf(event) === 2);
    while (errors.length === 0) await pause();
    await server.kill('SIGCONT');
    await run('INSERT INTO shop.item VALUES (2)');
    expect(idOf(await second)).toBe(2);
    expect(errors[0]).toMatch(/Not a byte/);
    expect(listener.events.filter(isRows()).map(idOf)).toEqual([1, 2]);
  });

  it('that is killed and comes back is read on from where it was', async () => {
    const listener = await fromNow();
    await run('INSERT INTO shop.item VALUES (3)');
    await listener.until((event) => idOf(event) === 3);
    await server.kill('SIGKILL');
    const next = listener.until((event) => idOf(event) === 4);
    await server.start();
    await run('INSERT INTO shop.item VALUES (4)');
    expect(idOf(await next)).toBe(4);
    expect(listener.events.filter(isRows()).map(idOf)).toEqual([3, 4]);
  });

  it('that is frozen does not keep stop from its end', async () => {
    const listener = await fromNow();
    await run('INSERT INTO shop.item VALUES (5)');
    await listener.until(isRows());
    await server.kill('SIGSTOP');
    try {
      await listener.stop();
      await expect(listener.next()).rejects.toThrow('the source ended');
    } finally {
      await server.kill('SIGCONT');
    }
  });

  it('that has purged what comes next says so, for good', async () => {
    const [{ executed }] = await run('SELECT @@GLOBAL.gtid_executed AS executed');
    const began = new Date(Date.now() - 3_600_000);
    await run('INSERT INTO shop.item VALUES (6)', 'FLUSH BINARY LOGS', 'INSERT INTO shop.item VALUES (7)');
    const [{ File: last }] = await run('SHOW BINARY LOG STATUS');
    await run(`PURGE BINARY LOGS TO '${last}'`);
    for (const start of [
      { kind: 'gtid-set', gtidSet: executed },
      { kind: 'time', time: began },
      { kind: 'position', file: 'binlog.000001', position: 4 },
    ] as const) {
      await expect(listen(start).next()).rejects.toMatchObject({
        code: 'BINLOG_POSITION_LOST',
        retryable: false,
        data: { reason: 'purged' },
      });
    }
  });

  it('that ends a connection for another of the same identity is understood', async () => {
    const [{ executed }] = await run('SELECT @@GLOBAL.gtid_executed AS executed');
    const options = {
      connection: connectionOf(server.url),
      serverId: 3_999_999_999,
      replicaUuid: '11111111-2222-3333-4444-555555555555',
      heartbeatMs: 100,
    };
    const from = { gtidSet: executed as string };
    const lost = new Promise<Error>((resolve, reject) => {
      let first: ZongjiSession | undefined;
      let second: ZongjiSession | undefined;
      const onEvent = (): void => {
        // The first is being served: now the other one comes.
        if (second || !first) return;
        second = first;
        ZongjiSession.open(options, from, { onEvent: () => undefined, onLost: reject }).then(
          (session) => (second = session),
          reject,
        );
      };
      const onLost = (error: Error): void => void second?.close().then(() => resolve(error));
      ZongjiSession.open(options, from, { onEvent, onLost }).then((session) => (first = session), reject);
    });
    expect(finalError(await lost)).toMatchObject({ code: 'DUPLICATE_SERVER_ID', retryable: false });
  });

  it.each([
    ['TLS, its certificate not looked at', { ssl: { rejectUnauthorized: false } }, true],
    ['no TLS', {}, false],
  ])('with caching_sha2_password is read with %s', async (_name, connection, encrypted) => {
    await run(
      'DROP USER IF EXISTS reader',
      `CREATE USER reader IDENTIFIED WITH caching_sha2_password BY 'sëcret'`,
      'GRANT REPLICATION SLAVE, REPLICATION CLIENT, SELECT ON *.* TO reader',
      ...(encrypted ? ['ALTER USER reader REQUIRE SSL'] : []),
      // Nothing in the server's cache: the password has to be sent in full.
      'FLUSH PRIVILEGES',
    );
    const listener = await fromNow({
      connection: { ...connectionOf(server.url), user: 'reader', password: 'sëcret', ...connection },
    });
    const id = encrypted ? 8 : 9;
    await run(`INSERT INTO shop.item VALUES (${id})`);
    expect(idOf(await listener.until(isRows()))).toBe(id);
  });

  it('that insists on TLS refuses a connection without, for good', async () => {
    await run('DROP USER IF EXISTS strict', `CREATE USER strict IDENTIFIED BY 'x' REQUIRE SSL`);
    const connection = { ...connectionOf(server.url), user: 'strict', password: 'x' };
    await expect((await fromNow({ connection })).next()).rejects.toMatchObject({ code: 'BINLOG_ACCESS' });
  });
});

describe('rows that cannot be read', () => {
  /** On a server of its own, as some of it concerns every reader of the log. */
  const reasonFor = async (...statements: string[]): Promise<{ table: string | null; reason: string }> => {
    await run('DROP TABLE IF EXISTS shop.note', 'CREATE TABLE shop.note (id INT PRIMARY KEY, title TEXT, body JSON)');
    const listener = await fromNow();
    await run(`INSERT INTO shop.note VALUES (1, 'one', '{"a": 1, "b": "long enough to be changed in part"}')`);
    await run(...statements);
    await run(`INSERT INTO shop.note VALUES (2, 'two', NULL)`);
    const told: { table: string | null; reason: string }[] = [];
    // The stream goes on, and other rows with it.
    await listener.until((event) => {
      if (event.kind === 'undecodable') told.push({ table: event.table, reason: event.reason });
      return event.kind === 'undecodable' || idOf(event) === 2;
    });
    while (idOf(listener.events.at(-1)!) !== 2) {
      const event = await listener.next();
      if (event.kind === 'undecodable') told.push({ table: event.table, reason: event.reason });
    }
    expect(told).toHaveLength(1);
    return told[0]!;
  };

  it.each(['MINIMAL', 'NOBLOB'])('as their image is %s: told for that table', async (image) => {
    const told = await reasonFor(
      `SET SESSION binlog_row_image = '${image}'`,
      'UPDATE shop.note SET id = 3 WHERE id = 1',
    );
    expect(told).toEqual({ table: 'note', reason: expect.stringContaining('binlog_row_image') });
  });

  it('as they are parts of JSON values: told for that table', async () => {
    const told = await reasonFor(
      `SET SESSION binlog_row_value_options = 'PARTIAL_JSON'`,
      `UPDATE shop.note SET body = JSON_SET(body, '$.a', 2)`,
    );
    expect(told).toEqual({ table: 'note', reason: expect.stringContaining('binlog_row_value_options') });
  });

  it('as the statement was logged in their place: told for every table', async () => {
    const told = await reasonFor(
      `SET SESSION binlog_format = 'STATEMENT'`,
      `UPDATE shop.note SET title = 'as text' WHERE id = 1`,
    );
    expect(told).toEqual({ table: null, reason: expect.stringContaining('binlog_format') });
  });

  it('as the log carries no column names: told for that table', async () => {
    const told = await reasonFor(
      'SET GLOBAL binlog_row_metadata = MINIMAL',
      `UPDATE shop.note SET title = 'nameless'`,
      'SET GLOBAL binlog_row_metadata = FULL',
    );
    expect(told).toEqual({ table: 'note', reason: expect.stringContaining('binlog_row_metadata') });
  });

  it('as they are of an XA transaction, which may yet be undone: told when it is committed', async () => {
    const told = await reasonFor(
      `XA START 'nc'`,
      `INSERT INTO shop.note VALUES (10, 'prepared', NULL)`,
      `XA END 'nc'`,
      `XA PREPARE 'nc'`,
      `XA COMMIT 'nc'`,
      `XA START 'undone'`,
      `INSERT INTO shop.note VALUES (11, 'undone', NULL)`,
      `XA END 'undone'`,
      `XA PREPARE 'undone'`,
      `XA ROLLBACK 'undone'`,
    );
    expect(told).toEqual({ table: 'note', reason: expect.stringContaining('XA') });
  });
});

describe('a server without GTIDs and checksums', () => {
  it('is read from now, and on from a position', async () => {
    const listener = listen({ kind: 'now' }, { heartbeatMs: 100 }, withoutGtids);
    await listener.until(({ kind }) => kind === 'heartbeat');
    await runOn(withoutGtids, 'INSERT INTO shop.item VALUES (1)', 'INSERT INTO shop.item VALUES (2)');
    const events = await listener.transactionOf('shop', 'item');
    expect(events.map(({ kind }) => kind)).toEqual(['transaction', 'rows', 'commit']);
    const { coordinates } = events.at(-1) as CommitEvent;
    expect(coordinates.gtidSet).toBe('');
    const { file, position } = coordinates;
    const again = listen({ kind: 'position', file, position }, {}, withoutGtids);
    expect((await again.transactionOf('shop', 'item')).filter(isRows()).map(idOf)).toEqual([2]);
    // Its connection breaks: on from the last commit.
    await withoutGtids.kill('SIGKILL');
    const next = again.until((event) => idOf(event) === 3);
    await withoutGtids.start();
    await runOn(withoutGtids, 'INSERT INTO shop.item VALUES (3)');
    await next;
    expect(again.events.filter(isRows()).map(idOf)).toEqual([2, 3]);
  });
});
