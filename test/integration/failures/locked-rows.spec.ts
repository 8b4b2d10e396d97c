import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createConnection } from 'mysql2/promise';
import { expectAgreement } from '../../support/agreement.js';
import { BULK, Faulty, OPERATIONS, until } from '../../support/faulty.js';
import type { ProductRepository } from '../../support/product.js';

const READS = 20;

/** A foreign transaction holds an undecided row. Settling must not wait for it: the pool would drain into that wait. */
describe('an undecided row is locked by another transaction', () => {
  let faulty: Faulty;
  let few: ProductRepository;

  beforeAll(async () => {
    faulty = await Faulty.start('locked', { module: { writeTimeoutMs: 500, busyTimeoutMs: 300 } });
    const module = { readRepair: { timeoutMs: 2_000 }, busyTimeoutMs: 300 };
    ({ products: few } = await faulty.instance({}, { module, dataSource: { poolSize: 3 } }));
  });
  afterEach(async () => {
    await faulty.heal();
    await faulty.expire();
    await faulty.otherService.sweep();
  });
  afterAll(() => faulty.close());

  /** Runs `body` while the row is locked. */
  async function whileLocked(id: string, body: () => Promise<void>): Promise<void> {
    const locker = await createConnection(faulty.stores.database.url);
    try {
      await locker.beginTransaction();
      await locker.query('SELECT 1 FROM product WHERE id = ? FOR UPDATE', [id]);
      await body();
    } finally {
      await locker.end();
    }
  }

  it.each(OPERATIONS)('%s that has landed: readers get what was decided, and nobody waits', async (operation) => {
    const write = await faulty.plan(operation);
    faulty.elasticsearch.inject({ kind: 'cut-after' }, { ...BULK, times: 1 });
    expect(await write.run()).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    const quiet = await faulty.seed();
    await whileLocked(write.id, async () => {
      for (let round = 0; round < READS / 4; round++) {
        const reads = Array.from({ length: 4 }, () => few.findOneBy({ id: write.id }));
        for (const found of await Promise.all(reads)) expect(found?.title ?? null).toBe(write.after);
      }
      const other = await faulty.abandon('update');
      await faulty.expire(other.id);
      expect(await few.findOneBy({ id: other.id })).toMatchObject({ title: other.before });
      expect(await few.findOneBy({ id: quiet.id })).toMatchObject({ title: quiet.title });
      expect(await faulty.row(write.id)).toMatchObject({ consistency_state: 'prepare' });
    });
    await until('the lock is gone', async () => {
      expect((await few.findOneBy({ id: write.id }))?.title ?? null).toBe(write.after);
      return (await faulty.undecided()).length === 0;
    });
    await expectAgreement(faulty, write.id, write.after);
  });

  it.each(OPERATIONS)('%s that comes to nothing: readers get what was before', async (operation) => {
    const write = await faulty.abandon(operation);
    await faulty.expire(write.id);
    await whileLocked(write.id, async () => {
      expect((await few.findOneBy({ id: write.id }))?.title ?? null).toBe(write.before);
      expect((await few.findOneBy({ id: write.id }))?.title ?? null).toBe(write.before);
      expect(await faulty.row(write.id)).toMatchObject({ consistency_state: 'prepare' });
    });
    await expectAgreement(faulty, write.id, write.before);
  });

  it('the sweeper goes on with the others, and takes it once the lock is gone', async () => {
    const [locked, other] = [await faulty.abandon('update'), await faulty.abandon('update')];
    await faulty.expire(locked.id, other.id);
    await whileLocked(locked.id, async () => {
      expect(await faulty.otherService.sweep()).toMatchObject({ claimed: 1, settled: 1 });
      expect(await faulty.undecided()).toEqual([locked.id]);
    });
    expect(await faulty.otherService.sweep()).toMatchObject({ claimed: 1, settled: 1 });
    await expectAgreement(faulty, locked.id, locked.before);
  });
});
