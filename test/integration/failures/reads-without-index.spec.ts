import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { BarrierTimeoutError, ReadUnsettledError, RowBusyError } from '../../../src/index.js';
import type { Fault } from '../../../src/testing/index.js';
import { expectAgreement } from '../../support/agreement.js';
import { Faulty, MGET, OPERATIONS, until } from '../../support/faulty.js';

/** A reader that cannot ask the index never guesses. */
describe('read repair while Elasticsearch cannot be read', () => {
  let faulty: Faulty;

  beforeAll(async () => {
    faulty = await Faulty.start('unread', {
      module: {
        busyTimeoutMs: 100,
        readRepair: { timeoutMs: 200, concurrency: 1, batchSize: 2, maxQueued: 4 },
      },
    });
  });
  afterEach(async () => {
    await faulty.heal();
    await faulty.expire();
    await faulty.otherService.sweep();
  });
  afterAll(() => faulty.close());

  const ways: readonly (readonly [string, Fault | null])[] = [
    ['refuses connections', null],
    ['does not answer', { kind: 'black-hole' }],
    ['cuts connections', { kind: 'cut-before' }],
    ['is a proxy with a page of its own', { kind: 'answer', status: 503, body: '<html></html>' }],
    ['says that everything is missing', { kind: 'answer', status: 404, body: '{"docs":[]}' }],
    ['answers with garbage', { kind: 'garbage' }],
  ];

  describe.each(ways)('it %s', (_name, fault) => {
    it.each(OPERATIONS)('%s: readers of the undecided row are told so, others are not harmed', async (operation) => {
      const quiet = await faulty.seed();
      const write = await faulty.abandon(operation);
      if (fault) faulty.elasticsearch.inject(fault, {});
      else await faulty.elasticsearch.refuse();
      const error = await faulty.products.findOneBy({ id: write.id }).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(ReadUnsettledError);
      expect(error).toMatchObject({ code: 'READ_UNSETTLED', retryable: true, data: { entity: 'Product' } });
      expect(await faulty.products.findOneBy({ id: quiet.id })).toMatchObject({ title: quiet.title });
      expect(await faulty.products.findBy({ sku: quiet.sku })).toHaveLength(1);
      expect(await faulty.row(write.id)).toMatchObject({ consistency_state: 'prepare' });
      await faulty.heal();
      await faulty.expire(write.id);
      let seen: unknown;
      // The reads' budget here is a tenth of a second: on a busy machine the first may have to be repeated.
      await until('the row can be settled', async () => {
        seen = await faulty.products.findOneBy({ id: write.id }).catch((reason: unknown) => reason);
        return !(seen instanceof ReadUnsettledError);
      });
      expect((seen as { title: string } | null)?.title ?? null).toBe(write.before);
      await expectAgreement(faulty, write.id, write.before);
    });
  });

  it('over HTTP the request fails, and nothing undecided leaves the application', async () => {
    const write = await faulty.abandon('update');
    faulty.elasticsearch.inject({ kind: 'cut-before' }, {});
    const response = await fetch(`${await faulty.application.getUrl()}/products/${write.id}`);
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({ statusCode: 503, message: 'Service Unavailable' });
  });

  it('writers of the row are refused: it is busy', async () => {
    const write = await faulty.abandon('update');
    await faulty.expire(write.id);
    faulty.elasticsearch.inject({ kind: 'cut-before' }, {});
    await expect(faulty.products.update({ id: write.id, title: 'x' })).rejects.toThrow(RowBusyError);
  });

  it('counts and barrier reads wait in vain, and say so', async () => {
    const write = await faulty.abandon('update');
    faulty.elasticsearch.inject({ kind: 'cut-before' }, {});
    const error = await faulty.products.count().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(BarrierTimeoutError);
    expect(error).toMatchObject({ code: 'BARRIER_TIMEOUT', retryable: true });
    await expect(faulty.products.find({ barrier: true })).rejects.toThrow(BarrierTimeoutError);
    expect(await faulty.products.count({ barrier: false })).toBeGreaterThan(0);
    expect(await faulty.undecided()).toContain(write.id);
  });

  it('the queue is bounded: what does not fit is refused at once, what fits is answered', async () => {
    const writes = [];
    for (let at = 0; at < 8; at += 1) writes.push(await faulty.abandon('update'));
    faulty.elasticsearch.inject({ kind: 'hold' }, { ...MGET, times: 1 });
    // The first batch is under way and holds the only place; two rows of eight.
    const first = writes.slice(0, 2).map(({ id }) => faulty.products.findOneBy({ id }));
    await until('the first batch is under way', () => faulty.elasticsearch.held === 1);
    const rest = writes.slice(2).map(({ id }) => faulty.products.findOneBy({ id }));
    const refused = await Promise.any(
      rest.map((read) =>
        read.then(
          () => Promise.reject(new Error()),
          (error: unknown) => error,
        ),
      ),
    );
    expect(refused).toBeInstanceOf(ReadUnsettledError);
    expect((refused as Error).message).toContain('4 rows are already waiting');
    await faulty.elasticsearch.release();
    const ended = await Promise.allSettled([...first, ...rest]);
    const answered = ended.filter((result) => result.status === 'fulfilled');
    expect(answered.length).toBeGreaterThanOrEqual(4);
    for (const { value } of answered) expect(value).toMatchObject({ title: 'old title' });
    expect(ended.length - answered.length).toBeGreaterThanOrEqual(2);
  });
});
