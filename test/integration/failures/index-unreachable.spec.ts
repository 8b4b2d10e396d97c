import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { IndexUnavailableError } from '../../../src/index.js';
import { expectAgreement } from '../../support/agreement.js';
import { columnsOf, Faulty, OPERATIONS } from '../../support/faulty.js';

/** Nothing listens where Elasticsearch should be: no byte of a request is ever sent. */
describe('Elasticsearch refuses connections', () => {
  let faulty: Faulty;

  beforeAll(async () => {
    faulty = await Faulty.start('unreachable', { module: { writeTimeoutMs: 2_000 } });
  });
  afterEach(() => faulty.heal());
  afterAll(() => faulty.close());

  it.each(OPERATIONS)(
    '%s: refused for certain, the row is restored, and it works when it is back',
    async (operation) => {
      const write = await faulty.plan(operation);
      const before = columnsOf(await faulty.row(write.id));
      await faulty.elasticsearch.refuse();
      const error = await write.run();
      expect(error).toBeInstanceOf(IndexUnavailableError);
      expect(error).toMatchObject({
        code: 'INDEX_UNAVAILABLE',
        retryable: true,
        data: { operation, documentId: write.id },
      });
      expect(columnsOf(await faulty.row(write.id))).toEqual(before);
      await expectAgreement(faulty, write.id, write.before, { versionUsedUp: true });
      await faulty.elasticsearch.start();
      expect(await write.run()).toBeUndefined();
      await expectAgreement(faulty, write.id, write.after);
    },
  );

  it('comes back between two tries: the caller notices nothing', async () => {
    const patient = await faulty.instance(
      {},
      {
        module: { writeTimeoutMs: 10_000, deadlineMs: 60_000, retry: { attempts: 20, backoffMs: 20 } },
        elasticsearchNode: faulty.elasticsearch.url,
      },
    );
    const write = await faulty.plan('update');
    await faulty.elasticsearch.refuse();
    const running = write.run(patient.products);
    await faulty.elasticsearch.start();
    expect(await running).toBeUndefined();
    await expectAgreement(faulty, write.id, write.after);
  });

  it('saveMany: each row has its outcome, all are restored', async () => {
    const seeded = await Promise.all([1, 2, 3].map(() => faulty.seed()));
    await faulty.elasticsearch.refuse();
    const outcomes = await faulty.products.saveMany(seeded.map(({ id }) => ({ id, title: 'many' })));
    expect(outcomes).toEqual(
      seeded.map(() => expect.objectContaining({ status: 'failed', error: expect.any(IndexUnavailableError) })),
    );
    for (const { id, title } of seeded) await expectAgreement(faulty, id, title, { versionUsedUp: true });
  });
});
