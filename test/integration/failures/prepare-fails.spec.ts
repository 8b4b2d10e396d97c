import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createConnection } from 'mysql2/promise';
import { QueryFailedError } from 'typeorm';
import { ConsistentError } from '../../../src/index.js';
import { expectAgreement } from '../../support/agreement.js';
import { BULK, Faulty, freshId, OPERATIONS, until } from '../../support/faulty.js';

/** Nothing was prepared: the database's own error reaches the caller, and neither store has seen anything. */
describe('the prepare step fails', () => {
  let faulty: Faulty;

  beforeAll(async () => {
    faulty = await Faulty.start('prepare-fails', {
      mysqlProxy: true,
      // One statement for each write: the shared path would try again singly, and the fault is met once.
      module: { groupCommit: false },
    });
  });
  afterEach(() => faulty.heal());
  afterAll(() => faulty.close());

  const bulks = () => faulty.elasticsearch.requests.filter(({ path }) => path.includes(BULK.path)).length;

  it('a duplicate key, with nothing undecided that might hold it', async () => {
    const seeded = await faulty.seed();
    const sent = bulks();
    const id = freshId();
    const error = await faulty.products.insert({ id, sku: seeded.sku, title: 'x' }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ driverError: { code: 'ER_DUP_ENTRY' } });
    const again = await faulty.products
      .insert({ id: seeded.id, sku: 'x', title: 'x' })
      .catch((reason: unknown) => reason);
    expect(again).toMatchObject({ driverError: { code: 'ER_DUP_ENTRY' } });
    expect(bulks() - sent).toBe(0);
    await expectAgreement(faulty, id, null);
    await expectAgreement(faulty, seeded.id, seeded.title);
  });

  it("a duplicate key, while unrelated rows stay undecided: MySQL's error, not theirs", async () => {
    const hasty = await faulty.instance({}, { module: { busyTimeoutMs: 50 } });
    const seeded = await faulty.seed();
    const undecided = await faulty.abandon('update');
    const taken = hasty.products.insert({ id: freshId(), sku: seeded.sku, title: 'x' });
    await expect(taken).rejects.toMatchObject({ driverError: { code: 'ER_DUP_ENTRY' } });
    const inserted = await faulty.abandon('insert');
    const same = hasty.products.insert({ id: inserted.id, sku: 'y', title: 'y' });
    await expect(same).rejects.toMatchObject({ code: 'ROW_BUSY', data: { key: inserted.id } });
    await faulty.expire(undecided.id, inserted.id);
    await hasty.products.insert({ id: inserted.id, sku: 'y', title: 'y' });
    await expectAgreement(faulty, undecided.id, undecided.before);
    await expectAgreement(faulty, inserted.id, 'y');
  });

  it('save: the row is deleted for good between the look and the change: it is inserted', async () => {
    const seeded = await faulty.seed();
    const change = faulty.mysql.inject({ kind: 'hold' }, { body: /SET `consistency_pending`/, times: 1 });
    const saving = faulty.products.save({ id: seeded.id, sku: seeded.sku, title: 'again' });
    await change.reached();
    await faulty.others.remove(seeded);
    await faulty.mysql.release();
    expect(await saving).toMatchObject({ title: 'again', consistency: { state: 'commit' } });
    await expectAgreement(faulty, seeded.id, 'again');
  });

  it.each([
    ['too long', { title: 'x'.repeat(300) }, 'ER_DATA_TOO_LONG'],
    ['null where none may be', { title: null }, 'ER_BAD_NULL_ERROR'],
    ['out of range', { stock: 2 ** 40 }, 'ER_WARN_DATA_OUT_OF_RANGE'],
  ])('a value that the column refuses: %s', async (_name, change, code) => {
    const seeded = await faulty.seed();
    const sent = bulks();
    const before = await faulty.row(seeded.id);
    const write = faulty.products.update({ id: seeded.id, ...change } as never);
    await expect(write).rejects.toMatchObject({ driverError: { code } });
    expect(bulks() - sent).toBe(0);
    expect(await faulty.row(seeded.id)).toEqual(before);
    await expectAgreement(faulty, seeded.id, seeded.title);
  });

  it.each(OPERATIONS)('%s: the connection breaks before the COMMIT is sent', async (operation) => {
    const write = await faulty.plan(operation);
    const sent = bulks();
    const before = await faulty.row(write.id);
    const statement = operation === 'insert' ? /INSERT INTO `product`/ : /SET `consistency_pending`/;
    const fault = faulty.mysql.inject({ kind: 'cut-after' }, { body: statement, times: 1 });
    const error = await write.run();
    expect(fault.hits).toBe(1);
    expect(error).toBeInstanceOf(QueryFailedError);
    expect(error).not.toBeInstanceOf(ConsistentError);
    expect(bulks() - sent).toBe(0);
    expect(await faulty.row(write.id)).toEqual(before);
    await expectAgreement(faulty, write.id, write.before);
    expect(await write.run()).toBeUndefined();
    await expectAgreement(faulty, write.id, write.after);
  });

  it('MySQL is not there', async () => {
    const write = await faulty.plan('update');
    await faulty.mysql.refuse();
    const error = await write.run();
    expect(error).not.toBeInstanceOf(ConsistentError);
    expect(error).toMatchObject({ code: expect.stringMatching(/ECONNREFUSED|PROTOCOL_CONNECTION_LOST|ECONNRESET/) });
    await faulty.mysql.start();
    expect(await write.run()).toBeUndefined();
    await expectAgreement(faulty, write.id, write.after);
  });

  it('a deadlock with a foreign transaction: repeated until it goes through', async () => {
    const [first, second] = [await faulty.seed(), await faulty.seed()];
    const { database } = faulty.stores;
    const foreign = await createConnection(database.url);
    try {
      await foreign.query('SET TRANSACTION ISOLATION LEVEL READ COMMITTED');
      await foreign.beginTransaction();
      // Of two, MySQL picks the one that changed less.
      await foreign.query("UPDATE product SET title = CONCAT(title, '!'), updatedAt = updatedAt WHERE id <> ?", [
        first.id,
      ]);
      const running = faulty.products.saveMany([
        { id: first.id, title: 'many' },
        { id: second.id, title: 'many' },
      ]);
      await until(
        'the batch waits for the second row',
        async () => {
          const waiting = await database.query(
            `SELECT 1 FROM information_schema.innodb_trx t JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id
            WHERE t.trx_state = 'LOCK WAIT' AND p.db = ?`,
            [database.name],
          );
          return waiting.length > 0;
          // InnoDB's view is made anew only when nobody has asked for 100 ms.
        },
        150,
      );
      await foreign.query("UPDATE product SET title = 'foreign', updatedAt = updatedAt WHERE id = ?", [first.id]);
      await foreign.rollback();
      expect((await running).map(({ status }) => status)).toEqual(['committed', 'committed']);
    } finally {
      await foreign.end();
    }
    await expectAgreement(faulty, first.id, 'many');
    await expectAgreement(faulty, second.id, 'many');
  });
});
