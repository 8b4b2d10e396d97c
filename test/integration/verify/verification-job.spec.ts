import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SchedulerRegistry } from '@nestjs/schedule';
import { VERIFICATION_INTERVAL, type VerifyResult } from '../../../src/index.js';
import { expectAgreement } from '../../support/agreement.js';
import { Faulty, NEW, until } from '../../support/faulty.js';
import { Product } from '../../support/product.js';

describe('the scheduled verification', () => {
  let faulty: Faulty;

  beforeAll(async () => {
    faulty = await Faulty.start('verify-job');
  });
  afterAll(() => faulty.close());

  it('is off unless asked for', () => {
    expect(faulty.application.get(SchedulerRegistry).getIntervals()).not.toContain(VERIFICATION_INTERVAL);
  });

  it('repairs what differs, once for all instances, tells of it, and ends with the application', async () => {
    const { id } = await faulty.seed();
    await faulty.stores.database.query('UPDATE product SET title = ?, updatedAt = updatedAt WHERE id = ?', [NEW, id]);
    const module = { verification: { intervalMs: 1_000, repair: true } } as const;
    const instances = [await faulty.instance({}, { module }), await faulty.instance({}, { module })];
    const events: object[] = [];
    for (const { service } of instances) service.events.on('verified', (event) => events.push(event));
    const scheduler = instances[0]!.application.get(SchedulerRegistry);
    expect(scheduler.getIntervals()).toContain(VERIFICATION_INTERVAL);
    await until('two verifications have ended', () => events.length >= 2);
    await expectAgreement(faulty, id, NEW);
    expect(events[0]).toMatchObject({ entity: 'Product', stale: 1, repaired: 1, consistent: true });
    expect(events[1]).toMatchObject({ entity: 'Product', stale: 0, repaired: 0, consistent: true });
    for (const { application } of instances) await application.close();
    expect(scheduler.getIntervals()).not.toContain(VERIFICATION_INTERVAL);
    const kept = await faulty.otherService.lastVerification(Product);
    expect(kept).toMatchObject({ state: 'complete', result: { consistent: true } satisfies Partial<VerifyResult> });
  });

  it('a run by hand is given up by a shutdown too', async () => {
    await faulty.seed();
    const { application, service } = await faulty.instance({});
    const running = service.verify(Product, { maxRowsPerSecond: 1 });
    const ended = expect(running).rejects.toMatchObject({ code: 'VERIFICATION_INTERRUPTED', retryable: true });
    await until('it has begun', async () => (await faulty.service.lastVerification(Product))?.state === 'running');
    await application.close();
    await ended;
    await faulty.service.verify(Product);
  });

  it('given up by a shutdown, it goes on from there', async () => {
    for (let at = 0; at < 10; at++) await faulty.seed();
    const module = { verification: { intervalMs: 1_000, maxRowsPerSecond: 1 } } as const;
    const slow = await faulty.instance({}, { module });
    await until('it has begun', async () => (await faulty.service.lastVerification(Product))?.state === 'running');
    await slow.application.close();
    const stopped = await faulty.service.lastVerification(Product);
    expect(stopped).toMatchObject({ state: 'interrupted', cursor: expect.any(String) });
    const rest = await faulty.service.verify(Product, { resume: true });
    expect(rest).toMatchObject({ consistent: true, rows: 12 });
  });
});
