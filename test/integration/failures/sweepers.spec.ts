import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ConsistentService } from '../../../src/index.js';
import { expectAgreement } from '../../support/agreement.js';
import { BULK, Faulty, freshId, MGET, until } from '../../support/faulty.js';

const ROWS = 64;

describe('sweepers', () => {
  let faulty: Faulty;

  beforeAll(async () => {
    faulty = await Faulty.start('sweepers', { module: { writeTimeoutMs: 2_000 } });
  });
  afterEach(() => faulty.heal());
  afterAll(() => faulty.close());

  /** Rows in `prepare` past their deadline: updates and inserts, half of which landed. */
  async function leaveBehind(): Promise<{ id: string; title: string | null }[]> {
    const seeds = Array.from({ length: ROWS / 4 }, () => freshId()).map((id) => ({ id, sku: `s-${id}`, title: 'old' }));
    await faulty.others.saveMany(seeds);
    const landing = seeds.slice(ROWS / 8);
    const expected = new Map<string, string | null>(seeds.map(({ id }) => [id, 'old']));
    for (const [kind, landed] of [
      ['cut-before', false],
      ['cut-after', true],
    ] as const) {
      const inserts = Array.from({ length: ROWS / 4 }, () => freshId()).map((id) => ({
        id,
        sku: `s-${id}`,
        title: 'new',
      }));
      const updates = (landed ? landing : seeds.slice(0, ROWS / 8)).map(({ id }) => ({ id, title: 'new' }));
      faulty.elasticsearch.inject({ kind }, { ...BULK, times: 1 });
      const outcomes = await faulty.products.saveMany([...inserts, ...updates] as { id: string; title: string }[]);
      expect(outcomes.every(({ status }) => status === 'failed')).toBe(true);
      for (const { id } of inserts) expected.set(id, landed ? 'new' : null);
      for (const { id } of updates) expected.set(id, landed ? 'new' : 'old');
    }
    await faulty.expire();
    return [...expected].map(([id, title]) => ({ id, title }));
  }

  it('two at once: every row is settled, and once', async () => {
    const rows = await leaveBehind();
    const pending = await faulty.undecided();
    const services = [faulty.otherService, (await faulty.instance({})).service];
    const settled = services.map((service) => faulty.record('settled', service));
    const results = await Promise.all(services.map((service) => service.sweep()));
    expect(await faulty.undecided()).toEqual([]);
    expect(results.reduce((sum, { settled: done }) => sum + done, 0)).toBe(pending.length);
    expect(results.reduce((sum, { failed }) => sum + failed, 0)).toBe(0);
    expect(settled.flat()).toHaveLength(pending.length);
    expect(settled.flat().filter(({ verdict }) => verdict === 'commit').length).toBe(ROWS / 4 + ROWS / 8);
    for (const { id, title } of rows) await expectAgreement(faulty, id, title);
  });

  it('two at once, and readers besides: still every row once', async () => {
    await leaveBehind();
    const pending = await faulty.undecided();
    const services = [faulty.otherService, faulty.service];
    const settled = services.map((service) => faulty.record('settled', service));
    await Promise.all([...services.map((service) => service.sweep()), faulty.others.find(), faulty.products.find()]);
    expect(await faulty.undecided()).toEqual([]);
    expect(settled.flat()).toHaveLength(pending.length);
  });

  it('Elasticsearch is away: nothing is settled, nothing is parked, the rows wait out their lease', async () => {
    const write = await faulty.abandon('update');
    await faulty.expire(write.id);
    await faulty.elasticsearch.refuse();
    expect(await faulty.service.sweep()).toEqual({ claimed: 1, settled: 0, failed: 1, parked: 0 });
    expect(await faulty.undecided()).toEqual([write.id]);
    expect(await faulty.service.sweep()).toEqual({ claimed: 0, settled: 0, failed: 0, parked: 0 });
    expect(await faulty.service.parked.count()).toBe(0);
    await faulty.elasticsearch.start();
    await faulty.expire(write.id);
    expect(await faulty.service.sweep()).toMatchObject({ claimed: 1, settled: 1 });
    await expectAgreement(faulty, write.id, write.before);
  });

  it('Elasticsearch does not answer: the sweep ends, and a later one settles the row', async () => {
    const write = await faulty.abandon('delete');
    await faulty.expire(write.id);
    faulty.elasticsearch.inject({ kind: 'answer', status: 504 }, MGET);
    expect(await faulty.service.sweep()).toMatchObject({ claimed: 1, failed: 1 });
    faulty.elasticsearch.clear();
    faulty.elasticsearch.inject({ kind: 'cut-after' }, { ...BULK, times: 1 });
    await faulty.expire(write.id);
    // The fence landed although nobody said so: the next look finds it.
    expect(await faulty.service.sweep()).toMatchObject({ claimed: 1, failed: 1 });
    await faulty.expire(write.id);
    expect(await faulty.service.sweep()).toMatchObject({ claimed: 1, settled: 1 });
    await expectAgreement(faulty, write.id, write.before);
  });

  it('the scheduled sweeper rests while Elasticsearch is away, and takes up its work when it is back', async () => {
    const scheduled = await faulty.instance(
      {},
      {
        module: { writeTimeoutMs: 200, sweeper: { intervalMs: 50, leaseMs: 200 } },
        elasticsearchNode: faulty.elasticsearch.url,
      },
    );
    const service = scheduled.application.get(ConsistentService);
    const sweeps = faulty.record('swept', service);
    const write = await faulty.abandon('insert');
    await faulty.elasticsearch.refuse();
    await faulty.expire(write.id);
    await until('a sweep failed', () => sweeps.some(({ failed }) => failed > 0));
    await faulty.elasticsearch.start();
    await until('the row is settled', async () => (await faulty.undecided()).length === 0);
    expect(sweeps.at(-1)).toMatchObject({ entity: 'Product' });
    await scheduled.application.close();
    await expectAgreement(faulty, write.id, write.before);
  });
});
