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

  const LIMITS = { maxItems: 2, maxBytes: Number.MAX_SAFE_INTEGER, maxInFlight: 1, slowFactor: 1, maxQueued: 5 };

  it('gives items that are added together their own results, in order, though batches divide them', async () => {
    const batches: (readonly number[])[] = [];
    const batcher = new GroupBatcher<number, string>(LIMITS, {
      run: async (items) => {
        batches.push(items);
        if (items.includes(3)) throw new Error('broken');
        return items.map((item) => `did ${item}`);
      },
      refuse: () => new Error('full'),
    });
    const alone = batcher.add(0);
    const many = batcher.addMany([1, 2, 3, 4], (error) => (error as Error).message);
    await jest.advanceTimersByTimeAsync(LONG_MS);
    expect(await alone).toBe('did 0');
    // What became of 1 and 4 is not lost with the batch that broke.
    expect(await many).toEqual(['did 1', 'broken', 'broken', 'did 4']);
    expect(batches).toEqual([[0, 1], [2, 3], [4]]);
    expect(await batcher.addMany([], String)).toEqual([]);
  });

  it('refuses items that are added together where not all of them have room', async () => {
    const batcher = new GroupBatcher<number, number>(LIMITS, {
      run: async (items) => items,
      refuse: (queued) => new Error(`${queued} are waiting`),
    });
    const first = batcher.addMany([1, 2, 3], () => -1);
    await expect(batcher.addMany([4, 5, 6], () => -1)).rejects.toThrow('3 are waiting');
    await jest.advanceTimersByTimeAsync(LONG_MS);
    expect(await first).toEqual([1, 2, 3]);
  });
});

describe('a GroupBatcher whose items linger', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  function start(maxItems: number) {
    const batches: (readonly number[])[] = [];
    const limits = {
      maxItems,
      maxBytes: Number.MAX_SAFE_INTEGER,
      maxInFlight: 1,
      slowFactor: 1,
      maxQueued: 100,
      lingerMs: 5,
    };
    const run = (items: readonly number[]) => {
      batches.push(items);
      return Promise.resolve(items);
    };
    return { batches, batcher: new GroupBatcher<number, number>(limits, { run, refuse: () => new Error('full') }) };
  }

  it('keeps them until their time is over, and then the next ones as long', async () => {
    const { batches, batcher } = start(10);
    const first = [batcher.add(1), batcher.add(2)];
    await jest.advanceTimersByTimeAsync(4);
    expect(batches).toEqual([]);
    await jest.advanceTimersByTimeAsync(2);
    expect(batches).toEqual([[1, 2]]);
    expect(await Promise.all(first)).toEqual([1, 2]);
    const second = batcher.add(3);
    await jest.advanceTimersByTimeAsync(4);
    expect(batches).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(2);
    expect(await second).toBe(3);
  });

  it('lets them go when it is told to hurry, and once a batch is full', async () => {
    const { batches, batcher } = start(3);
    const first = batcher.add(1);
    batcher.hurry();
    await jest.advanceTimersByTimeAsync(1);
    expect(await first).toBe(1);
    batcher.hurry();
    const others = [2, 3, 4].map((item) => batcher.add(item));
    await jest.advanceTimersByTimeAsync(1);
    expect(await Promise.all(others)).toEqual([2, 3, 4]);
    expect(batches).toEqual([[1], [2, 3, 4]]);
  });
});
