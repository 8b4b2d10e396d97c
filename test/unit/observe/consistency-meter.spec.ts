import { beforeEach, describe, expect, it } from '@jest/globals';
import { ConsistencyMeter, type ConsistencyShare } from '../../../src/observe/consistency.meter.js';

const MINUTE = 60_000;

describe('the consistency meter', () => {
  let now: number;
  let meter: ConsistencyMeter;

  beforeEach(() => {
    now = 100 * MINUTE;
    meter = new ConsistencyMeter({ now: () => now, maxPeriods: 3 });
  });
  const appliedAfter = (ms: number, rows = 1) => meter.applied(now - ms, rows);
  const counts = (shares: readonly ConsistencyShare[]) => shares.map(({ changes }) => changes);
  const shares = (all: readonly ConsistencyShare[]) => all.map(({ share }) => share);

  it('says nothing bad of nothing', () => {
    expect(meter.snapshot()).toEqual({
      sinceMs: now,
      applied: 0,
      shares: [1, 2, 10, 60].map((withinSeconds) => ({ withinSeconds, changes: 0, share: 1 })),
      meanMs: 0,
      p50Ms: 0,
      p99Ms: 0,
      maxMs: 0,
      histogram: [],
      inconsistent: { rows: 0, oldestMs: 0, olderThan: [1, 2, 10, 60].map((seconds) => ({ seconds, rows: 0 })) },
      periods: [],
    });
  });

  it('counts each bound exactly', () => {
    for (const ms of [3, 1_000, 1_001, 2_000, 2_001, 10_000, 10_001, 60_000, 60_001, 500_000]) appliedAfter(ms);
    const snapshot = meter.snapshot();
    expect(counts(snapshot.shares)).toEqual([2, 4, 6, 8]);
    expect(shares(snapshot.shares)).toEqual([0.2, 0.4, 0.6, 0.8]);
    expect(snapshot).toMatchObject({ applied: 10, maxMs: 500_000 });
    expect(snapshot.histogram.reduce((sum, { count }) => sum + count, 0)).toBe(10);
  });

  it('counts rows, not transactions', () => {
    appliedAfter(5, 999);
    appliedAfter(1_500);
    expect(meter.snapshot().shares[0]).toEqual({ withinSeconds: 1, changes: 999, share: 0.999 });
  });

  it('counts a change that is late already, though it is not applied', () => {
    appliedAfter(5, 3);
    const pending = [
      { committedAtMs: now - 1_500, rows: 1 },
      { committedAtMs: now - 900, rows: 50 },
      { committedAtMs: now - 11_000, rows: 2 },
    ];
    const snapshot = meter.snapshot(pending);
    expect(shares(snapshot.shares)).toEqual([3 / 6, 3 / 5, 3 / 5, 1]);
    expect(snapshot.inconsistent).toEqual({
      rows: 53,
      oldestMs: 11_000,
      olderThan: [
        { seconds: 1, rows: 3 },
        { seconds: 2, rows: 2 },
        { seconds: 10, rows: 2 },
        { seconds: 60, rows: 0 },
      ],
    });
    expect(snapshot.applied).toBe(3);
  });

  it('a commit of the future, by a clock that is ahead, counts as at once', () => {
    appliedAfter(-40);
    expect(meter.snapshot()).toMatchObject({ applied: 1, meanMs: 0, maxMs: 0 });
    expect(counts(meter.snapshot().shares)).toEqual([1, 1, 1, 1]);
    expect(meter.snapshot([{ committedAtMs: now + 40, rows: 1 }]).inconsistent).toMatchObject({ rows: 1, oldestMs: 0 });
  });

  it('keeps a chart of the last periods, oldest first', () => {
    for (const ms of [10, 20, 1_500, 40]) {
      appliedAfter(ms);
      now += MINUTE;
    }
    const { periods, applied } = meter.snapshot();
    expect(applied).toBe(4);
    expect(periods.map(({ startMs }) => startMs / MINUTE)).toEqual([101, 102, 103]);
    expect(periods.map((period) => shares(period.shares)[0])).toEqual([1, 0, 1]);
    expect(periods.every((period) => period.applied === 1)).toBe(true);
  });

  it('keeps the chart in order when the clock is set back', () => {
    appliedAfter(10);
    now -= 30 * MINUTE;
    appliedAfter(10);
    expect(meter.snapshot().periods).toMatchObject([{ startMs: 100 * MINUTE, applied: 2 }]);
  });

  it('begins anew after reset', () => {
    appliedAfter(10);
    now += 5;
    meter.reset();
    expect(meter.snapshot()).toMatchObject({ sinceMs: now, applied: 0, periods: [] });
  });

  it('uses the real clock unless told otherwise', () => {
    const real = new ConsistencyMeter();
    real.applied(Date.now() - 5_000);
    expect(counts(real.snapshot().shares)).toEqual([0, 0, 1, 1]);
  });
});
