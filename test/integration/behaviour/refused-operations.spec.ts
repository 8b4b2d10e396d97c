import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TestingModule } from '@nestjs/testing';
import { Column, Entity, PrimaryColumn } from 'typeorm';
import {
  Consistency,
  Consistent,
  ConsistentRepository,
  defineConsistentRepository,
  InvalidOptionsError,
  RowNotFoundError,
  UnsupportedOperationError,
} from '../../../src/index.js';
import { Stores } from '../../support/application.js';
import { Product, product, productRepository, type ProductRepository } from '../../support/product.js';
import { refusedStart } from '../../support/refused.start.js';

@Entity('undated')
class Undated {
  @PrimaryColumn() id!: string;
  @Column({ nullable: true, type: 'varchar' }) note!: string | null;
  @Column(() => Consistency) consistency!: Consistency;
}

describe('what a consistent repository refuses by name', () => {
  let stores: Stores;
  let application: TestingModule;
  let products: ProductRepository;
  let undated: ConsistentRepository<Undated>;

  beforeAll(async () => {
    stores = await Stores.create('refuses');
    const repository = productRepository(stores.index('products'));
    const other = defineConsistentRepository(Undated, { index: stores.index('undated') });
    application = await stores.start({ entities: [Product, Undated], repositories: [repository, other] });
    products = application.get(repository);
    undated = application.get(other);
  });
  afterAll(() => stores.close());

  it.each([
    ['upsert', /save\(\)/],
    ['delete', /removeMany\(\)/],
    ['softDelete', /softRemove\(\)/],
    ['restore', /recover\(\)/],
    ['increment', /expectedVersion/],
    ['decrement', /expectedVersion/],
    ['clear', /removeMany\(\)/],
    ['query', /dataSource\.query\(\)/],
    ['createQueryBuilder', /findWith/],
  ] as const)('%s', (operation, alternative) => {
    const call = () => (products as unknown as Record<string, (...given: unknown[]) => unknown>)[operation]!({ id: 1 });
    expect(call).toThrow(UnsupportedOperationError);
    expect(call).toThrow(new RegExp(`Product: ${operation}\\(\\)`));
    expect(call).toThrow(alternative);
  });

  it.each([
    ['update with criteria', () => products.update({ stock: 1 } as never, { stock: 2 } as never), /update\(criteria/],
    ['update with a key and changes', () => products.update(5 as never, { stock: 2 } as never), /update\(criteria/],
    ['an array in save', () => products.save([product(), product()] as never), /saveMany/],
    ['null in save', () => products.save(null as never), /give one entity/],
    ['a cached find', () => products.find({ cache: true }), /cache/],
    ['a cached count', () => products.count({ cache: 1_000 }), /cache/],
    ['a cached findAndCount', () => products.findAndCount({ cache: true }), /cache/],
    ['a cached findWith', () => products.findWith((builder) => builder.cache(true)), /cache/],
    ['findOne without where', () => products.findOne({} as never), /where/],
    ['softRemove without a delete date', () => undated.softRemove(new Undated()), /@DeleteDateColumn.*remove\(\)/s],
    ['recover without a delete date', () => undated.recover(new Undated()), /@DeleteDateColumn/],
  ])('%s', async (_, call, expected) => {
    const refused = (async () => call())();
    await expect(refused).rejects.toThrow(UnsupportedOperationError);
    await expect(refused).rejects.toThrow(expected);
  });

  it('changes of an entity without a key', async () => {
    await expect(products.update({ title: 'x' })).rejects.toThrow(RowNotFoundError);
    await expect(products.remove({} as Product)).rejects.toThrow(/no primary key/);
  });

  it('a key that only the database knows', async () => {
    await stores.database.query(`ALTER TABLE undated MODIFY id VARCHAR(255) NOT NULL DEFAULT (UUID())`);
    await expect(undated.save({ note: 'x' })).rejects.toThrow(/cannot be read back.*PrimaryGeneratedColumn/s);
    expect(await stores.database.query('SELECT 1 FROM undated')).toEqual([]);
  });

  it('a repository that was constructed by hand', async () => {
    const made = new (productRepository('anywhere'))();
    expect(() => made.find()).toThrow(InvalidOptionsError);
    expect(() => made.index).toThrow(/ConsistentModule\.forFeature/);
  });

  it('a class without the decorator, and a decorator on another class', () => {
    class Undecorated extends ConsistentRepository<Product> {}
    const feature = () =>
      stores.modules({ entities: [Product], repositories: [Undecorated as unknown as new () => ProductRepository] });
    expect(feature).toThrow(/Undecorated has no @Consistent/);
    expect(() => Consistent(Product, { index: 'x' })(class Foreign {} as never)).toThrow(/Foreign does not/);
    class Inherited extends productRepository('x') {}
    expect(() => stores.modules({ entities: [Product], repositories: [Inherited] })).toThrow(/Inherited has no/);
  });

  it('two repositories of one entity with different options', async () => {
    const error = await refusedStart(stores, {
      entities: [Product],
      repositories: [productRepository(stores.index('one')), productRepository(stores.index('two'))],
    });
    expect(error).toBeInstanceOf(InvalidOptionsError);
    expect(error.message).toMatch(/Product already has a consistent repository with other options/);
  });

  it('a DataSource that caches every query', async () => {
    const error = await refusedStart(stores, {
      entities: [Product],
      repositories: [productRepository(stores.index('cached'))],
      dataSource: { cache: { alwaysEnabled: true } },
    });
    expect(error).toBeInstanceOf(InvalidOptionsError);
    expect(error.message).toMatch(/cache\.alwaysEnabled/);
  });

  it('an entity that the DataSource does not know', async () => {
    const error = await refusedStart(stores, {
      entities: [Undated],
      repositories: [productRepository(stores.index('unknown'))],
    });
    expect(error).toBeInstanceOf(InvalidOptionsError);
    expect(error.message).toMatch(/not among the DataSource's entities.*autoLoadEntities/s);
  });
});
