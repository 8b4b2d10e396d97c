import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Faulty } from '../../support/faulty.js';
import { Product } from '../../support/product.js';

const WRITERS = 8;
const KEYS = 80;
const RUNS = 6;
const SEED = 20_240_611;

/** Mulberry32: the same seed, the same writes. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe('verification while eight writers write', () => {
  let faulty: Faulty;

  beforeAll(async () => {
    const when = ({ stock }: Product) => stock !== 0;
    faulty = await Faulty.start('verify-writes', { entity: { when }, module: { busyTimeoutMs: 20_000 } });
  });
  afterAll(() => faulty.close());

  /** Inserts, updates, removes and soft-removes the same few rows, each writer through one of the two instances. */
  async function writer(number: number, until: () => boolean): Promise<number> {
    const random = randomFrom(SEED + number);
    const products = number % 2 === 0 ? faulty.products : faulty.others;
    let written = 0;
    while (!until()) {
      const id = String(1 + Math.floor(random() * KEYS));
      const dice = random();
      const stock = random() < 0.2 ? 0 : 1 + Math.floor(random() * 9);
      const write =
        dice < 0.65
          ? products.save({ id, sku: `sku-${id}`, title: `${number}-${written}`, stock })
          : dice < 0.8
            ? products.remove({ id } as Product)
            : dice < 0.9
              ? products.softRemove({ id } as Product)
              : products.recover({ id } as Product);
      // Several writers of one row refuse each other now and then; that is theirs to see.
      await write.then(
        () => written++,
        () => undefined,
      );
    }
    return written;
  }

  it.each([0, 60])('no false alarm, and nothing to repair, with %i ms between two looks', async (graceMs) => {
    let done = false;
    const writers = Array.from({ length: WRITERS }, (_, number) => writer(number, () => done));
    const results = [];
    try {
      for (let run = 0; run < RUNS; run++) {
        const depth = run % 3 === 2 ? 'version' : 'content';
        results.push(await faulty.service.verify(Product, { graceMs, depth, batchSize: 20, repair: run % 2 === 1 }));
      }
    } finally {
      done = true;
    }
    const written = (await Promise.all(writers)).reduce((sum, each) => sum + each);
    expect(written).toBeGreaterThan(RUNS * 10);
    for (const { missing, stale, foreign, orphaned, examples, reasons } of results) {
      expect({ missing, stale, foreign, orphaned, examples, reasons }).toEqual({
        missing: 0,
        stale: 0,
        foreign: 0,
        orphaned: 0,
        examples: [],
        reasons: [],
      });
    }
    expect(await faulty.service.verify(Product)).toMatchObject({ consistent: true });
  });
});
