import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { OutcomeUnknownError } from '../../../src/index.js';
import { isConnectionLost } from '../../../src/mysql/mysql.errors.js';
import { expectAgreement } from '../../support/agreement.js';
import { BULK, COMMIT, Faulty, OPERATIONS } from '../../support/faulty.js';
import type { Product, productRepository } from '../../support/product.js';

/** The connection to MySQL breaks in the COMMIT of the prepare transaction: no request was sent, the row may be pending. */
describe("the prepare's own COMMIT is lost", () => {
  let faulty: Faulty;

  beforeAll(async () => {
    faulty = await Faulty.start('prepare-commit', {
      mysqlProxy: true,
      // A lone writer of a shared prepare has no COMMIT.
      module: { groupCommit: false },
    });
  });
  afterEach(() => faulty.heal());
  afterAll(() => faulty.close());

  const bulks = () => faulty.elasticsearch.requests.filter(({ path }) => path.includes(BULK.path)).length;

  describe.each(OPERATIONS)('%s', (operation) => {
    it('carried out: unknown, nothing was sent, settled as not happened', async () => {
      const write = await faulty.plan(operation);
      const sent = bulks();
      const fault = faulty.mysql.inject({ kind: 'cut-after' }, { ...COMMIT, times: 1 });
      const error = await write.run();
      expect(fault.hits).toBe(1);
      expect(error).toBeInstanceOf(OutcomeUnknownError);
      expect(error).toMatchObject({ data: { entity: 'Product', operation, documentId: write.id } });
      expect(bulks() - sent).toBe(0);
      const row = await faulty.row(write.id);
      expect(row).toMatchObject({ consistency_state: 'prepare', consistency_version: error!.data!['version'] });
      expect(await faulty.seen(write.id)).toEqual({
        repository: write.before,
        http: write.before,
        index: write.before,
      });
      await faulty.expire(write.id);
      await expectAgreement(faulty, write.id, write.before);
    });

    it('not carried out: unknown, and nothing happened', async () => {
      const write = await faulty.plan(operation);
      const sent = bulks();
      const before = await faulty.row(write.id);
      faulty.mysql.inject({ kind: 'cut-before' }, { ...COMMIT, times: 1 });
      expect(await write.run()).toBeInstanceOf(OutcomeUnknownError);
      expect(bulks() - sent).toBe(0);
      expect(await faulty.row(write.id)).toEqual(before);
      await expectAgreement(faulty, write.id, write.before);
    });
  });

  it('saveMany: every row of the transaction is unknown, and all are undone', async () => {
    const seeded = await Promise.all([1, 2, 3].map(() => faulty.seed()));
    faulty.mysql.inject({ kind: 'cut-after' }, { ...COMMIT, times: 1 });
    const outcomes = await faulty.products.saveMany(seeded.map(({ id }) => ({ id, title: 'many' })));
    expect(outcomes).toEqual(
      seeded.map(() => expect.objectContaining({ status: 'failed', error: expect.any(OutcomeUnknownError) })),
    );
    await faulty.expire();
    for (const { id, title } of seeded) await expectAgreement(faulty, id, title);
  });

  it('a unit of work: the caller learns that nobody knows, and all its rows are undone', async () => {
    const [first, second] = [await faulty.seed(), await faulty.seed()];
    faulty.mysql.inject({ kind: 'cut-after' }, { ...COMMIT, times: 1 });
    const unit = faulty.service.transaction(async (tx) => {
      const products = tx.getRepository(faulty.products.constructor as ReturnType<typeof productRepository>);
      await products.save({ id: first.id, title: 'x' } as Product);
      await products.save({ id: second.id, title: 'x' } as Product);
    });
    await expect(unit).rejects.toThrow(OutcomeUnknownError);
    await faulty.expire();
    await expectAgreement(faulty, first.id, first.title);
    await expectAgreement(faulty, second.id, second.title);
  });

  it('a unit of work whose connection breaks before its COMMIT: told so, not blamed on the callback', async () => {
    const { id, title } = await faulty.seed();
    const fault = faulty.mysql.inject({ kind: 'cut-before' }, { body: /RELEASE SAVEPOINT/, times: 1 });
    const unit = faulty.service.transaction(async (tx) => {
      const products = tx.getRepository(faulty.products.constructor as ReturnType<typeof productRepository>);
      await products.save({ id, title: 'x' } as Product);
    });
    const error = await unit.catch((thrown: unknown) => thrown);
    expect(fault.hits).toBe(1);
    expect(isConnectionLost(error)).toBe(true);
    await expectAgreement(faulty, id, title);
  });
});
