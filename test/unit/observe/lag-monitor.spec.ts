import { beforeEach, describe, expect, it } from '@jest/globals';
import { diagnoseLag, type PipelineGauges } from '../../../src/observe/lag.diagnosis.js';
import { type LagAlert, LagMonitor, type LagReport, type LagThresholds } from '../../../src/observe/lag.monitor.js';

const PERIOD_MS = 5_000;
const QUIET: PipelineGauges = {
  queuedRows: 5,
  queuedBytes: 500,
  maxQueuedBytes: 1_000_000,
  bulksUnderWay: 1,
  maxParallelBulks: 4,
  oldestBulkMs: 3,
  blockedTables: {},
};

describe('the lag monitor', () => {
  let now: number;
  let gauges: PipelineGauges;
  let told: (LagAlert | (LagReport & { reason: 'recovered' }))[];
  let monitor: LagMonitor;

  function start(thresholds?: LagThresholds): void {
    now = 1_000_000;
    gauges = QUIET;
    told = [];
    monitor = new LagMonitor({
      now: () => now,
      windowMs: 4 * PERIOD_MS,
      thresholds,
      gauges: () => gauges,
      listener: {
        lagging: (alert) => told.push(alert),
        recovered: (report) => told.push({ ...report, reason: 'recovered' }),
      },
    });
  }
  beforeEach(() => start());

  /** Periods in which some changes took so long each. Returns what was told meanwhile. */
  function periods(count: number, lagMs: number, changes = 100): string[] {
    const before = told.length;
    for (let period = 0; period < count; period++) {
      now += PERIOD_MS;
      if (changes > 0) monitor.applied(now - lagMs, changes);
      monitor.tick();
    }
    return told.slice(before).map(({ reason }) => reason);
  }

  it('reports mean, P99 and trend', () => {
    now += PERIOD_MS;
    monitor.applied(now - 10, 98);
    monitor.applied(now - 1_000, 2);
    expect(monitor.report()).toMatchObject({ meanMs: 29.8, applied: 100, pending: 0, oldestMs: 0, ewmaMs: 0 });
    const first = monitor.tick();
    expect(first.p99Ms).toBeGreaterThanOrEqual(1_000 / 1.1);
    expect(first.p99Ms).toBeLessThanOrEqual(1_000);
    expect(first.ewmaMs).toBeCloseTo(29.8);
    now += PERIOD_MS;
    monitor.applied(now - 129.8);
    expect(monitor.tick().ewmaMs).toBeCloseTo(0.3 * 129.8 + 0.7 * 29.8);
    now += PERIOD_MS;
    expect(monitor.tick().ewmaMs).toBeCloseTo(0.7 * (0.3 * 129.8 + 0.7 * 29.8));
  });

  it('forgets what is older than the window', () => {
    periods(1, 4_000);
    expect(periods(5, 0, 0)).toEqual([]);
    expect(monitor.report()).toMatchObject({ meanMs: 0, p99Ms: 0, applied: 0 });
  });

  it('raises when the mean is over the threshold for three periods in a row, once', () => {
    expect(periods(2, 6_000)).toEqual([]);
    expect(monitor.alert).toBeNull();
    expect(periods(1, 6_000)).toEqual(['mean']);
    expect(monitor.alert).toBe('mean');
    expect(periods(20, 6_000)).toEqual([]);
  });

  it('does not raise when a period in between is below', () => {
    start({ periods: 3 });
    for (let round = 0; round < 4; round++) {
      expect(periods(2, 6_000, 1)).toEqual([]);
      expect(periods(1, 10, 1_000)).toEqual([]);
      expect(periods(4, 10, 0)).toEqual([]);
    }
  });

  it('clears only when it is well below for three periods in a row', () => {
    periods(3, 6_000);
    // Below the threshold, but not below half of it: nothing changes, however long.
    expect(periods(20, 4_000)).toEqual([]);
    expect(monitor.alert).toBe('mean');
    // The mean of the window sinks to 3,000, 2,000, 1,000: the fourth period is the third that is well below.
    expect(periods(3, 10)).toEqual([]);
    expect(periods(1, 10)).toEqual(['recovered']);
    expect(monitor.alert).toBeNull();
    expect(periods(10, 10)).toEqual([]);
    expect(periods(10, 6_000)).toEqual(['mean']);
  });

  it('clears when nothing is left to do', () => {
    periods(3, 6_000);
    expect(periods(8, 0, 0)).toEqual(['recovered']);
  });

  it('raises at once when P99 is over its threshold, though the mean is not', () => {
    now += PERIOD_MS;
    monitor.applied(now - 5, 97);
    monitor.applied(now - 20_000, 3);
    monitor.tick();
    expect(told).toMatchObject([{ reason: 'p99', diagnosis: { findings: expect.any(Array) } }]);
    expect(told[0]!.meanMs).toBeLessThan(5_000);
  });

  it('tells once more when P99 joins the mean, and not back again', () => {
    expect(periods(3, 6_000)).toEqual(['mean']);
    expect(periods(5, 20_000)).toEqual(['p99']);
    expect(periods(10, 6_000)).toEqual([]);
    expect(periods(10, 10)).toEqual(['recovered']);
  });

  it('sees a pipeline that stands still, though nothing ends', () => {
    const committedAtMs = now;
    const reports: LagReport[] = [];
    for (let period = 0; period < 4; period++) {
      now += PERIOD_MS;
      reports.push(monitor.tick([{ committedAtMs, rows: 10 }]));
    }
    expect(told.map(({ reason }) => reason)).toEqual(['p99']);
    expect(reports.map(({ oldestMs }) => oldestMs)).toEqual([5_000, 10_000, 15_000, 20_000]);
    expect(reports.at(-1)).toMatchObject({ meanMs: 20_000, pending: 10, applied: 0 });
  });

  it('weighs what is under way with its rows, and keeps none of it', () => {
    monitor.applied(now - 100, 9);
    const report = monitor.report([{ committedAtMs: now - 1_100, rows: 1 }]);
    expect(report).toMatchObject({ meanMs: 200, applied: 9, pending: 1 });
    expect(monitor.report()).toMatchObject({ meanMs: 100, applied: 9, pending: 0 });
  });

  it('takes other thresholds', () => {
    start({ meanMs: 50, p99Ms: 1_000, periods: 1, clearShare: 0.8 });
    expect(periods(1, 60)).toEqual(['mean']);
    expect(periods(10, 45)).toEqual([]);
    expect(periods(10, 39)).toEqual(['recovered']);
  });

  it('says with the alert where the time goes', () => {
    monitor.spent('bulk', 8_000);
    monitor.spent('queue', 1_500);
    monitor.spent('read', 500);
    gauges = { ...QUIET, blockedTables: { 'shop.film': 'its alias is missing' } };
    periods(1, 30_000);
    expect(told).toMatchObject([
      {
        reason: 'p99',
        diagnosis: {
          stage: 'bulk',
          shares: { bulk: 0.8, queue: 0.15, read: 0.05, 'row-reads': 0 },
          gauges,
          findings: [
            expect.stringContaining('shop.film is blocked: its alias'),
            expect.stringContaining('bulk requests'),
          ],
        },
      },
    ]);
  });

  it('forgets the times of the stages with the window', () => {
    monitor.spent('bulk', 8_000);
    now += 5 * PERIOD_MS;
    monitor.spent('read', 1);
    expect(monitor.diagnose()).toMatchObject({ stage: 'read', shares: { read: 1, bulk: 0 } });
  });
});

