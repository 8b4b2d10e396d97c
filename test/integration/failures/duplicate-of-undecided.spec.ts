import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BULK, Faulty, MGET } from '../../support/faulty.js';
import { product } from '../../support/product.js';

/** More than are looked at for a key that is not the primary one. */
const OTHERS = 120;

/** On a machine under load 300 ms may be too short to settle the row: that is said, and the caller tries again. */
async function onceFree<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'ROW_BUSY') throw error;
    }
  }
}

/** MySQL calls a key a duplicate also when the row that has it may still be undone. */
describe('an insert meets the key of an undecided insert', () => {
  let faulty: Faulty;

  beforeAll(async () => {
    faulty = await Faulty.start('duplicates', { module: { busyTimeoutMs: 300, writeTimeoutMs: 200 } });
  });
  afterAll(() => faulty.close());

  it('is told that the row is busy, not that it exists, however many others are undecided', async () => {
    await faulty.products.saveMany(Array.from({ length: OTHERS }, () => product()));
    await faulty.stores.database.query(
      `UPDATE product SET consistency_pending = JSON_OBJECT('operation', 'update', 'next', 'present', 'before', 'present',
         'decider', 'elasticsearch', 'version', consistency_version, 'previous', JSON_OBJECT()),
       consistency_state = 'prepare', consistency_version = consistency_version + 1, consistency_deadline = '2000-01-01',
       updatedAt = updatedAt`,
    );
    const { id } = await faulty.abandon('insert');
    await faulty.expire(id);
    const away = [BULK, MGET].map((match) => faulty.elasticsearch.inject({ kind: 'cut-before' }, match));
    const again = product({ id, title: 'again' });
    await expect(faulty.products.insert(again)).rejects.toMatchObject({ code: 'ROW_BUSY' });
    for (const fault of away) fault.remove();
    expect((await onceFree(() => faulty.products.insert(again))).title).toBe('again');
    await expect(faulty.products.insert(product({ id }))).rejects.toMatchObject({
      driverError: { code: 'ER_DUP_ENTRY' },
    });
  });
});
