import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Faulty, until } from '../../support/faulty.js';
import { type OwnServers, startOwnServers } from '../../support/own.servers.js';
import { type Promises, trafficDuring } from '../../support/traffic.js';

const START_MS = 300_000;

/** Real servers go away under traffic, and come back. */
describe('a server is restarted or killed in mid-write', () => {
  let servers: OwnServers;
  let faulty: Faulty;

  beforeAll(async () => {
    servers = await startOwnServers();
    const module = { writeTimeoutMs: 1_000, deadlineMs: 60_000, busyTimeoutMs: 500, readRepair: { timeoutMs: 10_000 } };
    faulty = await Faulty.start('restart', { module, otherModule: module });
  }, START_MS);
  afterAll(async () => {
    await faulty?.close();
    await servers?.remove();
  }, START_MS);

  /** Every promise was kept, and the stores hold the same: row by row, and nothing besides. */
  async function expectKept(promises: Promises): Promise<void> {
    await faulty.expire();
    await until('everything is settled', async () => {
      await faulty.otherService.sweep();
      return (await faulty.undecided()).length === 0;
    });
    const rows = await faulty.stores.database.query<{ id: number; title: string; version: number }>(
      'SELECT id, title, consistency_version AS version FROM product',
    );
    const inMysql = new Map(rows.map(({ id, title }) => [String(id), title]));
    const inIndex = await everyDocument();
    expect(inIndex).toEqual(inMysql);
    const broken = [...promises.allowed]
      .map(([id, allowed]) => ({ id, title: inMysql.get(id) ?? null, allowed: [...allowed] }))
      .filter(({ title, allowed }) => !allowed.includes(title));
    expect(broken).toEqual([]);
    expect(await faulty.otherService.parked.count()).toBe(0);
    expect(promises.acknowledged).toBeGreaterThan(0);
  }

  async function everyDocument(): Promise<Map<string, string>> {
    const index = faulty.stores.index('products');
    await faulty.stores.client.indices.refresh({ index });
    const { hits } = await faulty.stores.client.search<{ title: string }>({
      index,
      size: 10_000,
      query: { match_all: {} },
    });
    expect(hits.hits.length).toBeLessThan(10_000);
    return new Map(hits.hits.map(({ _id, _source }) => [_id!, _source!.title]));
  }

  it(
    'kill -9 of Elasticsearch',
    async () => {
      const promises = await trafficDuring(faulty, async () => {
        await servers.elasticsearch.kill();
        await servers.elasticsearch.start();
      });
      expect(promises.refused).toBeGreaterThan(0);
      await expectKept(promises);
    },
    START_MS,
  );

  it(
    'restart of Elasticsearch in good order',
    async () => {
      await expectKept(await trafficDuring(faulty, () => servers.elasticsearch.restart()));
    },
    START_MS,
  );

  it(
    'kill -9 of MySQL',
    async () => {
      const promises = await trafficDuring(faulty, async () => {
        await servers.mysql.kill();
        await servers.mysql.start();
      });
      expect(promises.refused).toBeGreaterThan(0);
      await expectKept(promises);
    },
    START_MS,
  );

  it(
    'Elasticsearch is frozen and thaws: what it had in hand arrives late',
    async () => {
      const promises = await trafficDuring(faulty, async () => {
        await servers.elasticsearch.kill('SIGSTOP');
        // Everything that was under way is now unknown; it is settled before Elasticsearch wakes up, in vain.
        await until('writers gave up', async () => (await faulty.undecided()).length > 0);
        await faulty.expire();
        const sweep = faulty.service.sweep();
        await servers.elasticsearch.kill('SIGCONT');
        await sweep;
      });
      await expectKept(promises);
    },
    START_MS,
  );
});
