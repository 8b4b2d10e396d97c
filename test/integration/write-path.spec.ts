import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { RowNotFoundError, StaleVersionError } from '../../src/index.js';
import { Stores } from '../support/application.js';
import { Product, product, productRepository, type ProductRepository } from '../support/product.js';

/** The write without faults: what both stores and the caller hold after each kind of write. */
describe('the write path', () => {
  let stores: Stores;
  let products: ProductRepository;

  beforeAll(async () => {
    stores = await Stores.create('write-path');
    const repository = productRepository(stores.index('products'));
    const application = await stores.start({ entities: [Product], repositories: [repository] });
    products = application.get(repository);
  });
  afterAll(() => stores.close());

  const both = async (id: string) => ({
    row: await stores.row('product', id),
    document: await stores.document(products.index, id),
  });

  it('inserts: the row is committed, the document holds every column exactly, the object is completed', async () => {
    const given = product({
      price: '1234567890123456.7891',
      attributes: { a: [1, null], big: 'x' },
      releasedAt: new Date('2024-02-29T12:34:56.789Z'),
    });
    const saved = await products.save(given);
    expect(saved).toBe(given);
    expect(saved).toMatchObject({ stock: 7, active: true, revision: 1, consistency: { state: 'commit' } });
    const { row, document } = await both(saved.id);
    expect(row).toMatchObject({ consistency_state: 'commit', consistency_deadline: null, consistency_pending: null });
    expect(document!.version).toBe(Number(row!.consistency_version));
    expect(document!.version).toBe(saved.consistency.version);
    expect(document!.source).toMatchObject({
      id: saved.id,
      price: '1234567890123456.7891',
      attributes: { a: [1, null], big: 'x' },
      releasedAt: '2024-02-29T12:34:56.789000Z',
      stock: 7,
      active: true,
      deletedAt: null,
      revision: 1,
    });
    expect(Object.keys(document!.source)).not.toContain('consistency');
  });

  it('updates a loaded, partial entity: columns that are not given stay, version and dates follow TypeORM', async () => {
    const saved = await products.save(product({ stock: 3 }));
    const before = saved.consistency.version;
    const partial = await products.save({ id: saved.id, title: 'another title' });
    expect(partial).toMatchObject({ stock: 3, title: 'another title', revision: 2 });
    expect(partial.consistency.version).toBeGreaterThan(before);
    const { row, document } = await both(saved.id);
    expect(row).toMatchObject({ title: 'another title', stock: 3, consistency_state: 'commit' });
    expect(document).toMatchObject({
      version: Number(row!.consistency_version),
      source: { title: 'another title', stock: 3, revision: 2 },
    });
    expect(Date.parse(String(row!.updatedAt))).not.toBeNaN();
    expect(document!.source.updatedAt).toBe(`${String(row!.updatedAt).replace(' ', 'T')}Z`);
  });

  it('removes: row and document are gone, and the same key can come back at a higher version', async () => {
    const saved = await products.save(product());
    const { id, sku, consistency } = saved;
    await products.remove(saved);
    expect(await both(id)).toEqual({ row: undefined, document: undefined });
    const again = await products.save({ id, sku, title: 'back' });
    expect(again.consistency.version).toBeGreaterThan(consistency.version);
    expect((await both(id)).document).toMatchObject({ source: { title: 'back' } });
  });

  it('soft-removes and recovers: the row stays, the document goes and comes back', async () => {
    const saved = await products.save(product());
    await products.softRemove(saved);
    expect(saved.deletedAt).toBeInstanceOf(Date);
    expect(await both(saved.id)).toMatchObject({ row: { consistency_state: 'commit' }, document: undefined });
    expect(await products.findOneBy({ id: saved.id })).toBeNull();
    await products.recover(saved);
    expect((await both(saved.id)).document).toMatchObject({ source: { deletedAt: null } });
    expect(await products.findOneByOrFail({ id: saved.id })).toMatchObject({ title: 'a film' });
  });

  it('updates only rows that exist, and only from the expected version', async () => {
    await expect(products.update({ id: '999999999', title: 'x' })).rejects.toThrow(RowNotFoundError);
    await expect(products.remove({ id: '999999999' } as Product)).rejects.toThrow(RowNotFoundError);
    const saved = await products.save(product());
    const version = saved.consistency.version;
    await products.update({ id: saved.id, title: 'second' }, { expectedVersion: version });
    const stale = products.update({ id: saved.id, title: 'third' }, { expectedVersion: version });
    await expect(stale).rejects.toThrow(StaleVersionError);
    expect((await both(saved.id)).document).toMatchObject({ source: { title: 'second' } });
  });

  it("leaves the caller's object alone when MySQL refuses the row, and writes nothing", async () => {
    const first = await products.save(product());
    const clash = product({ sku: first.sku });
    await expect(products.save(clash)).rejects.toMatchObject({ driverError: { code: 'ER_DUP_ENTRY' } });
    expect(clash).toEqual({ sku: first.sku, title: 'a film' });
    expect(await stores.database.query('SELECT 1 FROM product WHERE consistency_state <> ?', ['commit'])).toEqual([]);
  });

  it('reads like TypeORM: find, select, order, count', async () => {
    const saved = await products.save(product({ title: 'only one of this title' }));
    const [found] = await products.find({ where: { title: 'only one of this title' }, select: { title: true } });
    expect(found).toMatchObject({ id: saved.id, title: 'only one of this title' });
    expect(found!.stock).toBeUndefined();
    expect(await products.countBy({ title: 'only one of this title' })).toBe(1);
    expect(await products.existsBy({ title: 'no such title' })).toBe(false);
    const [page, total] = await products.findAndCount({ order: { id: 'ASC' }, take: 2 });
    expect(page).toHaveLength(2);
    expect(total).toBeGreaterThan(2);
  });
});
