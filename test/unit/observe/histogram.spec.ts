import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { LogHistogram } from '../../../src/observe/log.histogram.js';
import { SlidingWindow } from '../../../src/observe/sliding.window.js';

describe('durations in fixed buckets', () => {
  it('tells quantiles within a tenth', () => {
    const durations = fc.array(fc.double({ min: 0.1, max: 80_000_000, noNaN: true }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(durations, fc.double({ min: 0, max: 1, noNaN: true }), (all, share) => {
        const histogram = new LogHistogram();
        for (const ms of all) histogram.record(ms);
        const rank = Math.max(1, Math.ceil(share * all.length));
        const exact = all.toSorted((one, two) => one - two)[rank - 1]!;
        const told = histogram.quantileMs(share);
        expect(told).toBeGreaterThanOrEqual(exact * (1 - 1e-6));
        expect(told).toBeLessThanOrEqual(exact * 1.1 * (1 + 1e-6));
      }),
      { numRuns: 500 },
    );
  });

  it('keeps count, mean and maximum exactly', () => {
    const histogram = new LogHistogram();
    histogram.record(10, 3);
    histogram.record(50);
    expect(histogram).toMatchObject({ count: 4, sumMs: 80, meanMs: 20, maxMs: 50 });
    expect(histogram.buckets().reduce((sum, { count }) => sum + count, 0)).toBe(4);
  });

  it('takes what is out of range', () => {
    const histogram = new LogHistogram();
    for (const ms of [-5, 0, 1e-9, 1e12]) histogram.record(ms);
    expect(histogram.count).toBe(4);
    expect(histogram.maxMs).toBe(1e12);
    expect(histogram.quantileMs(0.5)).toBeLessThanOrEqual(0.1);
    expect(histogram.quantileMs(1)).toBe(1e12);
    expect(histogram.buckets().at(-1)).toEqual({ uptoMs: Infinity, count: 1 });
  });

  it('says 0 of nothing, and forgets when cleared', () => {
    const histogram = new LogHistogram();
    histogram.record(5);
    histogram.clear();
    for (const one of [histogram, new LogHistogram()]) {
      expect(one).toMatchObject({ count: 0, meanMs: 0, maxMs: 0 });
      expect(one.quantileMs(0.99)).toBe(0);
      expect(one.buckets()).toEqual([]);
    }
  });

  it('merges into what one histogram would have counted', () => {
    const [one, two, both] = [new LogHistogram(), new LogHistogram(), new LogHistogram()];
    for (const ms of [1, 7, 900]) {
      one.record(ms);
      both.record(ms);
    }
    for (const ms of [3, 20_000]) {
      two.record(ms, 2);
      both.record(ms, 2);
    }
    one.merge(two);
    expect(one).toEqual(both);
  });
});

describe('a sliding window', () => {
  it('forgets what is older than the window, a slot at a time', () => {
    let now = 1_000_000;
    const window = new SlidingWindow(() => now, 60_000, 6);
    window.record(5);
    now += 30_000;
    window.record(7, 2);
    expect(window.merged().count).toBe(3);
    now += 20_000;
    expect(window.merged().count).toBe(3);
    now += 10_000;
    expect(window.merged()).toMatchObject({ count: 2, meanMs: 7 });
    now += 60_000;
    expect(window.merged().count).toBe(0);
  });

  it('uses its slots again', () => {
    let now = 0;
    const window = new SlidingWindow(() => now, 60_000, 6);
    for (; now < 1_000_000; now += 5_000) window.record(1);
    expect(window.merged().count).toBe(10);
    expect((window as unknown as { slots: unknown[] }).slots).toHaveLength(6);
  });

  it('counts nothing from the future of a clock that was set back', () => {
    let now = 1_000_000;
    const window = new SlidingWindow(() => now, 60_000, 6);
    window.record(5);
    now -= 500_000;
    expect(window.merged().count).toBe(0);
    window.record(6);
    expect(window.merged().count).toBe(1);
    window.clear();
    expect(window.merged().count).toBe(0);
  });
});
