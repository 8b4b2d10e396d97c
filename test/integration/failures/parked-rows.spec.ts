import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { IndexRejectedError, RowNotFoundError, RowParkedError } from '../../../src/index.js';
import { expectAgreement } from '../../support/agreement.js';
import { BULK, Faulty, freshId, NEW, OLD, until } from '../../support/faulty.js';
import { PRODUCT_MAPPINGS } from '../../support/product.js';

/** More than the mapping's `byte` takes. */
const REFUSED = 1_000;

/** A pending write that can be neither committed nor undone waits for a person. */
describe('parked rows', () => {
  let faulty: Faulty;
  let cursed = false;

  beforeAll(async () => {
    const mappings = { ...PRODUCT_MAPPINGS, properties: { ...PRODUCT_MAPPINGS.properties, stock: { type: 'byte' } } };
    faulty = await Faulty.start('parked', {
      module: { writeTimeoutMs: 10_000, deadlineMs: 60_000 },
      entity: {
        mappings: mappings as never,
        toDocument: ({ title }, document) => {
          if (cursed && title === OLD) throw new Error('no document can be made of this any more');
          return document;
        },
      },
    });
    await faulty.stores.database.query(
      'CREATE TABLE review (id INT PRIMARY KEY AUTO_INCREMENT, product_id BIGINT, FOREIGN KEY (product_id) REFERENCES product (id))',
    );
  });
  afterEach(async () => {
    cursed = false;
    await faulty.heal();
  });
  afterAll(() => faulty.close());

  const parked = () => faulty.otherService.parked;

  async function theOnlyOne() {
    const [row, ...others] = await parked().list();
    expect(others).toEqual([]);
    return row!;
  }

  /** An update of a unique column that did not land, and whose old value somebody else took meanwhile. */
  async function takenMeanwhile() {
    const write = await faulty.abandon('update', { sku: `moved-${freshId()}` });
    const sku = (await faulty.document(write.id))!.source['sku'] as string;
    const thief = await faulty.others.insert({ id: freshId(), sku, title: 'thief' });
    await faulty.expire(write.id);
    const events = faulty.record('parked');
    expect(await faulty.otherService.sweep()).toEqual({ claimed: 1, settled: 0, failed: 0, parked: 1 });
    const { consistency_version: version } = (await faulty.row(write.id))!;
    expect(events).toEqual([
      {
        entity: 'Product',
        dataSource: 'default',
        key: expect.stringContaining(write.id),
        version,
        reason: 'restore-refused',
      },
    ]);
    return { write, sku, thief, row: await theOnlyOne() };
  }

  describe('a unique key that was taken meanwhile forbids the undo', () => {
    it('is listed, served as the index has it, and out of the way of sweeps, barriers and counts', async () => {
      const { write, sku, thief, row } = await takenMeanwhile();
      expect(row).toMatchObject({
        entity: 'Product',
        table: 'product',
        key: { id: write.id },
        documentId: write.id,
        reason: 'restore-refused',
        attempts: 1,
        lastError: expect.stringContaining('Duplicate entry'),
      });
      expect(await parked().count()).toBe(1);
      expect(await faulty.seen(write.id)).toEqual({ repository: OLD, http: OLD, index: OLD });
      expect(await faulty.others.findOneBy({ id: write.id })).toMatchObject({ sku });
      expect(await faulty.otherService.sweep()).toMatchObject({ claimed: 0 });
      expect(await faulty.others.count()).toBeGreaterThan(0);
      expect(await faulty.others.find({ barrier: true })).not.toHaveLength(0);
      const write2 = faulty.others.update({ id: write.id, title: 'x' });
      await expect(write2).rejects.toThrow(RowParkedError);
      await expect(write2).rejects.toMatchObject({ code: 'ROW_PARKED', retryable: false });

      expect(await parked().retry(row.id)).toBe('still-parked');
      expect(await parked().list()).toMatchObject([{ id: row.id, attempts: 2 }]);
      await faulty.others.remove(thief as never);
      expect(await parked().retry(row.id)).toBe('settled');
      expect(await parked().count()).toBe(0);
      await expectAgreement(faulty, write.id, write.before);
      expect(await faulty.row(write.id)).toMatchObject({ sku });
    });

    it('discard: the row stays as MySQL holds it, and the index follows', async () => {
      const { write, thief, row } = await takenMeanwhile();
      await parked().discard(row.id);
      expect(await parked().count()).toBe(0);
      await expectAgreement(faulty, write.id, NEW);
      await expectAgreement(faulty, thief.id!, 'thief');
      await faulty.others.update({ id: write.id, title: 'goes on' });
      await expectAgreement(faulty, write.id, 'goes on');
    });

    it('the writer itself meets it: the caller gets the refusal, the row is parked', async () => {
      const seeded = await faulty.seed();
      faulty.elasticsearch.inject({ kind: 'hold' }, { ...BULK, times: 1 });
      const change = { id: seeded.id, sku: `moved-${seeded.id}`, stock: REFUSED };
      const running = faulty.products.update(change).catch((error: unknown) => error);
      await until('the request is under way', () => faulty.elasticsearch.held === 1);
      const thief = await faulty.others.insert({ id: freshId(), sku: seeded.sku, title: 'thief' });
      await faulty.elasticsearch.release();
      expect(await running).toBeInstanceOf(IndexRejectedError);
      const row = await theOnlyOne();
      expect(row).toMatchObject({ key: { id: seeded.id }, reason: 'restore-refused' });
      expect(await faulty.seen(seeded.id)).toEqual({ repository: OLD, http: OLD, index: OLD });
      await faulty.others.remove(thief as never);
      expect(await parked().retry(row.id)).toBe('settled');
      await expectAgreement(faulty, seeded.id, OLD);
    });
  });

  describe('a foreign key that points here since the prepare forbids a decided delete', () => {
    async function forbidden() {
      const write = await faulty.plan('delete');
      faulty.elasticsearch.inject({ kind: 'hold' }, { ...BULK, times: 1 });
      const running = write.run();
      await until('the request is under way', () => faulty.elasticsearch.held === 1);
      await faulty.stores.database.query('INSERT INTO review (product_id) VALUES (?)', [write.id]);
      await faulty.elasticsearch.release();
      // Elasticsearch decided: the delete happened.
      expect(await running).toBeUndefined();
      await faulty.expire(write.id);
      expect(await faulty.otherService.sweep()).toMatchObject({ claimed: 1, parked: 1 });
      expect(await faulty.seen(write.id)).toEqual({ repository: null, http: null, index: null });
      const row = await theOnlyOne();
      expect(row).toMatchObject({ key: { id: write.id }, reason: 'commit-refused' });
      return { write, row };
    }

    it('retry, once the reference is gone', async () => {
      const { write, row } = await forbidden();
      expect(await parked().retry(row.id)).toBe('still-parked');
      await faulty.stores.database.query('DELETE FROM review');
      expect(await parked().retry(row.id)).toBe('settled');
      expect(await parked().count()).toBe(0);
      await expectAgreement(faulty, write.id, null);
    });

    it('discard: the row stays, and its document comes back', async () => {
      const { write, row } = await forbidden();
      await parked().discard(row.id);
      expect(await parked().count()).toBe(0);
      await expectAgreement(faulty, write.id, OLD);
      await faulty.stores.database.query('DELETE FROM review');
    });
  });

  it('a previous image that cannot be a document any more: parked until it can', async () => {
    const write = await faulty.abandon('update');
    cursed = true;
    await faulty.expire(write.id);
    expect(await faulty.otherService.sweep()).toMatchObject({ claimed: 1, parked: 1 });
    const row = await theOnlyOne();
    expect(row).toMatchObject({
      reason: 'previous-image-refused',
      lastError: expect.stringContaining('toDocument failed'),
    });
    expect((await faulty.others.findOneBy({ id: write.id }))?.title).toBe(OLD);
    cursed = false;
    expect(await parked().retry(row.id)).toBe('settled');
    await expectAgreement(faulty, write.id, OLD);
  });

  it('retry and discard of what is not there', async () => {
    await expect(parked().retry('999999')).rejects.toThrow(RowNotFoundError);
    await expect(parked().discard('999999')).rejects.toThrow(RowNotFoundError);
  });
});
