import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TestingModule } from '@nestjs/testing';
import type { ConsistentService, ReindexRefusedError } from '../../../src/index.js';
import { serviceOf, Stores } from '../../support/application.js';
import { Product, product, type ProductRepository, productRepository } from '../../support/product.js';
import { NEW_MAPPINGS } from './reindex.fixture.js';

const QUICK = { mappings: NEW_MAPPINGS, lateRequestMs: 0 };

/** One instance, step by step. */
describe('reindexing into a new mapping', () => {
  let stores: Stores;
  let application: TestingModule;
  let service: ConsistentService;
  let products: ProductRepository;
  let alias: string;
  let ids: string[];

  beforeAll(async () => {
    stores = await Stores.create('reindex');
    alias = stores.index('products');
    const repository = productRepository(alias);
    application = await stores.start({ entities: [Product], repositories: [repository] });
    service = serviceOf(application);
    products = application.get(repository);
    const made = await products.saveMany(
      Array.from({ length: 300 }, (_, at) => product({ title: `film number ${at}` })),
    );
    ids = made.map(({ entity }) => String(entity.id));
  });
  afterAll(() => stores.close());

  const holders = async (name: string) => Object.keys(await stores.client.indices.getAlias({ name }));
  const type = async (index: string) => {
    const found = await stores.client.indices.getMapping({ index });
    return (found[index]!.mappings.properties!['title'] as { type: string }).type;
  };

  it('was never done so far', async () => {
    expect(await service.reindexStatus(Product)).toBeNull();
    await expect(service.finishReindex(Product)).rejects.toMatchObject({ code: 'REINDEX_STATE' });
    await expect(service.rollbackReindex(Product)).rejects.toMatchObject({ code: 'REINDEX_STATE' });
  });

  it('refuses what the new mapping does not take, says which, and exchanges nothing', async () => {
    const { title: _, ...properties } = NEW_MAPPINGS.properties;
    const mappings = { ...NEW_MAPPINGS, properties: { ...properties, title: { type: 'integer' } as const } };
    await products.update({ id: ids[0]!, title: '17' } as Product);
    const error = await service.reindex(Product, { ...QUICK, mappings }).catch((thrown: ReindexRefusedError) => thrown);
    expect(error).toMatchObject({ code: 'REINDEX_REFUSED', data: { count: 299 } });
    const { problems } = (error as ReindexRefusedError).data as { problems: { documentId: string; reason: string }[] };
    expect(problems).toHaveLength(100);
    expect(problems[0]).toMatchObject({
      documentId: ids[1],
      reason: expect.stringContaining('document_parsing_exception'),
    });
    expect(await holders(alias)).toEqual([`${alias}-000001`]);
    expect(await service.reindexStatus(Product)).toMatchObject({ phase: 'following', step: 'verifying' });
    // The writes that the new index does not take are none the worse for it.
    await products.update({ id: ids[1]!, title: 'still written' } as Product);
    expect((await stores.document(alias, ids[1]!))!.source['title']).toBe('still written');
    expect((await service.reindexStatus(Product))!.missed).toBeGreaterThan(0);
    await expect(service.reindex(Product, QUICK)).rejects.toMatchObject({ code: 'REINDEX_REFUSED' });
  });

  it('is given up by a rollback, which deletes the new index', async () => {
    expect(await service.rollbackReindex(Product)).toMatchObject({ phase: 'idle', index: `${alias}-000001` });
    expect(await stores.client.indices.exists({ index: `${alias}-000002` })).toBe(false);
    expect(await holders(`${alias}-000001.seat`).catch(() => [])).toEqual([]);
    expect(await service.verify(Product)).toMatchObject({ consistent: true, rows: 300 });
  });

  it('exchanges the index, and keeps versions, contents and deletes', async () => {
    await products.remove((await products.findOneByOrFail({ id: ids[2]! }))!);
    await products.softRemove((await products.findOneByOrFail({ id: ids[3]! }))!);
    const before = await stores.document(alias, ids[4]!);
    const result = await service.reindex(Product, QUICK);
    expect(result).toMatchObject({ rows: 299, copied: 298, mended: 0, index: `${alias}-000002` });
    expect(await holders(alias)).toEqual([`${alias}-000002`]);
    expect(await type(`${alias}-000002`)).toBe('keyword');
    expect(await stores.document(alias, ids[4]!)).toEqual(before);
    expect(await stores.document(alias, ids[2]!)).toBeUndefined();
    expect(await stores.document(alias, ids[3]!)).toBeUndefined();
    expect(await service.verify(Product)).toMatchObject({ consistent: true, rows: 299, documents: 298 });
    await expect(service.reindex(Product, QUICK)).rejects.toMatchObject({ code: 'REINDEX_STATE' });
  });

  it('keeps the former index up to date, and goes back to it', async () => {
    await products.update({ id: ids[5]!, title: 'written after the exchange' } as Product);
    await products.remove((await products.findOneByOrFail({ id: ids[6]! }))!);
    const made = await products.insert(product({ title: 'made after the exchange' }) as Product);
    expect(await stores.document(alias, String(made.id))).toBeDefined();
    const status = await service.rollbackReindex(Product, { keepIndex: true });
    expect(status).toMatchObject({ phase: 'idle', step: 'rolled-back', index: `${alias}-000001` });
    expect(await type(`${alias}-000001`)).toBe('text');
    expect((await stores.document(alias, ids[5]!))!.source['title']).toBe('written after the exchange');
    expect(await stores.document(alias, ids[6]!)).toBeUndefined();
    expect(await stores.document(alias, String(made.id))).toBeDefined();
    expect(await service.verify(Product)).toMatchObject({ consistent: true });
  });

  it('is finished: the former index gets no more writes', async () => {
    // The one that the rollback has kept is passed over.
    expect(await service.reindex(Product, QUICK)).toMatchObject({ index: `${alias}-000003` });
    expect(await service.finishReindex(Product, { deleteFormer: true })).toMatchObject({
      phase: 'idle',
      step: 'finished',
    });
    expect(await stores.client.indices.exists({ index: `${alias}-000001` })).toBe(false);
    await products.update({ id: ids[7]!, title: 'after the end' } as Product);
    expect((await stores.document(alias, ids[7]!))!.source['title']).toBe('after the end');
    expect(await holders(`${alias}-000003.seat`).catch(() => [])).toEqual([]);
    expect(await service.verify(Product)).toMatchObject({ consistent: true });
  });
});
