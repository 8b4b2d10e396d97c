import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { OutcomeUnknownError } from '../../../src/index.js';
import type { Fault } from '../../../src/testing/index.js';
import { expectAgreement } from '../../support/agreement.js';
import { BULK, Faulty, OPERATIONS } from '../../support/faulty.js';

const HTML = '<html><body><h1>Service Unavailable</h1></body></html>';

/** What the caller cannot tell apart, and whether the server had the request. */
const FAULTS: readonly (readonly [name: string, fault: Fault, landed: boolean])[] = [
  ['reset before the request arrived', { kind: 'cut-before', style: 'reset' }, false],
  ['closed before the request arrived', { kind: 'cut-before', style: 'close' }, false],
  ['reset after the request arrived', { kind: 'cut-after', style: 'reset' }, true],
  ['closed after the request arrived', { kind: 'cut-after', style: 'close' }, true],
  ['502 of a proxy that did not forward', { kind: 'answer', status: 502, body: HTML }, false],
  ['502 of a proxy that forwarded', { kind: 'answer', status: 502, body: HTML, forward: true }, true],
  ['504 of a proxy that did not forward', { kind: 'answer', status: 504, body: HTML }, false],
  ['504 of a proxy that forwarded', { kind: 'answer', status: 504, body: HTML, forward: true }, true],
  ["a proxy's own 503, not forwarded", { kind: 'answer', status: 503, body: HTML }, false],
  ["a proxy's own 503, forwarded", { kind: 'answer', status: 503, body: HTML, forward: true }, true],
  ['500 without a word', { kind: 'answer', status: 500, body: '', forward: true }, true],
  ['garbage instead of HTTP, not forwarded', { kind: 'garbage', forward: false }, false],
  ['garbage instead of HTTP, forwarded', { kind: 'garbage' }, true],
  ['a login page with status 200', { kind: 'answer', status: 200, body: HTML }, false],
  ['JSON that is not an answer', { kind: 'answer', status: 200, body: '{"items":[]}', forward: true }, true],
];

describe('an answer that proves nothing', () => {
  let faulty: Faulty;

  beforeAll(async () => {
    faulty = await Faulty.start('broken-answer');
  });
  afterEach(() => faulty.heal());
  afterAll(() => faulty.close());

  describe.each(FAULTS)('%s', (_name, fault, landed) => {
    it.each(OPERATIONS)('%s: unknown to the caller, sent once, and settled as it really was', async (operation) => {
      const write = await faulty.plan(operation);
      const sent = faulty.elasticsearch.requests.length;
      faulty.elasticsearch.inject(fault, { ...BULK, times: 1 });
      const error = await write.run();
      expect(error).toBeInstanceOf(OutcomeUnknownError);
      expect(error!.data).toMatchObject({ operation, documentId: write.id });
      expect(faulty.elasticsearch.requests.length - sent).toBe(1);
      expect(await faulty.row(write.id)).toMatchObject({ consistency_state: 'prepare' });
      if (!landed) await faulty.expire(write.id);
      await expectAgreement(faulty, write.id, landed ? write.after : write.before);
    });
  });

  it('saveMany: what one bulk leaves unknown is settled row by row, as it really was', async () => {
    const seeded = await Promise.all([1, 2, 3].map(() => faulty.seed()));
    faulty.elasticsearch.inject({ kind: 'cut-after' }, { ...BULK, times: 1 });
    const changes = seeded.map(({ id }, at) => ({ id, title: `many ${at}` }));
    const outcomes = await faulty.products.saveMany(changes);
    expect(outcomes.map((outcome) => outcome.status === 'failed' && outcome.error)).toEqual(
      changes.map(() => expect.any(OutcomeUnknownError)),
    );
    for (const [at, { id }] of seeded.entries()) await expectAgreement(faulty, id, `many ${at}`);
  });
});
