import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { expectAgreement } from '../../support/agreement.js';
import { BULK, Faulty, OPERATIONS, type PlannedWrite, until } from '../../support/faulty.js';

const FAR = 1_000_000_000;

/** Somebody wrote the document around the library, at a version above the row's. */
describe('a foreign version in the index', () => {
  let faulty: Faulty;

  beforeAll(async () => {
    faulty = await Faulty.start('foreign', { module: { writeTimeoutMs: 10_000 } });
  });
  afterEach(() => faulty.heal());
  afterAll(() => faulty.close());

  /** At a version that far above the row's present one. */
  async function foreignWrite(id: string, kind: 'put' | 'delete', above = FAR): Promise<number> {
    const version = Number((await faulty.row(id))!.consistency_version) + above;
    const request = { index: faulty.stores.index('products'), id, version, version_type: 'external' } as const;
    if (kind === 'delete') await faulty.stores.client.delete(request, { ignore: [404] });
    else await faulty.stores.client.index({ ...request, document: { id, title: 'foreign' } });
    return version;
  }

  async function leave(write: PlannedWrite, landed: boolean): Promise<void> {
    faulty.elasticsearch.inject({ kind: landed ? 'cut-after' : 'cut-before' }, { ...BULK, times: 1 });
    expect(await write.run()).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
  }

  describe.each(OPERATIONS)('%s in prepare', (operation) => {
    it('overwritten by a newer document: lifted above it, and settled', async () => {
      const write = await faulty.plan(operation);
      await leave(write, false);
      const version = Number((await faulty.row(write.id))!.consistency_version);
      const theirs = await foreignWrite(write.id, 'put');
      const events = faulty.record('foreignVersion');
      await faulty.expire(write.id);
      // It may have landed, and been acknowledged, before it was overwritten: it stands.
      await expectAgreement(faulty, write.id, write.after);
      expect(events).toEqual([
        { entity: 'Product', dataSource: 'default', key: expect.stringContaining(write.id), version, theirs },
      ]);
      if (write.after !== null) {
        expect(Number((await faulty.row(write.id))!.consistency_version)).toBeGreaterThan(theirs);
      }
    });

    it('deleted at a newer version: settled all the same', async () => {
      const write = await faulty.plan(operation);
      await leave(write, false);
      await foreignWrite(write.id, 'delete', 1_000);
      await faulty.expire(write.id);
      // An insert's slot was taken by what looks like the tombstone of one who settled it; the others stand.
      const fate = operation === 'insert' ? write.before : write.after;
      expect((await faulty.others.findOneBy({ id: write.id }))?.title ?? null).toBe(fate);
      await expectAgreement(faulty, write.id, fate);
    });

    it('before the deadline, after it had landed: lifted, and not lost', async () => {
      const write = await faulty.plan(operation);
      await leave(write, true);
      await foreignWrite(write.id, 'put');
      expect((await faulty.others.findOneBy({ id: write.id }))?.title ?? null).toBe(write.after);
      await expectAgreement(faulty, write.id, write.after);
    });
  });

  it('a writer in mid-air: its own put is answered 409, and it does not claim success', async () => {
    const write = await faulty.plan('update');
    faulty.elasticsearch.inject({ kind: 'hold' }, { ...BULK, times: 1 });
    const running = write.run();
    await until('the request is under way', () => faulty.elasticsearch.held === 1);
    await foreignWrite(write.id, 'put');
    await faulty.elasticsearch.release();
    expect(await running).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    await faulty.expire(write.id);
    await expectAgreement(faulty, write.id, write.after);
  });

  it('a row in commit whose document was overwritten: the next write is not lost', async () => {
    const seeded = await faulty.seed();
    // Ahead by an hour: more than any write's own version will be.
    const theirs = await foreignWrite(seeded.id, 'put', 3_600_000_000);
    const error = await faulty.products.update({ id: seeded.id, title: 'second' }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    await faulty.expire(seeded.id);
    await expectAgreement(faulty, seeded.id, 'second');
    expect(Number((await faulty.row(seeded.id))!.consistency_version)).toBeGreaterThan(theirs);
    await faulty.products.update({ id: seeded.id, title: 'third' });
    await expectAgreement(faulty, seeded.id, 'third');
  });

  it('a document taken away at the very version of the pending write: driven above it', async () => {
    const write = await faulty.plan('update');
    await leave(write, false);
    await foreignWrite(write.id, 'delete', 0);
    const events = faulty.record('foreignVersion');
    await faulty.expire(write.id);
    await expectAgreement(faulty, write.id, write.after);
    expect(events.length).toBeGreaterThanOrEqual(1);
  });
});
