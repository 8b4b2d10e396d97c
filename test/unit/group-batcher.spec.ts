import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { GroupBatcher } from '../../src/write/group.batcher.js';

const LONG_MS = 60_000;

describe('GroupBatcher', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  it.each([1, 3])('lets slow batches pile up to its own limit of %i, and goes on when one ends', async (slowFactor) => {
    const begun: { items: readonly number[]; end: () => void }[] = [];
    const batcher = new GroupBatcher<number, number>(
      { maxItems: 1, maxBytes: Number.MAX_SAFE_INTEGER, maxInFlight: 1, slowFactor, maxQueued: 100 },
      {
        run: (items) => new Promise((resolve) => begun.push({ items, end: () => resolve(items) })),
        refuse: () => new Error('full'),
      },
    );
    const answers = [1, 2, 3, 4, 5].map((item) => batcher.add(item));
    await jest.advanceTimersByTimeAsync(LONG_MS);
    expect(begun).toHaveLength(slowFactor);
    begun[0]!.end();
    expect(await answers[0]).toBe(1);
    await jest.advanceTimersByTimeAsync(LONG_MS);
    expect(begun).toHaveLength(slowFactor + 1);
    for (let at = 1; at < answers.length; at++) {
      begun[at]!.end();
      await jest.advanceTimersByTimeAsync(LONG_MS);
    }
    expect(await Promise.all(answers)).toEqual([1, 2, 3, 4, 5]);
  });
});
