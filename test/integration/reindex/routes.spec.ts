import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import { ACTIVE_LEASE_MS, LeasedRoutes } from '../../../src/reindex/index.routes.js';
import { ReindexStore } from '../../../src/reindex/reindex.store.js';
import { createTestDatabase, type TestDatabase } from '../../support/servers.js';

const ALIAS = 'films';

/** What a process knows of the state, and for how long. */
describe('the leases on where documents go', () => {
  let database: TestDatabase;
  let source: DataSource;
  let store: ReindexStore;
  let routes: LeasedRoutes;
  let epoch: number;

  beforeAll(async () => {
    database = await createTestDatabase('reindex-routes');
    source = await new DataSource({ type: 'mysql', ...database.connection }).initialize();
    store = new ReindexStore(source);
  });
  afterAll(async () => {
    await source.destroy();
    await database.drop();
  });
  beforeEach(async () => {
    await store.ensureTable();
    await database.query('DELETE FROM consistent_reindex');
    await store.ensureRow(ALIAS);
    routes = new LeasedRoutes();
    routes.register(ALIAS, source);
    epoch = 1;
  });

  async function advance(change: Parameters<ReindexStore['advance']>[2]): Promise<void> {
    expect(await store.advance(ALIAS, epoch++, change)).toBe(true);
  }
  const follow = () => advance({ phase: 'following', decider: 'one', follower: 'two' });
  const version = async () => (await store.view(ALIAS))!.nowMicros;

  it('without a table, a row, or a reindex it is the alias itself', async () => {
    const alone = { decider: ALIAS, follower: null, sinceVersion: 0 };
    expect(await routes.route(ALIAS, 'prepared')).toEqual(alone);
    // Known now: no promise to wait for.
    expect(routes.route(ALIAS, 'prepared')).toEqual(alone);
    await database.query('DELETE FROM consistent_reindex');
    const others = new LeasedRoutes();
    others.register(ALIAS, source);
    expect(await others.route(ALIAS, 'settling')).toEqual(alone);
    expect(others.route('unknown', 'settling')).toEqual({ ...alone, decider: 'unknown' });
    await database.query('DROP TABLE consistent_reindex');
    const none = new LeasedRoutes();
    none.register(ALIAS, source);
    expect(await none.route(ALIAS, 'prepared', Number.MAX_SAFE_INTEGER)).toEqual(alone);
  });

  it('goes by a former state no longer than its lease', async () => {
    await follow();
    expect(await routes.route(ALIAS, 'settling')).toMatchObject({ decider: 'one', follower: 'two' });
    await advance({ phase: 'swapped', decider: 'two', follower: 'one', closesForMs: null });
    const changedAt = performance.now();
    let last = changedAt;
    for (let now = changedAt; now - changedAt < 2 * ACTIVE_LEASE_MS; now = performance.now()) {
      const route = await routes.route(ALIAS, 'settling');
      if (route.decider === 'one') last = now;
      await sleep(10);
    }
    // The last use began before the lease ended; a slow machine only makes it end earlier.
    expect(last - changedAt).toBeLessThan(ACTIVE_LEASE_MS);
    expect(await routes.route(ALIAS, 'settling')).toMatchObject({ decider: 'two', follower: 'one' });
  });

  it('lets writes that are prepared end while the barrier is closed, and no later ones begin', async () => {
    await follow();
    await routes.route(ALIAS, 'prepared');
    await advance({ closesForMs: 60_000 });
    await routes.refresh(ALIAS);
    expect(routes.route(ALIAS, 'prepared')).toMatchObject({ decider: 'one' });
    const waiting = routes.barrier(ALIAS, 60_000);
    expect(waiting).toBeInstanceOf(Promise);
    await expect(routes.barrier(ALIAS, 0)).rejects.toMatchObject({ code: 'INDEX_UNAVAILABLE', retryable: true });
    await sleep(ACTIVE_LEASE_MS);
    await expect(routes.route(ALIAS, 'prepared')).rejects.toMatchObject({ code: 'INDEX_UNAVAILABLE' });
    expect(await routes.route(ALIAS, 'settling')).toMatchObject({ decider: 'one' });
    await advance({ closesForMs: null });
    await waiting;
    expect(routes.barrier(ALIAS, 0)).toBeNull();
    expect(await routes.route(ALIAS, 'prepared')).toMatchObject({ decider: 'one' });
  });

  it('lets nobody in who has not asked for a while', async () => {
    await follow();
    await advance({ closesForMs: 60_000 });
    const entering = routes.barrier(ALIAS, 60_000)!;
    const first = await Promise.race([entering.then(() => 'in'), sleep(200).then(() => 'waiting')]);
    expect(first).toBe('waiting');
    await advance({ closesForMs: null });
    await entering;
  });

  it('takes a version that is beyond the lease for the proof that it is over', async () => {
    await follow();
    await routes.route(ALIAS, 'prepared');
    await advance({ phase: 'swapped', decider: 'two', follower: 'one' });
    expect(routes.route(ALIAS, 'prepared', await version())).toMatchObject({ decider: 'one' });
    const later = (await version()) + 2 * ACTIVE_LEASE_MS * 1_000;
    expect(await routes.route(ALIAS, 'prepared', later)).toMatchObject({ decider: 'two' });
  });

  it('opens a barrier whose time is over, and then the exchange comes too late', async () => {
    await follow();
    await advance({ closesForMs: 1 });
    await sleep(5);
    // Nobody has opened it yet.
    expect(await store.advance(ALIAS, epoch, { phase: 'swapped', exchanges: true })).toBe(false);
    await routes.refresh(ALIAS);
    expect(routes.barrier(ALIAS, 0)).toBeNull();
    expect(await store.advance(ALIAS, epoch, { phase: 'swapped', exchanges: true })).toBe(false);
    expect(await store.view(ALIAS)).toMatchObject({ isClosing: false, epoch: epoch + 1, decider: 'one' });
  });

  it('knows which writes were prepared before an exchange', async () => {
    await follow();
    await advance({ closesForMs: 60_000 });
    const before = await version();
    await advance({ phase: 'swapped', decider: 'two', follower: 'one', closesForMs: null, exchanges: true });
    const { sinceVersion } = await routes.route(ALIAS, 'prepared');
    expect(sinceVersion).toBeGreaterThan(before);
    expect(sinceVersion).toBeLessThanOrEqual(await version());
  });

  it('is not for an index of several DataSources', async () => {
    const other = await new DataSource({ type: 'mysql', ...database.connection }).initialize();
    try {
      await follow();
      routes.register(ALIAS, other);
      expect(routes.route(ALIAS, 'prepared')).toEqual({ decider: ALIAS, follower: null, sinceVersion: 0 });
    } finally {
      await other.destroy();
    }
  });
});
