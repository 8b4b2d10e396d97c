import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { OutcomeUnknownError, WriteAbortedError } from '../../../src/index.js';
import { expectAgreement } from '../../support/agreement.js';
import { BULK, columnsOf, Faulty, OPERATIONS, type PlannedWrite, until } from '../../support/faulty.js';

/** The writer is slow but alive: its request arrives after somebody settled its row, and is answered 409. */
describe('a writer that was overtaken', () => {
  let faulty: Faulty;

  beforeAll(async () => {
    faulty = await Faulty.start('fenced', { module: { writeTimeoutMs: 30_000, deadlineMs: 60_000 } });
  });
  afterEach(() => faulty.heal());
  afterAll(() => faulty.close());

  async function midway(write: PlannedWrite) {
    faulty.elasticsearch.inject({ kind: 'hold' }, { ...BULK, times: 1 });
    const running = write.run();
    await until('the request is under way', () => faulty.elasticsearch.held === 1);
    return { running };
  }

  describe.each(OPERATIONS)('%s', (operation) => {
    it('settled as not happened by a sweeper: the caller learns it, the row is as it was', async () => {
      const write = await faulty.plan(operation);
      const before = columnsOf(await faulty.row(write.id));
      const { running } = await midway(write);
      await faulty.expire(write.id);
      expect(await faulty.otherService.sweep()).toMatchObject({ settled: 1 });
      await faulty.elasticsearch.release();
      const error = await running;
      // An undone insert leaves a tombstone, and so does one that landed and was deleted: only the row can tell.
      const [type, code] =
        operation === 'insert' ? [OutcomeUnknownError, 'OUTCOME_UNKNOWN'] : [WriteAbortedError, 'WRITE_ABORTED'];
      expect(error).toBeInstanceOf(type);
      expect(error).toMatchObject({
        code,
        retryable: operation !== 'insert',
        data: { entity: 'Product', documentId: write.id, operation, version: expect.any(Number) },
      });
      expect(columnsOf(await faulty.row(write.id))).toEqual(before);
      await expectAgreement(faulty, write.id, write.before);
      expect(await write.run()).toBeUndefined();
      await expectAgreement(faulty, write.id, write.after);
    });

    it('only the slot was taken, the settler died before it restored the row: the writer does it', async () => {
      const write = await faulty.plan(operation);
      const before = columnsOf(await faulty.row(write.id));
      const { running } = await midway(write);
      const version = Number((await faulty.row(write.id))!.consistency_version);
      const index = faulty.stores.index('products');
      const fence = { index, id: write.id, version, version_type: 'external' } as const;
      if (operation === 'insert') await faulty.stores.client.delete(fence, { ignore: [404] });
      else {
        const document = { ...(await faulty.document(write.id))!.source, consistency_restored: version };
        await faulty.stores.client.index({ ...fence, document });
      }
      await faulty.elasticsearch.release();
      expect(await running).toBeInstanceOf(WriteAbortedError);
      expect(columnsOf(await faulty.row(write.id))).toEqual(before);
      await expectAgreement(faulty, write.id, write.before);
    });

    it('settled, and the key was written again: the first write never comes back', async () => {
      const write = await faulty.plan(operation);
      const { running } = await midway(write);
      await faulty.expire(write.id);
      await faulty.otherService.sweep();
      await faulty.others.save({ id: write.id, sku: `later-${write.id}`, title: 'later' });
      await faulty.elasticsearch.release();
      const error = await running;
      expect(error).toBeInstanceOf(OutcomeUnknownError);
      await expectAgreement(faulty, write.id, 'later');
    });

    it('a request that was delivered twice: the second is answered 409, and the write happened', async () => {
      const write = await faulty.plan(operation);
      const { running } = await midway(write);
      const { path, body } = faulty.elasticsearch.requests.at(-1)!;
      const headers = { 'content-type': 'application/x-ndjson' };
      const direct = new URL(path, process.env['ELASTICSEARCH_URL']);
      expect((await fetch(direct, { method: 'POST', headers, body })).ok).toBe(true);
      await faulty.elasticsearch.release();
      expect(await running).toBeUndefined();
      await expectAgreement(faulty, write.id, write.after);
    });
  });

  it('saveMany: only the overtaken row is aborted', async () => {
    const [first, second] = [await faulty.seed(), await faulty.seed()];
    faulty.elasticsearch.inject({ kind: 'hold' }, { ...BULK, times: 1 });
    const running = faulty.products.saveMany([first, second].map(({ id }) => ({ id, title: 'many' })));
    await until('the bulk is under way', () => faulty.elasticsearch.held === 1);
    await faulty.expire(first.id);
    await faulty.otherService.sweep();
    await faulty.elasticsearch.release();
    const outcomes = await running;
    expect(outcomes[0]).toMatchObject({ status: 'failed', error: expect.any(WriteAbortedError) });
    expect(outcomes[1]).toMatchObject({ status: 'committed' });
    await expectAgreement(faulty, first.id, first.title);
    await expectAgreement(faulty, second.id, 'many');
  });
});
