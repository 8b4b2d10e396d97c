import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TestingModule } from '@nestjs/testing';
import { DocumentStore } from '../../src/elasticsearch/document.store.js';
import {
  type ConsistentEntityOptions,
  type ConsistentModuleOptions,
  ConsistentService,
  isTombstone,
} from '../../src/index.js';
import { type StoredDocument, Stores } from '../support/application.js';
import { until } from '../support/faulty.js';
import { expireDeadlines, LostAnswers } from '../support/lost.answers.js';
import { Product, product, type ProductRepository, productRepository } from '../support/product.js';

const DAY_MS = 86_400_000;
const TOMBSTONE = { consistency_deleted: expect.any(Number) };

interface Instance {
  readonly application: TestingModule;
  readonly products: ProductRepository;
  readonly service: ConsistentService;
}

/** `tombstones: 'durable'`: a delete is a document that says so. */
describe('durable tombstones', () => {
  let stores: Stores;
  let answers: LostAnswers;
  let instance: Instance;

  beforeAll(async () => {
    stores = await Stores.create('durable');
    answers = await LostAnswers.start();
    instance = await start('products', { when: ({ stock }) => stock !== 0 });
  });
  afterAll(async () => {
    await stores.close();
    await answers.stop();
  });

  async function start(
    index: string,
    options: Partial<ConsistentEntityOptions<Product>> = {},
    module: Partial<ConsistentModuleOptions> = {},
  ): Promise<Instance> {
    const target = productRepository(stores.index(index), { tombstones: 'durable', ...options });
    const application = await stores.start({
      entities: [Product],
      repositories: [target],
      elasticsearchNode: answers.url,
      module,
    });
    return { application, products: application.get(target), service: application.get(ConsistentService) };
  }

  const document = (id: string, index = 'products'): Promise<StoredDocument | undefined> =>
    stores.document(stores.index(index), id);
  const isDeleted = async (id: string): Promise<boolean> => isTombstone((await document(id))?.source);

  async function searched(index = 'products'): Promise<string[]> {
    await stores.client.indices.refresh({ index: stores.index(index) });
    const { hits } = await stores.client.search({ index: stores.index(index), size: 1_000 });
    return hits.hits.map(({ _id }) => _id!).toSorted();
  }

  async function makeOld(id: string, ageMs: number, index = 'products'): Promise<number> {
    const { version } = (await document(id, index))!;
    await stores.client.index({
      index: stores.index(index),
      id,
      version,
      version_type: 'external_gte',
      refresh: true,
      document: { consistency_deleted: Date.now() - ageMs },
    });
    return version;
  }

  it('a delete puts a tombstone at its version, which searches and the library do not see', async () => {
    const before = Date.now();
    const { id } = await instance.products.save(product());
    const { version } = (await document(id!))!;
    expect(await searched()).toContain(id);
    await instance.products.remove((await instance.products.findOneBy({ id: id! }))!);
    const tombstone = (await document(id!))!;
    expect(tombstone.source).toEqual(TOMBSTONE);
    expect(tombstone.source['consistency_deleted']).toBeGreaterThanOrEqual(before);
    expect(tombstone.version).toBeGreaterThan(version);
    expect(isTombstone(tombstone.source)).toBe(true);
    expect(await searched()).not.toContain(id);
    const { count } = await stores.client.count({ index: stores.index('products') });
    expect(count).toBe((await searched()).length);
    expect(await instance.products.findOneBy({ id: id! })).toBeNull();
    expect(await stores.row('product', id)).toBeUndefined();
  });

  it('an insert of the same key replaces the tombstone', async () => {
    const saved = await instance.products.save(product({ id: '500' }));
    await instance.products.remove(saved as Product);
    expect(await isDeleted('500')).toBe(true);
    await instance.products.insert(product({ id: '500', title: 'again' }));
    expect((await document('500'))!.source).toMatchObject({ title: 'again' });
    expect((await document('500'))!.source).not.toHaveProperty('consistency_deleted');
    expect(await searched()).toContain('500');
  });

  it('soft delete and recover, `when` out and in', async () => {
    const { id } = await instance.products.save(product());
    const read = async (): Promise<Product> =>
      (await instance.products.findOne({ where: { id: id! }, withDeleted: true }))!;
    await instance.products.softRemove(await read());
    expect(await isDeleted(id!)).toBe(true);
    await instance.products.recover(await read());
    expect((await document(id!))!.source).toMatchObject({ title: 'a film' });
    await instance.products.update({ id: id!, stock: 0 });
    expect(await isDeleted(id!)).toBe(true);
    expect(await searched()).not.toContain(id);
    await instance.products.update({ id: id!, stock: 5 });
    expect((await document(id!))!.source).toMatchObject({ stock: 5 });
  });

  it('saveMany and removeMany', async () => {
    const many = Array.from({ length: 20 }, (_, at) => product({ id: String(1_000 + at) }));
    await instance.products.saveMany(many);
    expect(await searched()).toEqual(expect.arrayContaining(['1000', '1019']));
    await instance.products.removeMany(many as Product[]);
    for (const { id } of many) expect(await isDeleted(id!)).toBe(true);
    expect((await searched()).filter((id) => id.length === 4)).toEqual([]);
  });

  it('refresh: a search right after the delete sees that it is gone', async () => {
    const { products } = await start('fresh', { refresh: true });
    const saved = await products.save(product());
    const find = async (): Promise<number> => {
      const { hits } = await stores.client.search({ index: products.index, query: { ids: { values: [saved.id!] } } });
      return hits.hits.length;
    };
    expect(await find()).toBe(1);
    await products.remove(saved as Product);
    expect(await find()).toBe(0);
  });

  describe('settling', () => {
    it('a delete whose answer was lost, and landed: its tombstone says so', async () => {
      const saved = await instance.products.save(product());
      await answers.landed(() => instance.products.remove(saved as Product));
      expect(await isDeleted(saved.id!)).toBe(true);
      expect(await instance.products.findOneBy({ id: saved.id! })).toBeNull();
      expect(await stores.row('product', saved.id)).toBeUndefined();
    });

    it('an insert that never arrived: undoing it leaves a tombstone in its slot', async () => {
      await answers.vanished(() => instance.products.insert(product({ id: '700' })));
      const { consistency_version: version } = (await stores.row('product', '700'))!;
      await expireDeadlines(stores, 'product');
      expect(await instance.service.sweep()).toMatchObject({ settled: 1, failed: 0 });
      expect(await document('700')).toEqual({ version: Number(version), source: TOMBSTONE });
      expect(await stores.row('product', '700')).toBeUndefined();
    });

    it('an update over a tombstone, whose request vanished, is undone', async () => {
      const saved = await instance.products.save(product());
      await instance.products.update({ id: saved.id!, stock: 0 });
      await answers.vanished(() => instance.products.update({ id: saved.id!, stock: 9 }));
      await expireDeadlines(stores, 'product');
      expect(await instance.service.sweep()).toMatchObject({ settled: 1, failed: 0 });
      expect((await stores.row('product', saved.id))!['stock']).toBe(0);
      expect(await isDeleted(saved.id!)).toBe(true);
    });
  });

  describe('verification', () => {
    it.each(['version', 'content'] as const)('takes a tombstone for no document: %s', async (depth) => {
      const hidden = await instance.products.save(product({ stock: 0 }));
      await instance.products.update({ id: hidden.id!, stock: 1 });
      await instance.products.update({ id: hidden.id!, stock: 0 });
      expect(await isDeleted(hidden.id!)).toBe(true);
      const result = await instance.service.verify(Product, { depth, repair: true });
      expect(result).toMatchObject({ consistent: true, orphaned: 0, foreign: 0, missing: 0, stale: 0 });
      expect(result.documents).toBe((await searched()).length);
    });

    it('a tombstone in the place of a document is a difference, and mended', async () => {
      const saved = await instance.products.save(product());
      const { version } = (await document(saved.id!))!;
      await stores.client.index({
        index: stores.index('products'),
        id: saved.id!,
        version: version + 1,
        version_type: 'external',
        document: { consistency_deleted: Date.now() },
      });
      expect(await instance.service.verify(Product, { repair: true })).toMatchObject({ missing: 1, repaired: 1 });
      expect((await document(saved.id!))!.source).toMatchObject({ title: 'a film' });
    });

    it('the delete of an orphan leaves a tombstone above it', async () => {
      const index = stores.index('products');
      await stores.client.index({ index, id: '900', version: 50, version_type: 'external', document: { id: '900' } });
      expect(await instance.service.verify(Product, { repair: true })).toMatchObject({ orphaned: 1, repaired: 1 });
      expect(await document('900')).toEqual({ version: 51, source: TOMBSTONE });
    });
  });

  describe('the purge', () => {
    it('removes old tombstones, never younger ones, nor a document that came after', async () => {
      const kept = ['800', '801', '802'];
      for (const id of kept) await instance.products.remove((await instance.products.save(product({ id }))) as Product);
      await makeOld('800', 8 * DAY_MS);
      await makeOld('801', 6 * DAY_MS);
      await makeOld('802', 8 * DAY_MS);
      // The search still shows its tombstone: the index has not been refreshed since.
      await stores.client.indices.putSettings({
        index: stores.index('products'),
        settings: { refresh_interval: '-1' },
      });
      await instance.products.insert(product({ id: '802' }));
      await instance.service.sweep();
      expect(await document('800')).toBeUndefined();
      expect(await isDeleted('801')).toBe(true);
      expect((await document('802'))!.source).toMatchObject({ id: '802' });
    });

    it('still outranks an older request right after it', async () => {
      const saved = await instance.products.save(product({ id: '810' }));
      await instance.products.remove(saved as Product);
      const version = await makeOld('810', 8 * DAY_MS);
      await instance.service.sweep();
      expect(await document('810')).toBeUndefined();
      const late = { index: stores.index('products'), id: '810', version, version_type: 'external' } as const;
      await expect(stores.client.index({ ...late, document: {} })).rejects.toThrow(/version_conflict/);
    });

    it('takes the oldest first, no more than it is told', async () => {
      const index = stores.index('products');
      const ids = ['820', '821', '822'];
      for (const [at, id] of ids.entries()) {
        await instance.products.remove((await instance.products.save(product({ id }))) as Product);
        await makeOld(id, (20 + at) * DAY_MS);
      }
      const store = new DocumentStore(stores.client, { requestTimeoutMs: 10_000 });
      const before = Date.now() - 15 * DAY_MS;
      expect(await store.purgeTombstones(index, before, 2)).toEqual({ purged: 2, full: true });
      expect(await Promise.all(ids.map(isDeleted))).toEqual([true, false, false]);
      await stores.client.indices.refresh({ index });
      expect(await store.purgeTombstones(index, before, 2)).toEqual({ purged: 1, full: false });
    });

    it('keeps them for ever where that is asked for', async () => {
      const forever = await start('forever', { tombstoneRetentionMs: Infinity });
      const saved = await forever.products.save(product());
      await forever.products.remove(saved as Product);
      await makeOld(saved.id!, 9_999 * DAY_MS, 'forever');
      await forever.service.sweep();
      expect((await document(saved.id!, 'forever'))!.source).toEqual(TOMBSTONE);
    });

    it('runs with the scheduled sweeper', async () => {
      const { products } = await start('scheduled');
      const saved = await products.save(product());
      await products.remove(saved as Product);
      await makeOld(saved.id!, 8 * DAY_MS, 'scheduled');
      await start('scheduled', {}, { sweeper: { intervalMs: 50 } });
      await until('it is purged', async () => (await document(saved.id!, 'scheduled')) === undefined);
      expect(await stores.row('product', saved.id)).toBeUndefined();
    });
  });
});
