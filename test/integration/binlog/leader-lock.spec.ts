import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import type { Server } from '../../../tools/servers/server.types.mjs';
import { silentReporter } from '../../../tools/servers/progress.reporter.mjs';
import { startMysql } from '../../../tools/servers/servers.mjs';
import { LeaderLock, type Leadership, type LeaderLockOptions } from '../../../src/binlog/leader.lock.js';
import { LeadershipLostError } from '../../../src/errors.js';
import { FaultProxy } from '../../../src/testing/index.js';
import { until } from '../../support/faulty.js';
import { createTestDatabase, mysqlUrl, type TestDatabase } from '../../support/servers.js';

const START_MS = 300_000;
const PING_MS = 200;

describe('the leader lock', () => {
  let database: TestDatabase;
  let name: string;
  let names = 0;
  let held: Leadership[];

  beforeAll(async () => {
    database = await createTestDatabase('f_leader');
  });
  beforeEach(() => {
    held = [];
    name = `backstop ${++names}`;
  });
  afterEach(async () => {
    await Promise.all(held.map((one) => one.release()));
  });
  afterAll(() => database?.drop());

  const connection = (port = database.connection.port) => {
    const { username: user, host, ...rest } = database.connection;
    return { ...rest, user, port, host: port === rest.port ? host : '127.0.0.1' };
  };
  const lock = (more: Partial<LeaderLockOptions> = {}) =>
    new LeaderLock({ connection: connection(), name, pingMs: PING_MS, ...more });

  async function acquire(one = lock(), signal?: AbortSignal): Promise<Leadership> {
    const leadership = await one.acquire(signal);
    held.push(leadership);
    return leadership;
  }
  /** Id of the connection that holds the lock, or null. */
  async function holder(one = lock()): Promise<number | null> {
    const [row] = await database.query<{ id: number | null }>('SELECT IS_USED_LOCK(?) AS id', [one.lockName]);
    return row!.id;
  }
  const lostBy = async ({ signal }: Leadership): Promise<unknown> => {
    if (!signal.aborted) await once(signal, 'abort');
    return signal.reason;
  };

  it('is given to one at a time', async () => {
    const proxy = new FaultProxy(mysqlUrl());
    await proxy.start();
    const first = await acquire();
    const second = acquire(lock({ connection: connection(proxy.port) }));
    let got = false;
    void second.then(() => (got = true));
    const tries = () => proxy.requests.filter(({ body }) => body.includes('GET_LOCK')).length;
    await until('two of its waits have come back empty', () => tries() > 2);
    expect(got).toBe(false);
    first.assertHeld();
    await first.release();
    (await second).assertHeld();
    expect(first.signal.reason).toBeInstanceOf(LeadershipLostError);
    await proxy.stop();
  });

  it('knows names, and databases, apart', async () => {
    await acquire();
    await acquire(lock({ name: `${name} too` }));
    await acquire(lock({ connection: { ...connection(), database: 'mysql' } }));
    expect(held.every(({ signal }) => !signal.aborted)).toBe(true);
  });

  it('has a name that MySQL takes, however long the given one is', async () => {
    const long = lock({ name: 'ä'.repeat(1_000) });
    expect(long.lockName.length).toBeLessThanOrEqual(64);
    await acquire(long);
    expect(await holder(long)).not.toBeNull();
  });

  it('is free at once after release, which may be called twice', async () => {
    const first = await acquire();
    await Promise.all([first.release(), first.release()]);
    expect(await holder()).toBeNull();
    expect(() => first.assertHeld()).toThrow(LeadershipLostError);
  });

  it('is not waited for any longer when the signal is aborted', async () => {
    await acquire();
    const stop = new AbortController();
    const second = lock().acquire(stop.signal);
    await until('the second waits', async () => (await waiting()) === 1);
    stop.abort(new Error('stopped'));
    await expect(second).rejects.toThrow('stopped');
    await until('MySQL has noticed', async () => (await waiting()) === 0);
    await expect(lock().acquire(AbortSignal.abort(new Error('at once')))).rejects.toThrow('at once');
  });

  async function waiting(): Promise<number> {
    const [row] = await database.query<{ n: number }>(
      `SELECT COUNT(*) AS n FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND STATE = 'User lock'`,
    );
    return row!.n;
  }

  it('is lost at once when its connection is killed, and the next one leads', async () => {
    // So rarely asked for that only the end of the connection can tell.
    const first = await acquire(lock({ pingMs: 600_000 }));
    const second = acquire();
    await database.query(`KILL ${await holder()}`);
    expect(await lostBy(first)).toBeInstanceOf(LeadershipLostError);
    expect(() => first.assertHeld()).toThrow(LeadershipLostError);
    (await second).assertHeld();
    await first.release();
    expect(await holder()).not.toBeNull();
  });

  it('is lost when MySQL has freed it though the connection is there', async () => {
    const first = await acquire();
    // Nobody but the session itself can free it: its question is answered with no.
    const proxied = (
      first as unknown as { connection: { ask(sql: string, values: unknown[], limit: number): unknown } }
    ).connection;
    await proxied.ask('SELECT RELEASE_ALL_LOCKS()', [], 1_000);
    expect(await lostBy(first)).toMatchObject({
      code: 'LEADERSHIP_LOST',
      message: expect.stringContaining('freed the lock'),
    });
  });

  it('waits until MySQL can be reached, and tells why it does', async () => {
    const proxy = new FaultProxy(mysqlUrl());
    await proxy.start();
    await proxy.refuse();
    const failures: Error[] = [];
    const options = {
      connection: connection(proxy.port),
      maxRetryMs: 100,
      onRetry: (error: Error) => failures.push(error),
    };
    const leadership = acquire(lock(options));
    await until('it has tried twice', () => failures.length >= 2);
    expect(failures[0]).toMatchObject({ code: 'ECONNREFUSED' });
    await proxy.start();
    (await leadership).assertHeld();
    proxy.cutAll();
    expect(await lostBy(await leadership)).toBeInstanceOf(LeadershipLostError);
    await proxy.stop();
  });

  it('a holder that is cut off knows it, and MySQL throws it out', async () => {
    const proxy = new FaultProxy(mysqlUrl());
    await proxy.start();
    const first = await acquire(lock({ connection: connection(proxy.port) }));
    const second = acquire();
    // Its questions get lost, and nobody closes the connection that MySQL sees.
    proxy.inject({ kind: 'black-hole' });
    expect(await lostBy(first)).toMatchObject({ message: expect.stringContaining('did not answer') });
    (await second).assertHeld();
    await proxy.stop();
  });

  it('a waiter that is cut off connects again', async () => {
    const proxy = new FaultProxy(mysqlUrl());
    await proxy.start();
    const first = await acquire();
    const failures: Error[] = [];
    const second = acquire(
      lock({ connection: connection(proxy.port), maxRetryMs: 100, onRetry: (error) => failures.push(error) }),
    );
    await until('the second waits', async () => (await waiting()) === 1);
    const hole = proxy.inject({ kind: 'black-hole' });
    await until('it notices', () => failures.length > 0);
    hole.remove();
    await first.release();
    (await second).assertHeld();
    await proxy.stop();
  });

  it('a holder whose event loop stood still gives up before it does any harm', async () => {
    const first = await acquire(lock({ pingMs: 600 }));
    // Sleeps the whole thread: no timer runs, and no answer is read.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_100);
    expect(() => first.assertHeld()).toThrow(/stood still/);
    expect(first.signal.aborted).toBe(true);
  });

  it(
    'changes hands when MySQL restarts',
    async () => {
      let mysql: Server | undefined;
      try {
        mysql = await startMysql({ reporter: silentReporter });
        const { port } = mysql;
        const own = { host: '127.0.0.1', port, user: 'root', password: '' };
        const options = { connection: own, maxRetryMs: 200, pingMs: 1_000 };
        const first = await acquire(lock(options));
        const second = acquire(lock(options));
        await mysql.kill();
        expect(await lostBy(first)).toBeInstanceOf(LeadershipLostError);
        await mysql.start();
        (await second).assertHeld();
        const third = acquire(lock(options));
        await mysql.restart();
        (await third).assertHeld();
        await Promise.all(held.map((one) => one.release()));
      } finally {
        await mysql?.remove();
      }
    },
    START_MS,
  );
});
