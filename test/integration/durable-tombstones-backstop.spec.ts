import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { isTombstone } from '../../src/index.js';
import { until } from '../support/faulty.js';
import { product, type Product, productRepository } from '../support/product.js';
import { BackstopFixture, type BackstopInstance, productRow } from './binlog/backstop.fixture.js';

const WEEK_MS = 604_800_000;

/** Deletes around the library leave tombstones too. */
describe('the backstop, with durable tombstones', () => {
  let fixture: BackstopFixture;
  let instance: BackstopInstance;
  const toVerify: string[] = [];

  beforeAll(async () => {
    fixture = await BackstopFixture.create('durable-backstop');
    instance = await fixture.start({
      repository: productRepository(fixture.index, { tombstones: 'durable' }),
      backstop: { sweepIntervalMs: 50 },
    });
    instance.backstop.events.on('backstopToVerify', ({ reason }) => toVerify.push(reason));
  });
  afterAll(() => fixture.close());

  const isDeleted = async (id: string): Promise<boolean> =>
    isTombstone((await fixture.stores.document(fixture.index, id))?.source);
  const agree = (): Promise<void> => fixture.expectAgreement(instance);

  it('DELETE by SQL, of rows by SQL and by the library; INSERT of the same key', async () => {
    await fixture.sql(
      `INSERT INTO product (id, sku, title, revision) VALUES ${productRow(1, 'one')}, ${productRow(2, 'two')}`,
    );
    await instance.products.insert(product({ id: '3', title: 'three' }));
    await agree();
    await fixture.sql('DELETE FROM product WHERE id IN (1, 3)');
    await agree();
    expect([await isDeleted('1'), await isDeleted('2'), await isDeleted('3')]).toEqual([true, false, true]);
    await fixture.sql(`INSERT INTO product (id, sku, title, revision) VALUES ${productRow(1, 'again')}`);
    await agree();
    expect(await fixture.documents()).toEqual({ 1: 'again', 2: 'two' });
  });

  it('soft removal by SQL and back', async () => {
    await instance.products.insert(product({ id: '10', title: 'ten' }));
    await fixture.sql('UPDATE product SET deletedAt = NOW() WHERE id = 10');
    await agree();
    expect(await isDeleted('10')).toBe(true);
    await fixture.sql('UPDATE product SET deletedAt = NULL WHERE id = 10');
    await agree();
    expect(await fixture.documents()).toMatchObject({ 10: 'ten' });
  });

  it('deletes by the library are checked, and found right', async () => {
    const saved = await instance.products.insert(product({ id: '20' }));
    await instance.products.remove(saved as Product);
    await agree();
    expect(await isDeleted('20')).toBe(true);
    expect(toVerify).toEqual([]);
  });

  it("the leader's sweep purges, where the module has no sweeper", async () => {
    const saved = await instance.products.insert(product({ id: '30' }));
    await instance.products.remove(saved as Product);
    const { version } = (await fixture.stores.document(fixture.index, '30'))!;
    await fixture.stores.client.index({
      index: fixture.index,
      id: '30',
      version,
      version_type: 'external_gte',
      refresh: true,
      document: { consistency_deleted: Date.now() - 2 * WEEK_MS },
    });
    // Another leader purges when it begins.
    await instance.application.close();
    instance = await fixture.start({
      repository: productRepository(fixture.index, { tombstones: 'durable' }),
      backstop: { sweepIntervalMs: 50 },
    });
    await until('it is purged', async () => !(await isDeleted('30')));
    expect(await fixture.stores.document(fixture.index, '30')).toBeUndefined();
  });
});
