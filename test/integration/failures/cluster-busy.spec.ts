import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { IndexRejectedError, IndexUnavailableError, OutcomeUnknownError } from '../../../src/index.js';
import type { Fault } from '../../../src/testing/index.js';
import { expectAgreement } from '../../support/agreement.js';
import { BULK, columnsOf, Faulty, OPERATIONS, type PlannedWrite } from '../../support/faulty.js';

/** Of one write: `retry.attempts` of the first instance, and the try before them. */
const TRIES = 3;
const HEADERS = { 'content-type': 'application/json', 'x-elastic-product': 'Elasticsearch' };

/** An answer of the cluster itself to the whole request. */
function answer(status: number, type: string, forward = false): Fault {
  const body = JSON.stringify({ error: { type, reason: 'too busy' }, status });
  return { kind: 'answer', status, headers: HEADERS, body, forward };
}

/** An answer of the cluster about the only item of a bulk. */
function itemAnswer({ id, operation }: PlannedWrite, status: number, type: string, forward = false): Fault {
  const item = { _index: 'x', _id: id, status, error: { type, reason: 'too busy' } };
  const items = operation === 'delete' ? [{ delete: item }, {}] : [{ index: item }];
  return { kind: 'answer', status: 200, headers: HEADERS, body: JSON.stringify({ errors: true, items }), forward };
}

describe('a cluster that says it is too busy', () => {
  let faulty: Faulty;

  beforeAll(async () => {
    faulty = await Faulty.start('busy', { module: { writeTimeoutMs: 1_000 } });
  });
  afterEach(() => faulty.heal());
  afterAll(() => faulty.close());

  const requests = () => faulty.elasticsearch.requests.filter(({ path }) => path.includes('/_bulk')).length;

  describe.each(OPERATIONS)('%s', (operation) => {
    it('429, and then room: the write succeeds', async () => {
      const write = await faulty.plan(operation);
      faulty.elasticsearch.inject(answer(429, 'es_rejected_execution_exception'), { ...BULK, times: 1 });
      faulty.elasticsearch.inject(itemAnswer(write, 429, 'es_rejected_execution_exception'), { ...BULK, times: 1 });
      const sent = requests();
      expect(await write.run()).toBeUndefined();
      expect(requests() - sent).toBe(3);
      await expectAgreement(faulty, write.id, write.after);
    });

    it('429 to every try: refused for certain, the row is restored to every byte', async () => {
      const write = await faulty.plan(operation);
      const before = columnsOf(await faulty.row(write.id));
      const document = await faulty.document(write.id);
      faulty.elasticsearch.inject(answer(429, 'circuit_breaking_exception'), BULK);
      const sent = requests();
      const error = await write.run();
      expect(error).toBeInstanceOf(IndexUnavailableError);
      expect(error).toMatchObject({
        code: 'INDEX_UNAVAILABLE',
        retryable: true,
        data: { operation, documentId: write.id },
      });
      expect(requests() - sent).toBe(3);
      expect(columnsOf(await faulty.row(write.id))).toEqual(before);
      expect(await faulty.document(write.id)).toEqual(document);
      await expectAgreement(faulty, write.id, write.before, { versionUsedUp: true });
      faulty.elasticsearch.clear();
      expect(await write.run()).toBeUndefined();
      await expectAgreement(faulty, write.id, write.after);
    });

    it('503 to every try: it wins the slot itself before it says that nothing happened', async () => {
      const write = await faulty.plan(operation);
      const before = columnsOf(await faulty.row(write.id));
      faulty.elasticsearch.inject(answer(503, 'unavailable_shards_exception'), { ...BULK, times: TRIES });
      const error = await write.run();
      expect(error).toBeInstanceOf(IndexUnavailableError);
      expect(columnsOf(await faulty.row(write.id))).toEqual(before);
      await expectAgreement(faulty, write.id, write.before);
    });

    it.each([429, 503])('%i of a single item, and then room: the write succeeds', async (status) => {
      const write = await faulty.plan(operation);
      faulty.elasticsearch.inject(itemAnswer(write, status, 'unavailable_shards_exception'), { ...BULK, times: 1 });
      expect(await write.run()).toBeUndefined();
      await expectAgreement(faulty, write.id, write.after);
    });

    it.each([429, 503])('%i of a single item to every try', async (status) => {
      const write = await faulty.plan(operation);
      faulty.elasticsearch.inject(itemAnswer(write, status, 'unavailable_shards_exception'), {
        ...BULK,
        times: TRIES,
      });
      expect(await write.run()).toBeInstanceOf(IndexUnavailableError);
      await expectAgreement(faulty, write.id, write.before);
    });

    it.each([429, 503])('%i although an inner try was applied: the write happened, success', async (status) => {
      const write = await faulty.plan(operation);
      const busy = itemAnswer(write, status, 'unavailable_shards_exception', true);
      faulty.elasticsearch.inject(busy, { ...BULK, times: TRIES });
      expect(await write.run()).toBeUndefined();
      await expectAgreement(faulty, write.id, write.after);
    });

    it('503 although it was applied, then certainly refused: the doubt stays, the write happened', async () => {
      const write = await faulty.plan(operation);
      faulty.elasticsearch.inject(answer(503, 'unavailable_shards_exception', true), { ...BULK, times: 1 });
      faulty.elasticsearch.inject(answer(400, 'illegal_argument_exception'), { ...BULK, times: 1 });
      expect(await write.run()).toBeUndefined();
      await expectAgreement(faulty, write.id, write.after);
    });

    it('503 although it was applied, then certainly too busy: the doubt stays, the write happened', async () => {
      const write = await faulty.plan(operation);
      faulty.elasticsearch.inject(answer(503, 'unavailable_shards_exception', true), { ...BULK, times: 1 });
      faulty.elasticsearch.inject(answer(429, 'circuit_breaking_exception'), { ...BULK, times: TRIES - 1 });
      expect(await write.run()).toBeUndefined();
      await expectAgreement(faulty, write.id, write.after);
    });

    it('503 and not applied, then refused: the caller is told of the refusal, once the slot is won', async () => {
      const write = await faulty.plan(operation);
      faulty.elasticsearch.inject(answer(503, 'unavailable_shards_exception'), { ...BULK, times: 1 });
      faulty.elasticsearch.inject(answer(400, 'illegal_argument_exception'), { ...BULK, times: 1 });
      const error = await write.run();
      expect(error).toBeInstanceOf(IndexRejectedError);
      expect(error).toMatchObject({ data: { status: 400, type: 'illegal_argument_exception' } });
      await expectAgreement(faulty, write.id, write.before);
    });

    it('503 to everything: unknown, settled later', async () => {
      const write = await faulty.plan(operation);
      faulty.elasticsearch.inject(answer(503, 'cluster_block_exception'), {});
      expect(await write.run()).toBeInstanceOf(OutcomeUnknownError);
      faulty.elasticsearch.clear();
      await faulty.expire(write.id);
      await expectAgreement(faulty, write.id, write.before);
    });

    it('503 to every write, while reads are answered: unknown, settled later', async () => {
      const write = await faulty.plan(operation);
      faulty.elasticsearch.inject(answer(503, 'cluster_block_exception'), BULK);
      expect(await write.run()).toBeInstanceOf(OutcomeUnknownError);
      faulty.elasticsearch.clear();
      await faulty.expire(write.id);
      await expectAgreement(faulty, write.id, write.before);
    });
  });
});
