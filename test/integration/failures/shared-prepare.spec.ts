import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createConnection } from 'mysql2/promise';
import { StaleVersionError } from '../../../src/index.js';
import { Stores } from '../../support/application.js';
import { Product, product, productRepository, type ProductRepository } from '../../support/product.js';

/** Writes of concurrent callers share transactions; none may notice what becomes of another. */
describe('concurrent writes share a prepare', () => {
  let stores: Stores;
  let products: ProductRepository;
  let statements: string[];

  beforeAll(async () => {
    stores = await Stores.create('shared');
    statements = [];
    const logger = { logQuery: (sql: string) => statements.push(sql) };
    const silent = ['logQueryError', 'logQuerySlow', 'logSchemaBuild', 'logMigration', 'log'] as const;
    const repository = productRepository(stores.index('products'));
    const application = await stores.start({
      entities: [Product],
      repositories: [repository],
      module: { groupCommit: true },
      dataSource: { logger: { ...logger, ...Object.fromEntries(silent.map((name) => [name, () => undefined])) } },
    });
    products = application.get(repository);
  });
  afterAll(() => stores.close());

  const agree = async (ids: string[]) => {
    for (const id of ids) {
      const row = await stores.row('product', id);
      const document = await stores.document(products.index, id);
      expect(row).toMatchObject({ consistency_state: 'commit' });
      expect(document).toMatchObject({
        version: Number(row!['consistency_version']),
        source: { title: row!['title'] },
      });
    }
  };

  it('inserts: one statement, every caller gets its own id', async () => {
    statements.length = 0;
    const saved = await Promise.all(Array.from({ length: 20 }, (_, at) => products.save(product({ title: `t${at}` }))));
    expect(statements.filter((sql) => sql.startsWith('INSERT INTO `product`')).length).toBeLessThan(5);
    expect(new Set(saved.map(({ id }) => id)).size).toBe(20);
    expect(saved.map(({ title }) => title)).toEqual(Array.from({ length: 20 }, (_, at) => `t${at}`));
    for (const { id, title } of saved) expect(await stores.row('product', id)).toMatchObject({ title });
    await agree(saved.map(({ id }) => id));
  });

  it('updates: values of every type reach their own row', async () => {
    const saved = await Promise.all(Array.from({ length: 12 }, () => products.save(product())));
    statements.length = 0;
    await Promise.all(
      saved.map(({ id }, at) =>
        products.save({
          id,
          title: at % 2 ? `it's "${at}" \\ 😀` : '',
          price: `${at}.25`,
          stock: at,
          attributes: at % 3 ? { at, deep: [at, null, 'ü'] } : null,
          releasedAt: at % 4 ? new Date(Date.UTC(2024, 0, 1, 0, 0, at, 7)) : null,
          active: at % 2 === 0,
        }),
      ),
    );
    expect(statements.filter((sql) => sql.includes('CASE')).length).toBeGreaterThan(0);
    for (const [at, { id }] of saved.entries()) {
      const found = await products.findOneByOrFail({ id });
      expect(found).toMatchObject({
        title: at % 2 ? `it's "${at}" \\ 😀` : '',
        price: `${at}.2500`,
        stock: at,
        attributes: at % 3 ? { at, deep: [at, null, 'ü'] } : null,
        releasedAt: at % 4 ? new Date(Date.UTC(2024, 0, 1, 0, 0, at, 7)) : null,
        active: at % 2 === 0,
        revision: 2,
      });
    }
    await agree(saved.map(({ id }) => id));
  });

  it('keeps what JavaScript cannot hold, where the caller did not touch it', async () => {
    const saved = await products.save(product());
    await stores.database.query(
      `UPDATE product SET attributes = '{"big": 12345678901234567890}', releasedAt = '2024-05-06 07:08:09.123456' WHERE id = ?`,
      [saved.id],
    );
    const loaded = await products.findOneByOrFail({ id: saved.id });
    loaded.title = 'only the title';
    await products.save(loaded);
    const row = await stores.row('product', saved.id);
    expect(row).toMatchObject({ title: 'only the title', releasedAt: '2024-05-06 07:08:09.123456' });
    const [json] = await stores.database.query('SELECT CAST(attributes AS CHAR) AS text FROM product WHERE id = ?', [
      saved.id,
    ]);
    expect(json).toEqual({ text: '{"big": 12345678901234567890}' });
  });

  it("one row's error is nobody else's", async () => {
    const [taken, ...others] = await Promise.all(Array.from({ length: 6 }, () => products.save(product())));
    const results = await Promise.allSettled([
      products.save(product({ title: 'good insert' })),
      products.save(product({ sku: taken!.sku })),
      products.save(product({ title: 'x'.repeat(300) })),
      products.save({ id: others[0]!.id, title: 'good update' }),
      products.save({ id: others[1]!.id, title: 'y'.repeat(300) }),
      products.save({ id: others[2]!.id, title: 'stale' }, { expectedVersion: 1 }),
      products.update({ id: '987654321', title: 'nobody' }),
    ]);
    expect(results.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'rejected',
      'fulfilled',
      'rejected',
      'rejected',
      'rejected',
    ]);
    const reasons = results.map((result) => (result.status === 'rejected' ? (result.reason as unknown) : null));
    expect(reasons[1]).toMatchObject({ driverError: { code: 'ER_DUP_ENTRY' } });
    expect(reasons[2]).toMatchObject({ driverError: { code: 'ER_DATA_TOO_LONG' } });
    expect(reasons[4]).toMatchObject({ driverError: { code: 'ER_DATA_TOO_LONG' } });
    expect(reasons[5]).toBeInstanceOf(StaleVersionError);
    expect(reasons[6]).toMatchObject({ code: 'ROW_NOT_FOUND' });
    await agree([taken!.id, ...others.map(({ id }) => id)]);
  });

  it('a row that a foreign transaction holds keeps only its own writer waiting', async () => {
    const saved = await Promise.all(Array.from({ length: 4 }, () => products.save(product())));
    const foreign = await createConnection(stores.database.url);
    await foreign.beginTransaction();
    await foreign.query('SELECT 1 FROM product WHERE id = ? FOR UPDATE', [saved[0]!.id]);
    let held = true;
    const blocked = products.save({ id: saved[0]!.id, title: 'held' }).finally(() => (held = false));
    await Promise.all(saved.slice(1).map(({ id }) => products.save({ id, title: 'free' })));
    expect(held).toBe(true);
    await foreign.rollback();
    await foreign.end();
    await blocked;
    await agree(saved.map(({ id }) => id));
  });

  it('a row that is born soft-deleted has no document', async () => {
    const saved = await products.insert(product({ deletedAt: new Date('2024-01-01T00:00:00Z') }));
    expect(await stores.row('product', saved.id)).toMatchObject({ consistency_state: 'commit' });
    expect(await stores.document(products.index, saved.id)).toBeUndefined();
  });
});
