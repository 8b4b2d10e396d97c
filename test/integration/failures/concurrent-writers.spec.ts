import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { RowNotFoundError, StaleVersionError } from '../../../src/index.js';
import { expectAgreement } from '../../support/agreement.js';
import { Faulty, freshId } from '../../support/faulty.js';
import type { Product } from '../../support/product.js';

const WRITERS = 20;

describe('many writers on one row', () => {
  let faulty: Faulty;

  beforeAll(async () => {
    const patient = { writeTimeoutMs: 20_000, busyTimeoutMs: 60_000, deadlineMs: 60_000 };
    faulty = await Faulty.start('concurrent', { module: patient, otherModule: patient });
  });
  afterAll(() => faulty.close());

  const instanceOf = (at: number) => (at % 2 === 0 ? faulty.products : faulty.others);

  it('updates: one after the other, versions grow, the last one is in both stores', async () => {
    const seeded = await faulty.seed();
    const saved = await Promise.all(
      Array.from({ length: WRITERS }, (_, at) => instanceOf(at).update({ id: seeded.id, title: `writer ${at}` })),
    );
    const byVersion = (saved as Product[]).toSorted((a, b) => a.consistency.version - b.consistency.version);
    const versions = byVersion.map(({ consistency }) => consistency.version);
    expect(new Set([seeded.consistency.version, ...versions]).size).toBe(WRITERS + 1);
    expect(versions[0]).toBeGreaterThan(seeded.consistency.version);
    // TypeORM's own counter saw the same order: nobody built on a row that another was still writing.
    expect(byVersion.map(({ revision }) => revision)).toEqual(Array.from({ length: WRITERS }, (_, at) => at + 2));
    const last = byVersion.at(-1)!;
    expect(await faulty.row(seeded.id)).toMatchObject({ consistency_version: last.consistency.version });
    await expectAgreement(faulty, seeded.id, last.title);
  });

  it('with expectedVersion no update is lost', async () => {
    const seeded = await faulty.seed({ stock: 0 });
    let stale = 0;
    const increment = async (at: number): Promise<void> => {
      const products = instanceOf(at);
      for (;;) {
        const read = await products.findOneByOrFail({ id: seeded.id });
        const expectedVersion = read.consistency.version;
        try {
          await products.update({ id: seeded.id, stock: read.stock + 1 }, { expectedVersion });
          return;
        } catch (error) {
          if (!(error instanceof StaleVersionError)) throw error;
          stale += 1;
        }
      }
    };
    await Promise.all(Array.from({ length: WRITERS }, (_, at) => increment(at)));
    expect(await faulty.row(seeded.id)).toMatchObject({ stock: WRITERS, revision: WRITERS + 1 });
    expect(stale).toBeGreaterThan(0);
    await expectAgreement(faulty, seeded.id, seeded.title);
  });

  it('inserts of one key: one wins, the others get the duplicate', async () => {
    const id = freshId();
    const results = await Promise.allSettled(
      Array.from({ length: WRITERS }, (_, at) =>
        instanceOf(at).insert({ id, sku: `race-${id}-${at}`, title: `writer ${at}` }),
      ),
    );
    const won = results.filter((result) => result.status === 'fulfilled');
    const lost = results.filter((result) => result.status === 'rejected');
    expect(won).toHaveLength(1);
    for (const { reason } of lost) expect(reason).toMatchObject({ driverError: { code: 'ER_DUP_ENTRY' } });
    await expectAgreement(faulty, id, (won[0] as PromiseFulfilledResult<Product>).value.title);
  });

  it('updates and removals: whatever their order, both stores end alike', async () => {
    const rows = await Promise.all(Array.from({ length: 5 }, () => faulty.seed()));
    await Promise.all(
      rows.flatMap((row) =>
        Array.from({ length: 6 }, async (_, at) => {
          const products = instanceOf(at);
          const change = at % 3 === 2 ? products.remove({ id: row.id } as Product) : products.save(upsertOf(row, at));
          await (change as Promise<unknown>).catch((error: unknown) => {
            const duplicate = (error as { driverError?: { code?: string } }).driverError?.code === 'ER_DUP_ENTRY';
            if (!(error instanceof RowNotFoundError) && !duplicate) throw error;
          });
        }),
      ),
    );
    expect(await faulty.undecided()).toEqual([]);
    for (const { id } of rows) await expectAgreement(faulty, id, ((await faulty.row(id))?.title as string) ?? null);
  });
});

/** An upsert: it also brings a removed row back. */
function upsertOf({ id, sku }: Product, at: number): Partial<Product> {
  return { id, sku, title: `writer ${at}` };
}
