import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { BULK, Faulty, NEW, OLD, until } from '../support/faulty.js';
import { type OwnServers, startOwnServers } from '../support/own.servers.js';

const START_MS = 300_000;
const MODULE = { writeTimeoutMs: 1_000, deadlineMs: 60_000, startupTimeoutMs: 60_000 };

/**
 * Elasticsearch keeps the versions of deletes in memory: a restart, even in good order, forgets them. A request that was held up
 * across it meets nothing, unless the delete is a document.
 */
describe('a request that arrives after a restart of Elasticsearch', () => {
  let servers: OwnServers;
  let faulty: Faulty | undefined;

  beforeAll(async () => {
    servers = await startOwnServers();
  }, START_MS);
  afterEach(async () => {
    await faulty?.heal();
    await faulty?.close();
    faulty = undefined;
  });
  afterAll(() => servers?.remove(), START_MS);

  async function restartElasticsearch(): Promise<void> {
    await servers.elasticsearch.restart();
    await faulty!.stores.client.cluster.health({ wait_for_status: 'yellow', timeout: '60s' });
  }

  /** Holds the request of a write until long after; its row is settled as not happened meanwhile. */
  async function hold(operation: 'insert' | 'update'): Promise<string> {
    const write = await faulty!.plan(operation);
    faulty!.elasticsearch.inject({ kind: 'hold' }, { ...BULK, times: 1 });
    expect(await write.run()).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    expect(faulty!.elasticsearch.held).toBe(1);
    await faulty!.expire(write.id);
    expect(await faulty!.otherService.sweep()).toMatchObject({ settled: 1 });
    return write.id;
  }

  async function deliver(): Promise<void> {
    await faulty!.elasticsearch.release();
    const late = (): { status?: number }[] => faulty!.elasticsearch.requests.filter(({ fault }) => fault === 'hold');
    await until('the late request was answered', () => late().some(({ status }) => status !== undefined));
    expect(late()).toEqual([expect.objectContaining({ status: 200 })]);
  }

  async function updateDeletedAndLate(tombstones: 'elasticsearch' | 'durable'): Promise<string> {
    faulty = await Faulty.start(`late-${tombstones}`, { module: MODULE, otherModule: MODULE, entity: { tombstones } });
    const id = await hold('update');
    expect((await faulty.document(id))?.source).toMatchObject({ title: OLD });
    await faulty.others.remove((await faulty.others.findOneBy({ id }))!);
    await restartElasticsearch();
    await deliver();
    return id;
  }

  async function insertUndoneAndLate(tombstones: 'elasticsearch' | 'durable'): Promise<string> {
    faulty = await Faulty.start(`late-${tombstones}`, { module: MODULE, otherModule: MODULE, entity: { tombstones } });
    const id = await hold('insert');
    await restartElasticsearch();
    await deliver();
    return id;
  }

  describe.each([
    ['an update, whose row was deleted since', updateDeletedAndLate],
    ['an insert that was undone', insertUndoneAndLate],
  ] as const)('%s', (_name, happen) => {
    // The documented hole: this asserts that the next test shows something.
    it(
      "brings a document without a row, with tombstones: 'elasticsearch'",
      async () => {
        const id = await happen('elasticsearch');
        expect((await faulty!.document(id))?.source).toMatchObject({ title: NEW });
        expect(await faulty!.row(id)).toBeUndefined();
      },
      START_MS,
    );

    it(
      "is refused, with tombstones: 'durable'",
      async () => {
        const id = await happen('durable');
        expect((await faulty!.document(id))?.source).toEqual({ consistency_deleted: expect.any(Number) });
        expect(await faulty!.row(id)).toBeUndefined();
        expect(await titles()).toEqual([]);
      },
      START_MS,
    );
  });

  async function titles(): Promise<unknown[]> {
    const index = faulty!.stores.index('products');
    await faulty!.stores.client.indices.refresh({ index });
    const { hits } = await faulty!.stores.client.search<{ title: string }>({ index });
    return hits.hits.map(({ _source }) => _source?.title);
  }
});
