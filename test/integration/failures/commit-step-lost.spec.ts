import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createConnection } from 'mysql2/promise';
import { expectAgreement } from '../../support/agreement.js';
import { BULK, Faulty, FLIP, OPERATIONS, REMOVAL, until } from '../../support/faulty.js';

/** Elasticsearch has the write; MySQL cannot be told. The write is decided: nobody may learn of the trouble. */
describe('the commit step fails', () => {
  let faulty: Faulty;

  beforeAll(async () => {
    faulty = await Faulty.start('flip', { mysqlProxy: true, module: { writeTimeoutMs: 1_000 } });
  });
  afterEach(() => faulty.heal());
  afterAll(() => faulty.close());

  const stepOf = (operation: string) => (operation === 'delete' ? REMOVAL : FLIP);

  describe.each(OPERATIONS)('%s', (operation) => {
    it('the connection is cut before the statement arrives: success, settled by a reader', async () => {
      const write = await faulty.plan(operation);
      const fault = faulty.mysql.inject({ kind: 'cut-before' }, { ...stepOf(operation), times: 1 });
      expect(await write.run()).toBeUndefined();
      expect(fault.hits).toBe(1);
      expect(await faulty.row(write.id)).toMatchObject({ consistency_state: 'prepare' });
      const settled = faulty.record('settled');
      await expectAgreement(faulty, write.id, write.after);
      expect(settled).toEqual([{ entity: 'Product', dataSource: 'default', verdict: 'commit', by: 'read' }]);
    });

    it('the connection is cut after the statement arrived: success, nothing left to settle', async () => {
      const write = await faulty.plan(operation);
      const fault = faulty.mysql.inject({ kind: 'cut-after' }, { ...stepOf(operation), times: 1 });
      expect(await write.run()).toBeUndefined();
      expect(fault.hits).toBe(1);
      await until('the flip was carried out', async () => (await faulty.undecided()).length === 0);
      const settled = faulty.record('settled');
      await expectAgreement(faulty, write.id, write.after);
      expect(settled).toEqual([]);
    });

    it('MySQL is away altogether: success, settled by the sweeper', async () => {
      const write = await faulty.plan(operation);
      faulty.elasticsearch.inject({ kind: 'hold' }, { ...BULK, times: 1 });
      const running = write.run();
      await until('the request is under way', () => faulty.elasticsearch.held === 1);
      await faulty.mysql.refuse();
      await faulty.elasticsearch.release();
      expect(await running).toBeUndefined();
      await faulty.expire(write.id);
      expect(await faulty.otherService.sweep()).toMatchObject({ claimed: 1, settled: 1 });
      await expectAgreement(faulty, write.id, write.after);
    });
  });

  it('the row is locked by another transaction: the caller does not wait for it, the flip follows', async () => {
    const write = await faulty.plan('update');
    const locker = await createConnection(faulty.stores.database.url);
    try {
      faulty.elasticsearch.inject({ kind: 'hold' }, { ...BULK, times: 1 });
      const running = write.run();
      await until('the request is under way', () => faulty.elasticsearch.held === 1);
      await locker.beginTransaction();
      await locker.query('SELECT 1 FROM product WHERE id = ? FOR UPDATE', [write.id]);
      await faulty.elasticsearch.release();
      expect(await running).toBeUndefined();
      expect(await faulty.row(write.id)).toMatchObject({ consistency_state: 'prepare' });
      expect((await faulty.document(write.id))?.source).toMatchObject({ title: write.after });
    } finally {
      await locker.end();
    }
    await until('the flip got its lock', async () => (await faulty.undecided()).length === 0);
    await expectAgreement(faulty, write.id, write.after);
  });

  it('saveMany: all rows of the bulk are decided, none is lost', async () => {
    const seeded = await Promise.all([1, 2, 3].map(() => faulty.seed()));
    faulty.mysql.inject({ kind: 'cut-before' }, { ...FLIP, times: 1 });
    const outcomes = await faulty.products.saveMany(seeded.map(({ id }, at) => ({ id, title: `many ${at}` })));
    expect(outcomes.map(({ status }) => status)).toEqual(['committed', 'committed', 'committed']);
    expect(await faulty.undecided()).toEqual(seeded.map(({ id }) => id));
    for (const [at, { id }] of seeded.entries()) await expectAgreement(faulty, id, `many ${at}`);
  });
});
