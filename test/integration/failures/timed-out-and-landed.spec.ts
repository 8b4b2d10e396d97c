import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { OutcomeUnknownError } from '../../../src/index.js';
import { expectAgreement } from '../../support/agreement.js';
import { BULK, Faulty, OPERATIONS } from '../../support/faulty.js';

/** Elasticsearch took the write, and its answer never came. */
describe('a write that timed out and landed', () => {
  let faulty: Faulty;

  beforeAll(async () => {
    faulty = await Faulty.start('landed', { module: { writeTimeoutMs: 300 } });
  });
  afterEach(() => faulty.heal());
  afterAll(() => faulty.close());

  it.each(OPERATIONS)('%s: the caller learns that nobody knows, and the first reader settles it', async (operation) => {
    const write = await faulty.plan(operation);
    faulty.elasticsearch.inject({ kind: 'delay', answerMs: 60_000 }, { ...BULK, times: 1 });
    const error = await write.run();
    expect(error).toBeInstanceOf(OutcomeUnknownError);
    const row = await faulty.row(write.id);
    expect(row).toMatchObject({ consistency_state: 'prepare' });
    expect(error).toMatchObject({
      code: 'OUTCOME_UNKNOWN',
      retryable: false,
      data: {
        entity: 'Product',
        key: expect.stringContaining(write.id),
        documentId: write.id,
        operation,
        version: row!.consistency_version,
        deadline: row!.consistency_deadline,
      },
    });
    const settled = faulty.record('settled');
    await expectAgreement(faulty, write.id, write.after);
    expect(settled).toEqual([{ entity: 'Product', dataSource: 'default', verdict: 'commit', by: 'read' }]);
  });

  it.each(OPERATIONS)('%s: the sweeper settles it too', async (operation) => {
    const write = await faulty.plan(operation);
    faulty.elasticsearch.inject({ kind: 'stall-answer' }, { ...BULK, times: 1 });
    expect(await write.run()).toBeInstanceOf(OutcomeUnknownError);
    await faulty.expire(write.id);
    expect(await faulty.otherService.sweep()).toEqual({ claimed: 1, settled: 1, failed: 0, parked: 0 });
    await expectAgreement(faulty, write.id, write.after);
  });

  it('the next writer settles it and builds on it', async () => {
    const write = await faulty.plan('update', { stock: 41 });
    faulty.elasticsearch.inject({ kind: 'cut-after' }, { ...BULK, times: 1 });
    expect(await write.run()).toBeInstanceOf(OutcomeUnknownError);
    await faulty.others.update({ id: write.id, title: 'third' });
    await expectAgreement(faulty, write.id, 'third');
    expect(await faulty.row(write.id)).toMatchObject({ stock: 41, revision: 3 });
  });

  it('soft-remove and recover: the document follows', async () => {
    const seeded = await faulty.seed();
    faulty.elasticsearch.inject({ kind: 'cut-after' }, { ...BULK, times: 1 });
    await expect(faulty.products.softRemove(seeded)).rejects.toThrow(OutcomeUnknownError);
    expect(await faulty.seen(seeded.id)).toEqual({ repository: null, http: null, index: null });
    faulty.elasticsearch.inject({ kind: 'cut-after' }, { ...BULK, times: 1 });
    const again = await faulty.others.findOneOrFail({ where: { id: seeded.id }, withDeleted: true });
    await expect(faulty.products.recover(again)).rejects.toThrow(OutcomeUnknownError);
    await expectAgreement(faulty, seeded.id, seeded.title);
  });
});
