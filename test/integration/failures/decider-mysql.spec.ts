import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { StaleVersionError } from '../../../src/index.js';
import type { Fault } from '../../../src/testing/index.js';
import { expectAgreement } from '../../support/agreement.js';
import { BULK, Faulty, FLIP, OPERATIONS, until } from '../../support/faulty.js';
import { type Product, PRODUCT_MAPPINGS, product } from '../../support/product.js';

/** More than the mapping's `byte` takes. */
const REFUSED = 1_000;

const WAYS: readonly (readonly [name: string, fault: Fault | null])[] = [
  ['refuses connections', null],
  ['does not answer', { kind: 'black-hole' }],
  ['answers 504', { kind: 'answer', status: 504 }],
  ['takes the write and does not say so', { kind: 'cut-after' }],
];

/** The available way: a prepared write is decided, the index follows. */
describe("decider: 'mysql'", () => {
  let faulty: Faulty;

  beforeAll(async () => {
    const mappings = { ...PRODUCT_MAPPINGS, properties: { ...PRODUCT_MAPPINGS.properties, stock: { type: 'byte' } } };
    faulty = await Faulty.start('decider', {
      mysqlProxy: true,
      module: { writeTimeoutMs: 1_000 },
      entity: { decider: 'mysql', mappings: mappings as never },
    });
  });
  afterEach(() => faulty.heal());
  afterAll(() => faulty.close());

  const breakIt = (fault: Fault | null) =>
    fault ? Promise.resolve(faulty.elasticsearch.inject(fault, BULK)) : faulty.elasticsearch.refuse();

  describe.each(WAYS)('Elasticsearch %s', (_name, fault) => {
    it.each(OPERATIONS)('%s: success at once, readers have it, and the index follows', async (operation) => {
      const write = await faulty.plan(operation);
      await breakIt(fault);
      expect(await write.run()).toBeUndefined();
      expect(await faulty.row(write.id)).toMatchObject({ consistency_state: 'prepare' });
      // No reader needs the index for that.
      for (const products of [faulty.products, faulty.others]) {
        expect((await products.findOneBy({ id: write.id }))?.title ?? null).toBe(write.after);
      }
      await faulty.heal();
      await faulty.expire(write.id);
      expect(await faulty.otherService.sweep()).toMatchObject({ claimed: 1, settled: 1 });
      await expectAgreement(faulty, write.id, write.after);
    });
  });

  it("the caller's object tells that the index follows; saveMany says deferred", async () => {
    await faulty.elasticsearch.refuse();
    const saved = await faulty.products.save(product());
    expect(saved.consistency).toMatchObject({ state: 'prepare', version: expect.any(Number) });
    const outcomes = await faulty.products.saveMany([product(), product()]);
    expect(outcomes.map(({ status }) => status)).toEqual(['deferred', 'deferred']);
    await faulty.heal();
    await faulty.expire();
    await faulty.otherService.sweep();
    await expectAgreement(faulty, saved.id, saved.title);
  });

  it('writes go on over undecided ones, optimistic versions included; the index gets the last image', async () => {
    const seeded = await faulty.seed();
    await faulty.elasticsearch.refuse();
    const first = (await faulty.products.update({ id: seeded.id, title: 'first' })) as Product;
    const second = { id: seeded.id, title: 'second' };
    await faulty.products.update(second, { expectedVersion: first.consistency.version });
    const stale = faulty.products.update({ id: seeded.id, title: 'x' }, { expectedVersion: first.consistency.version });
    await expect(stale).rejects.toThrow(StaleVersionError);
    expect(await faulty.products.findOneBy({ id: seeded.id })).toMatchObject({ title: 'second' });
    await faulty.heal();
    await faulty.expire();
    await faulty.otherService.sweep();
    await expectAgreement(faulty, seeded.id, 'second');
  });

  it('an insert, changed and removed before the index knew of it: nothing is left', async () => {
    await faulty.elasticsearch.refuse();
    const saved = await faulty.products.save(product());
    await faulty.products.update({ id: saved.id, title: 'changed' });
    await faulty.products.remove(saved as Product);
    expect(await faulty.products.findOneBy({ id: saved.id })).toBeNull();
    await faulty.heal();
    await faulty.expire();
    await faulty.otherService.sweep();
    await expectAgreement(faulty, saved.id, null);
  });

  it('a request that arrives late loses against what came after it', async () => {
    const write = await faulty.plan('update');
    faulty.elasticsearch.inject({ kind: 'hold' }, { ...BULK, times: 1 });
    expect(await write.run()).toBeUndefined();
    await faulty.others.update({ id: write.id, title: 'later' });
    expect(await faulty.elasticsearch.release()).toBe(1);
    await expectAgreement(faulty, write.id, 'later');
  });

  it('counts leave deleted rows out as soon as the index can be told, and say so while it cannot', async () => {
    const write = await faulty.plan('delete');
    await faulty.elasticsearch.refuse();
    expect(await write.run()).toBeUndefined();
    await expect(faulty.products.countBy({ id: write.id })).rejects.toMatchObject({ code: 'BARRIER_TIMEOUT' });
    expect(await faulty.products.findBy({ id: write.id })).toEqual([]);
    await faulty.heal();
    expect(await faulty.products.countBy({ id: write.id })).toBe(0);
    await expectAgreement(faulty, write.id, null);
  });

  it('the flip is lost: the sweeper finds that it landed', async () => {
    const write = await faulty.plan('update');
    faulty.mysql.inject({ kind: 'cut-before' }, { ...FLIP, times: 1 });
    expect(await write.run()).toBeUndefined();
    await faulty.expire(write.id);
    expect(await faulty.otherService.sweep()).toMatchObject({ settled: 1 });
    await expectAgreement(faulty, write.id, write.after);
  });

  it('the scheduled sweeper drives the index when it is back, and nobody asks', async () => {
    const short = await faulty.instance(
      {},
      {
        module: { writeTimeoutMs: 100, deadlineMs: 200, sweeper: { intervalMs: 50, leaseMs: 200 } },
        elasticsearchNode: faulty.elasticsearch.url,
      },
    );
    const write = await faulty.plan('update');
    await faulty.elasticsearch.refuse();
    expect(await write.run(short.products)).toBeUndefined();
    await faulty.heal();
    await until('the index follows', async () => (await faulty.undecided()).length === 0);
    await short.application.close();
    await expectAgreement(faulty, write.id, write.after);
  });

  it('a document that is refused is parked, never rolled back; a later write frees it', async () => {
    const seeded = await faulty.seed();
    const parked = faulty.record('parked', faulty.service);
    const saved = (await faulty.products.update({ id: seeded.id, title: 'x', stock: REFUSED })) as Product;
    expect(saved.consistency.state).toBe('prepare');
    expect(parked).toEqual([expect.objectContaining({ entity: 'Product', reason: 'document-refused' })]);
    expect(await faulty.others.findOneBy({ id: seeded.id })).toMatchObject({ title: 'x', stock: REFUSED });
    expect((await faulty.document(seeded.id))!.source).toMatchObject({ title: seeded.title });
    expect(await faulty.service.parked.list()).toEqual([
      expect.objectContaining({ entity: 'Product', key: { id: seeded.id }, reason: 'document-refused', attempts: 1 }),
    ]);
    await faulty.products.update({ id: seeded.id, stock: 5 });
    await expectAgreement(faulty, seeded.id, 'x');
    expect((await faulty.document(seeded.id))!.source).toMatchObject({ stock: 5 });
    for (const { id } of await faulty.service.parked.list()) {
      expect(await faulty.service.parked.retry(id)).toBe('gone');
    }
    expect(await faulty.service.parked.count()).toBe(0);
  });

  it('a refused document that an operator gives up: the row stays, without a document', async () => {
    const saved = await faulty.products.save(product({ stock: REFUSED }));
    const [entry] = await faulty.service.parked.list();
    expect(await faulty.service.parked.retry(entry!.id)).toBe('still-parked');
    await faulty.service.parked.discard(entry!.id);
    const id = entry!.key['id']!;
    expect(await faulty.row(id)).toMatchObject({ consistency_state: 'commit', stock: REFUSED });
    expect(await faulty.seen(id)).toEqual({ repository: saved.title, http: saved.title, index: null });
    expect(await faulty.service.parked.count()).toBe(0);
  });
});
