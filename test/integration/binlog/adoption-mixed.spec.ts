import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ConsistentError } from '../../../src/index.js';
import { product } from '../../support/product.js';
import { BackstopFixture, type BackstopInstance, productRow } from './backstop.fixture.js';

/** A small generator with a seed, so that a failing run can be repeated. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const KEYS = 12;

describe('the library and SQL on the same rows', () => {
  let fixture: BackstopFixture;
  let instance: BackstopInstance;
  const versions = async (): Promise<Record<string, unknown>[]> =>
    fixture.sql('SELECT id, consistency_version FROM product ORDER BY id');

  beforeAll(async () => {
    fixture = await BackstopFixture.create('adoption-mixed');
    instance = await fixture.start();
  });

  afterAll(() => fixture.close());

  it('drives nothing again where only the library writes', async () => {
    const { products, backstop } = instance;
    for (let id = 1; id <= 20; id++) await products.insert(product({ id: String(id), title: `first ${id}` }));
    await Promise.all(
      Array.from({ length: 20 }, async (_, at) => {
        for (let round = 0; round < 5; round++) await products.update({ id: String(at + 1), title: `round ${round}` });
      }),
    );
    for (let id = 11; id <= 20; id++) await products.remove((await products.findOneBy({ id: String(id) }))!);
    await products.softRemove((await products.findOneBy({ id: '10' }))!);
    const before = await versions();
    await fixture.expectAgreement(instance);
    expect(await versions()).toEqual(before);
    const [table] = Object.values(backstop.status().tables);
    expect(table).toMatchObject({ adopted: 0, refused: 0, pending: 0 });
    expect(table!.done).toBeGreaterThan(0);
  });

  it.each([1, 2, 3])('comes to agree after random writes of both (seed %i)', async (seed) => {
    const { products, service } = instance;
    await fixture.sql('DELETE FROM product');
    const tolerated = (error: unknown): void => {
      const { errno } = ((error as { driverError?: object }).driverError ?? error) as { errno?: number };
      // A row that SQL took away, a deadlock of the two, a key that both insert: callers get these.
      if (!(error instanceof ConsistentError) && errno === undefined) throw error;
    };
    const byLibrary = async (random: (below: number) => number): Promise<unknown> => {
      const id = String(1 + random(KEYS));
      const found = await products.findOneBy({ id });
      if (!found) return products.insert(product({ id, title: `library ${random(1_000)}` }));
      return random(4) === 0 ? products.remove(found) : products.update({ id, title: `library ${random(1_000)}` });
    };
    const bySql = (random: (below: number) => number): Promise<unknown> => {
      const id = 1 + random(KEYS);
      const title = `sql ${random(1_000)}`;
      return [
        () => fixture.sql(`UPDATE product SET title = '${title}' WHERE id = ${id}`),
        () => fixture.sql(`DELETE FROM product WHERE id = ${id}`),
        () => fixture.sql(`REPLACE INTO product (id, sku, title, revision) VALUES ${productRow(id, title)}`),
        () => fixture.sql(`UPDATE product SET title = '${title}' WHERE id BETWEEN ${id} AND ${id + 3}`),
      ][random(4)]!();
    };
    const writer = async (write: typeof bySql, own: number): Promise<void> => {
      const random = randomOf(seed * 100 + own);
      for (let at = 0; at < 60; at++) await write(random).catch(tolerated);
    };
    await Promise.all([writer(byLibrary, 1), writer(byLibrary, 2), writer(bySql, 3), writer(bySql, 4)]);
    // What crashed writers leave behind is settled when its deadline has passed.
    await fixture.sql(
      'UPDATE product SET updatedAt = updatedAt, consistency_deadline = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND WHERE consistency_deadline IS NOT NULL',
    );
    await service.sweep();
    await fixture.expectAgreement(instance);
    expect(await fixture.sql(`SELECT id FROM product WHERE consistency_state <> 'commit'`)).toEqual([]);
  });

  it('takes over what SQL changes in a row that is undecided, once it is settled', async () => {
    const { products } = instance;
    await fixture.sql('DELETE FROM product');
    await products.insert(product({ id: '1', title: 'first' }));
    // As a writer that died after its prepare leaves the row.
    await fixture.sql(
      `UPDATE product SET consistency_pending = JSON_OBJECT('operation', 'update', 'next', 'present', 'before', 'present',
         'decider', 'mysql', 'version', consistency_version, 'previous', NULL), consistency_state = 'prepare',
         consistency_version = consistency_version + 1, consistency_deadline = UTC_TIMESTAMP(6) + INTERVAL 1 HOUR WHERE id = 1`,
    );
    await fixture.sql(`UPDATE product SET title = 'while undecided' WHERE id = 1`);
    await fixture.expectAgreement(instance);
    expect(await fixture.documents()).toEqual({ 1: 'while undecided' });
    expect(await fixture.stores.row('product', 1)).toMatchObject({ consistency_state: 'commit' });
  });

  it('settles stale rows where no sweeper runs', async () => {
    await fixture.sql('DELETE FROM product');
    await instance.products.insert(product({ id: '1', title: 'first' }));
    await fixture.sql(
      `UPDATE product SET consistency_pending = JSON_OBJECT('operation', 'update', 'next', 'present', 'before', 'present',
         'decider', 'mysql', 'version', consistency_version, 'previous', NULL), consistency_state = 'prepare', title = 'abandoned',
         consistency_version = consistency_version + 1, consistency_deadline = UTC_TIMESTAMP(6) - INTERVAL 1 HOUR WHERE id = 1`,
    );
    const sweeping = await fixture.start({ backstop: { sweepIntervalMs: 100 }, leading: false, synchronize: false });
    await instance.backstop.stop();
    await fixture.expectLeading(sweeping);
    await fixture.expectSettled();
    await fixture.expectAgreement(sweeping);
    expect(await fixture.documents()).toEqual({ 1: 'abandoned' });
  });
});
