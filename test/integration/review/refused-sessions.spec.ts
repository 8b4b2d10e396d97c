import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { DataSource } from 'typeorm';
import type { MysqlDriver } from 'typeorm/driver/mysql/MysqlDriver.js';
import { defineConsistentRepository, InvalidOptionsError, InvalidSchemaError } from '../../../src/index.js';
import { Stores } from '../../support/application.js';
import { Product } from '../../support/product.js';
import { refusedStart } from '../../support/refused.start.js';

interface PoolLike {
  on(event: 'acquire', listener: (connection: { query(sql: string): unknown }) => void): void;
}

/** As a server's `init_connect` does. */
const everySession = (statement: string) => (dataSource: DataSource) =>
  Promise.resolve(
    ((dataSource.driver as MysqlDriver).pool as PoolLike).on('acquire', (connection) => {
      connection.query(statement);
    }),
  );

describe('sessions in which statements do not mean what they say', () => {
  let stores: Stores;

  beforeAll(async () => {
    stores = await Stores.create('refused-sessions');
  });
  afterAll(() => stores.close());

  it.each([
    ["SET sql_mode = 'STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES'", 'NO_BACKSLASH_ESCAPES'],
    ['SET autocommit = 0', 'autocommit = 0'],
  ])('%s: refused at the start', async (statement, named) => {
    const repository = defineConsistentRepository(Product, { index: stores.index('products') });
    const prepare = everySession(statement);
    const error = await refusedStart(stores, { entities: [Product], repositories: [repository], prepare });
    expect(error).toBeInstanceOf(InvalidSchemaError);
    expect(error.message).toContain(named);
  });

  it('starts with ANSI_QUOTES and the like, and writes what it is given', async () => {
    const repository = defineConsistentRepository(Product, { index: stores.index('others') });
    const application = await stores.start({ entities: [Product], repositories: [repository] });
    const modes = 'ANSI_QUOTES,PIPES_AS_CONCAT,IGNORE_SPACE,HIGH_NOT_PRECEDENCE,NO_UNSIGNED_SUBTRACTION,REAL_AS_FLOAT';
    const products = application.get(repository);
    await everySession(`SET sql_mode = '${modes}'`)(products.metadata.connection);
    const title = `it's a "quoted" \\ title`;
    const saved = await products.save({ sku: 'quoted', title });
    await products.save({ id: saved.id, stock: 3 });
    await products.saveMany([{ id: saved.id, attributes: { "it's": '"x"' } }]);
    const document = await stores.document(products.index, saved.id);
    expect(document?.source).toMatchObject({ title, stock: 3, attributes: { "it's": '"x"' } });
    await products.remove(await products.findOneByOrFail({ id: saved.id }));
    expect(await stores.row('product', saved.id)).toBeUndefined();
  });
});

describe('options of an entity', () => {
  it.each([
    [{ decider: 'MySQL' }, 'decider'],
    [{ refresh: 'wait-for' }, 'refresh'],
    [{ toDocument: 'title' }, 'toDocument'],
    [{ when: true }, 'when'],
    [{ indices: 'products' }, 'indices'],
    [{ index: 5 }, 'index'],
  ])('%j are refused where they are written', (options, named) => {
    const define = () => defineConsistentRepository(Product, { index: 'products', ...options } as never);
    expect(define).toThrow(InvalidOptionsError);
    expect(define).toThrow(named);
  });
});
