import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { OutcomeUnknownError, RowBusyError } from '../../../src/index.js';
import { expectAgreement } from '../../support/agreement.js';
import { BULK, Faulty, OPERATIONS, type PlannedWrite } from '../../support/faulty.js';

/** The request is still under way when its writer gives up; it arrives after the row was settled, and must lose. */
describe('a write that timed out and did not land', () => {
  let faulty: Faulty;

  beforeAll(async () => {
    faulty = await Faulty.start('not-landed', { module: { writeTimeoutMs: 300 } });
  });
  afterEach(() => faulty.heal());
  afterAll(() => faulty.close());

  /** Its request is held, its caller has `OutcomeUnknownError`, its deadline has not passed. */
  async function held(write: PlannedWrite): Promise<PlannedWrite> {
    faulty.elasticsearch.inject({ kind: 'hold' }, { ...BULK, times: 1 });
    expect(await write.run()).toBeInstanceOf(OutcomeUnknownError);
    expect(faulty.elasticsearch.held).toBe(1);
    return write;
  }

  async function deliverLate(): Promise<void> {
    expect(await faulty.elasticsearch.release()).toBe(1);
  }

  describe.each(OPERATIONS)('%s', (operation) => {
    it('before the deadline: readers get the image before it, and nothing changes', async () => {
      const write = await held(await faulty.plan(operation));
      const before = await faulty.row(write.id);
      expect(await faulty.seen(write.id)).toEqual({
        repository: write.before,
        http: write.before,
        index: write.before,
      });
      expect(await faulty.otherService.sweep()).toEqual({ claimed: 0, settled: 0, failed: 0, parked: 0 });
      expect(await faulty.row(write.id)).toEqual(before);
      await deliverLate();
      await expectAgreement(faulty, write.id, write.after);
    });

    it('a reader after the deadline undoes it; the late request loses', async () => {
      const write = await held(await faulty.plan(operation));
      const settled = faulty.record('settled');
      await faulty.expire(write.id);
      await expectAgreement(faulty, write.id, write.before);
      expect(settled).toEqual([{ entity: 'Product', dataSource: 'default', verdict: 'restore', by: 'read' }]);
      const document = await faulty.document(write.id);
      await deliverLate();
      expect(await faulty.document(write.id)).toEqual(document);
      await expectAgreement(faulty, write.id, write.before);
    });

    it('the sweeper undoes it; the late request loses', async () => {
      const write = await held(await faulty.plan(operation));
      await faulty.expire(write.id);
      expect(await faulty.otherService.sweep()).toEqual({ claimed: 1, settled: 1, failed: 0, parked: 0 });
      await deliverLate();
      await expectAgreement(faulty, write.id, write.before);
    });

    it('the next writer undoes it and writes; the late request loses', async () => {
      const write = await held(await faulty.plan(operation, operation === 'delete' ? {} : { stock: 41 }));
      await faulty.expire(write.id);
      if (operation === 'insert')
        await faulty.others.insert({ id: write.id, sku: `again-${write.id}`, title: 'third' });
      else await faulty.others.update({ id: write.id, title: 'third' });
      await deliverLate();
      await expectAgreement(faulty, write.id, 'third');
      expect(await faulty.row(write.id)).toMatchObject({ stock: 7 });
    });

    it('the key lives on after it was undone; the late request loses against the later write too', async () => {
      const write = await held(await faulty.plan(operation));
      await faulty.expire(write.id);
      await faulty.otherService.sweep();
      await faulty.others.save({ id: write.id, sku: `later-${write.id}`, title: 'later' });
      await deliverLate();
      await expectAgreement(faulty, write.id, 'later');
      await faulty.others.remove(await faulty.others.findOneByOrFail({ id: write.id }));
      await expectAgreement(faulty, write.id, null);
    });
  });

  it('a writer that comes before the deadline waits, within its bound, and then says that the row is busy', async () => {
    const hasty = await faulty.instance({}, { module: { busyTimeoutMs: 50 } });
    const write = await held(await faulty.plan('update'));
    const error = await hasty.products.update({ id: write.id, title: 'third' }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(RowBusyError);
    expect(error).toMatchObject({ code: 'ROW_BUSY', retryable: true, data: { entity: 'Product', busyTimeoutMs: 50 } });
    await deliverLate();
    await hasty.products.update({ id: write.id, title: 'third' });
    await expectAgreement(faulty, write.id, 'third');
  });

  it('a key that an undecided insert holds: the duplicate is believed only once the insert is decided', async () => {
    const write = await held(await faulty.plan('insert', { sku: 'fought-over' }));
    await faulty.expire(write.id);
    const winner = await faulty.others.insert({ sku: 'fought-over', title: 'winner' });
    await deliverLate();
    await expectAgreement(faulty, write.id, null);
    await expectAgreement(faulty, winner.id!, 'winner');
  });

  it('the deadline passes by itself: the scheduled sweeper of any instance settles the row, nobody asks', async () => {
    const short = await faulty.instance(
      {},
      {
        module: { writeTimeoutMs: 100, deadlineMs: 300, sweeper: { intervalMs: 50, leaseMs: 500 } },
        elasticsearchNode: faulty.elasticsearch.url,
      },
    );
    const swept = new Promise((resolve) => short.service.events.once('settled', resolve));
    const write = await faulty.plan('update');
    faulty.elasticsearch.inject({ kind: 'hold' }, { ...BULK, times: 1 });
    expect(await write.run(short.products)).toBeInstanceOf(OutcomeUnknownError);
    expect(await swept).toEqual({ entity: 'Product', dataSource: 'default', verdict: 'restore', by: 'sweep' });
    await deliverLate();
    await expectAgreement(faulty, write.id, write.before);
    await short.application.close();
  });
});
