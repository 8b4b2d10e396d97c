import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BULK, Faulty, NEW, OLD } from '../support/faulty.js';
import { type OwnServers, startOwnServers } from '../support/own.servers.js';

const START_MS = 300_000;
/** Of the instance whose requests are held, and of the healthy one, which may be slow. */
const HELD = { writeTimeoutMs: 1_000, deadlineMs: 60_000, startupTimeoutMs: 60_000 };
const HEALTHY = { ...HELD, writeTimeoutMs: 20_000, statementTimeoutMs: 20_000 };
const KINDS = ['elasticsearch', 'durable'] as const;

/** An application, and the keys of two writes whose requests come late. */
interface Late {
  readonly faulty: Faulty;
  /** An update: it was undone, and the row was deleted since. */
  readonly updated: string;
  /** An insert that was undone. */
  readonly inserted: string;
}

/**
 * Elasticsearch keeps the versions of deletes in memory: a restart, even in good order, forgets them. A request that was held up
 * across it meets nothing, unless the delete is a document.
 */
describe('requests that arrive after a restart of Elasticsearch in good order', () => {
  let servers: OwnServers;
  const late = new Map<(typeof KINDS)[number], Late>();

  beforeAll(async () => {
    servers = await startOwnServers();
    for (const tombstones of KINDS) late.set(tombstones, await prepared(tombstones));
    await servers.elasticsearch.restart();
    const { client } = late.get('durable')!.faulty.stores;
    await client.cluster.health({ wait_for_status: 'yellow', timeout: '60s' });
    for (const { faulty } of late.values()) await delivered(faulty);
  }, START_MS);
  afterAll(async () => {
    for (const { faulty } of late.values()) await faulty.close();
    await servers?.remove();
  }, START_MS);

  async function prepared(tombstones: (typeof KINDS)[number]): Promise<Late> {
    const name = `late-${tombstones}`;
    const faulty = await Faulty.start(name, { module: HELD, otherModule: HEALTHY, entity: { tombstones } });
    const updated = await held(faulty, 'update');
    expect((await faulty.document(updated))?.source).toMatchObject({ title: OLD });
    await faulty.others.remove((await faulty.others.findOneBy({ id: updated }))!);
    const inserted = await held(faulty, 'insert');
    return { faulty, updated, inserted };
  }

  /** Its request is on its way until long after; its row is settled as not happened meanwhile. */
  async function held(faulty: Faulty, operation: 'insert' | 'update'): Promise<string> {
    const write = await faulty.plan(operation);
    const before = faulty.elasticsearch.held;
    faulty.elasticsearch.inject({ kind: 'hold' }, { ...BULK, times: 1 });
    expect(await write.run()).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    expect(faulty.elasticsearch.held).toBe(before + 1);
    await faulty.expire(write.id);
    expect(await faulty.otherService.sweep()).toMatchObject({ settled: 1 });
    return write.id;
  }

  async function delivered({ elasticsearch, stores }: Faulty): Promise<void> {
    expect(await elasticsearch.release()).toBe(2);
    const requests = elasticsearch.requests.filter(({ fault }) => fault === 'hold');
    expect(requests.map(({ status }) => status)).toEqual([200, 200]);
    await stores.client.indices.refresh({ index: stores.index('products') });
  }

  const titles = async ({ stores }: Faulty): Promise<unknown[]> => {
    const { hits } = await stores.client.search<{ title: string }>({ index: stores.index('products') });
    return hits.hits.map(({ _source }) => _source?.title);
  };

  // The documented hole: without it the next test would show nothing.
  it("tombstones: 'elasticsearch': documents without a row", async () => {
    const { faulty, updated, inserted } = late.get('elasticsearch')!;
    for (const id of [updated, inserted]) {
      expect((await faulty.document(id))?.source).toMatchObject({ title: NEW });
      expect(await faulty.row(id)).toBeUndefined();
    }
    expect(await titles(faulty)).toEqual([NEW, NEW]);
  });

  it("tombstones: 'durable': they are refused", async () => {
    const { faulty, updated, inserted } = late.get('durable')!;
    for (const id of [updated, inserted]) {
      expect((await faulty.document(id))?.source).toEqual({ consistency_deleted: expect.any(Number) });
      expect(await faulty.row(id)).toBeUndefined();
    }
    expect(await titles(faulty)).toEqual([]);
  });
});
