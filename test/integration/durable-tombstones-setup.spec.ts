import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TestingModule } from '@nestjs/testing';
import { Column, Entity, PrimaryColumn } from 'typeorm';
import {
  Consistency,
  type ConsistentEntityOptions,
  type ConsistentModuleOptions,
  ConsistentService,
  defineConsistentRepository,
  InvalidDocumentError,
  InvalidOptionsError,
  InvalidSchemaError,
  isTombstone,
} from '../../src/index.js';
import { Stores } from '../support/application.js';
import { refusedStart } from '../support/refused.start.js';
import { Product, product, PRODUCT_MAPPINGS, type ProductRepository, productRepository } from '../support/product.js';

const FILTER = { bool: { must_not: [{ exists: { field: 'consistency_deleted' } }] } };
const HIDDEN = { consistency_deleted: expect.any(Number) };

@Entity('odd')
class Odd {
  @PrimaryColumn() id!: string;
  @Column() consistency_deleted!: number;
  @Column(() => Consistency) consistency!: Consistency;
}

/** What an index needs for `tombstones: 'durable'`, and an entity. */
describe('durable tombstones, from the start', () => {
  let stores: Stores;

  beforeAll(async () => {
    stores = await Stores.create('durable-setup');
  });
  afterAll(() => stores.close());

  async function start(
    name: string,
    options: Partial<ConsistentEntityOptions<Product>> = {},
    module: Partial<ConsistentModuleOptions> = {},
  ): Promise<{ application: TestingModule; products: ProductRepository; service: ConsistentService }> {
    const target = productRepository(stores.index(name), options);
    const application = await stores.start({ entities: [Product], repositories: [target], module });
    return { application, products: application.get(target), service: application.get(ConsistentService) };
  }

  function refused(
    name: string,
    options: Partial<ConsistentEntityOptions<Product>> = {},
    module: Partial<ConsistentModuleOptions> = {},
  ): Promise<Error> {
    const repositories = [productRepository(stores.index(name), options)];
    return refusedStart(stores, { entities: [Product], repositories, module });
  }
  async function twoOf(products: ProductRepository): Promise<[Product, Product]> {
    return [(await products.save(product())) as Product, (await products.save(product())) as Product];
  }
  async function aliasOf(name: string): Promise<unknown> {
    const found = await stores.client.indices.getAlias({ name: stores.index(name) });
    return Object.values(found)[0]!.aliases[stores.index(name)];
  }
  async function fieldOf(name: string): Promise<unknown> {
    const found = await stores.client.indices.getMapping({ index: stores.index(name) });
    return Object.values(found)[0]!.mappings.properties!['consistency_deleted'];
  }
  async function make(name: string, alias: object): Promise<void> {
    const index = stores.index(name);
    await stores.client.indices.create({
      index: `${index}-000001`,
      aliases: { [index]: alias },
      mappings: PRODUCT_MAPPINGS,
    });
  }

  it('a new index has the field, and its alias the filter; a second start changes nothing', async () => {
    await start('new', { tombstones: 'durable' });
    expect(await aliasOf('new')).toEqual({ filter: FILTER, is_write_index: true });
    expect(await fieldOf('new')).toEqual({ type: 'long' });
    await start('new', { tombstones: 'durable' });
    expect(await aliasOf('new')).toEqual({ filter: FILTER, is_write_index: true });
  });

  it('without the option there is neither', async () => {
    await start('plain');
    expect(await aliasOf('plain')).toEqual({ is_write_index: true });
    expect(await fieldOf('plain')).toBeUndefined();
  });

  it('an index that is in use is switched over, with its strict mapping', async () => {
    const before = await start('switched');
    const [one, two] = await twoOf(before.products);
    await before.application.close();
    const after = await start('switched', { tombstones: 'durable' });
    expect(await aliasOf('switched')).toEqual({ filter: FILTER, is_write_index: true });
    await after.products.remove(one);
    expect((await stores.document(stores.index('switched'), one.id))!.source).toEqual(HIDDEN);
    await stores.client.indices.refresh({ index: stores.index('switched') });
    const { hits } = await stores.client.search({ index: stores.index('switched') });
    expect(hits.hits.map(({ _id }) => _id)).toEqual([two.id]);
    await after.products.remove(two);
  });

  it('an index prepared by somebody else: an alias that is not for writing explicitly stays so', async () => {
    await make('given', {});
    await start('given', { tombstones: 'durable' });
    expect(await aliasOf('given')).toEqual({ filter: FILTER });
  });

  it('back again: tombstones that are left still count as no documents, and deletes are deletes', async () => {
    const durable = await start('back', { tombstones: 'durable' });
    const [one, two] = await twoOf(durable.products);
    await durable.products.remove(one);
    await durable.application.close();
    const { products, service } = await start('back');
    expect(await aliasOf('back')).toEqual({ filter: FILTER, is_write_index: true });
    expect(await service.verify(Product)).toMatchObject({ consistent: true, rows: 1, documents: 1 });
    await products.insert(product({ id: one.id }));
    expect((await stores.document(products.index, one.id))!.source).toMatchObject({ id: one.id });
    await products.remove(two);
    expect(await stores.document(products.index, two.id)).toBeUndefined();
    await products.remove((await products.findOneBy({ id: one.id }))!);
  });

  it('an ingest pipeline that demands fields does not refuse tombstones', async () => {
    const { products } = await start('piped', { tombstones: 'durable' });
    const saved = await products.save(product());
    const settings = { 'index.default_pipeline': 'there-is-no-such-pipeline' };
    await stores.client.indices.putSettings({ index: products.index, settings });
    await products.remove(saved as Product);
    expect(isTombstone((await stores.document(products.index, saved.id!))?.source)).toBe(true);
  });

  describe('refuses', () => {
    it('an alias without the filter, where it may not create indices: the message has the request', async () => {
      await make('readonly', {});
      const error = await refused('readonly', { tombstones: 'durable' }, { createIndices: false });
      expect(error).toBeInstanceOf(InvalidSchemaError);
      const body = JSON.parse(/POST _aliases (\{.*\}), or/.exec(error.message)![1]!) as never;
      expect(await aliasOf('readonly')).toEqual({});
      await stores.client.indices.updateAliases(body);
      await start('readonly', { tombstones: 'durable' }, { createIndices: false });
      expect(await aliasOf('readonly')).toEqual({ filter: FILTER });
    });

    it.each([
      { term: { title: 'x' } },
      { bool: { must_not: [{ exists: { field: 'title' } }] } },
      { bool: { must_not: [{ exists: { field: 'consistency_deleted' } }, { term: { title: 'x' } }] } },
      { bool: { must_not: [{ exists: { field: 'consistency_deleted' } }], filter: [{ term: { title: 'x' } }] } },
    ])('any other filter: %j', async (filter) => {
      const name = `filtered-${Math.random().toString(36).slice(2)}`;
      await make(name, { filter });
      expect(await refused(name, { tombstones: 'durable' })).toBeInstanceOf(InvalidSchemaError);
      expect((await refused(name)).message).toMatch(/has a filter/);
    });

    it('a mapping that has the field as something else', async () => {
      const mappings = { properties: { consistency_deleted: { type: 'keyword' } } } as const;
      expect(await refused('mapped', { tombstones: 'durable', mappings })).toBeInstanceOf(InvalidOptionsError);
    });

    it.each([
      [{ tombstones: 'forever' as never }, /tombstones is forever/],
      [{ tombstoneRetentionMs: 1_000 }, /at least 3600000/],
      [{ tombstoneRetentionMs: Number.NaN }, /tombstoneRetentionMs is NaN/],
    ])('%j', async (options, message) => {
      const error = await refused('options', options);
      expect(error).toBeInstanceOf(InvalidOptionsError);
      expect(error.message).toMatch(message);
    });

    it('a property of that name, and a document with that field', async () => {
      const odd = defineConsistentRepository(Odd, { index: stores.index('odd') });
      const error = await refusedStart(stores, { entities: [Odd], repositories: [odd] });
      expect(error.message).toMatch(/`consistency_deleted` has the name/);
      const { products } = await start('made', { toDocument: () => ({ consistency_deleted: 1 }), mappings: {} });
      await expect(products.save(product())).rejects.toThrow(InvalidDocumentError);
    });

    it('two entities that share an index and do not agree', async () => {
      @Entity('other')
      class Other {
        @PrimaryColumn() id!: string;
        @Column(() => Consistency) consistency!: Consistency;
      }
      const index = stores.index('shared');
      const one = defineConsistentRepository(Product, { index, tombstones: 'durable' });
      const two = defineConsistentRepository(Other, { index });
      const error = await refusedStart(stores, { entities: [Product, Other], repositories: [one, two] });
      expect(error.message).toMatch(/Give both the same/);
    });
  });
});