describe('a diagnosis', () => {
  const NO_TIMES = { read: 0, queue: 0, bulk: 0, 'row-reads': 0 };
  const findings = (more: Partial<PipelineGauges>, times = NO_TIMES) =>
    diagnoseLag(times, { ...QUIET, ...more }).findings;

  it.each([
    ['a bulk that hangs', { oldestBulkMs: 40_000 }, NO_TIMES, 'under way for 40000 ms'],
    ['a full queue', { queuedBytes: 950_000 }, NO_TIMES, 'The queue is full'],
    ['nothing here yet', { queuedRows: 0, bulksUnderWay: 0 }, NO_TIMES, 'not come from MySQL yet'],
    ['reading', {}, { ...NO_TIMES, read: 10 }, 'before the changes are here'],
    ['the queue', {}, { ...NO_TIMES, queue: 10 }, 'in the queue'],
    ['bulks', {}, { ...NO_TIMES, bulk: 10 }, 'in bulk requests'],
    ['row reads', {}, { ...NO_TIMES, 'row-reads': 10 }, 'reading rows again'],
    ['a blocked table', { blockedTables: { 'shop.film': 'refused' } }, NO_TIMES, 'shop.film is blocked: refused'],
    ['nothing in particular', {}, { ...NO_TIMES, read: 4, queue: 3, bulk: 3 }, 'No single cause'],
  ])('names %s', (_what, more, times, text) => {
    expect(findings(more, times)).toEqual([expect.stringContaining(text)]);
  });

  it('puts the surest cause first', () => {
    const all = findings(
      { oldestBulkMs: 9_000, queuedBytes: 1_000_000, blockedTables: { 'shop.film': 'refused' } },
      { ...NO_TIMES, bulk: 10 },
    );
    expect(all.map((text) => /blocked|under way|full|bulk requests/.exec(text)![0])).toEqual([
      'blocked',
      'under way',
      'full',
      'bulk requests',
    ]);
  });

  it('blames no stage when nothing was timed', () => {
    expect(diagnoseLag(NO_TIMES, QUIET)).toMatchObject({ stage: null, shares: NO_TIMES });
  });
});
