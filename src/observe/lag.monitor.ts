import { diagnoseLag, LAG_STAGES, type LagDiagnosis, type LagStage, type PipelineGauges } from './lag.diagnosis.js';
import type { LogHistogram } from './log.histogram.js';
import type { PendingChanges } from './pending.changes.js';
import { SlidingWindow } from './sliding.window.js';

export interface LagThresholds {
  /** Mean over the window that raises the alert, in ms. Default 5,000. */
  readonly meanMs?: number;
  /** P99 over the window that raises it at once, in ms. Default 15,000. */
  readonly p99Ms?: number;
  /** Periods in a row that it takes to raise (for the mean) and to clear. Default 3. */
  readonly periods?: number;
  /** Share of both thresholds below which it clears: without the gap an alert would flicker. Default 0.5. */
  readonly clearShare?: number;
}

export interface LagMonitorOptions {
  /** MySQL's clock in ms since 1970, as well as it is known (`ServerClock.now`). Default `Date.now`. */
  readonly now?: () => number;
  /** Length of the sliding window, in ms. Default 60,000. */
  readonly windowMs?: number;
  readonly thresholds?: LagThresholds;
  /** Must not throw: it is called in line with `tick`. */
  readonly listener: LagListener;
  /** Asked when a diagnosis is made. */
  readonly gauges: () => PipelineGauges;
}

export interface LagReport {
  /** Over the window, with what is under way at its age so far. */
  readonly meanMs: number;
  readonly p99Ms: number;
  /** Exponentially weighted mean of the periods: the trend. */
  readonly ewmaMs: number;
  /** Age of the oldest change that is not applied; 0 when there is none. */
  readonly oldestMs: number;
  /** Row changes applied within the window. */
  readonly applied: number;
  /** Row changes under way. */
  readonly pending: number;
}

export interface LagAlert extends LagReport {
  /** Which threshold was crossed. */
  readonly reason: 'mean' | 'p99';
  readonly diagnosis: LagDiagnosis;
}

export interface LagListener {
  /** Once when the alert is raised, and once more when P99 joins the mean. */
  lagging(alert: LagAlert): void;
  recovered(report: LagReport): void;
}

const DEFAULT_WINDOW_MS = 60_000;
/** Weight of the newest period: about the last six count. */
const EWMA_WEIGHT = 0.3;

/**
 * How far the index is behind: from the commit in MySQL to the index. Raises an alert and clears it with hysteresis. What
 * is under way counts with its age, so a pipeline that stands still is noticed though nothing ends.
 */
export class LagMonitor {
  private readonly now: () => number;
  private readonly thresholds: Required<LagThresholds>;
  private readonly window: SlidingWindow;
  private readonly stages: Readonly<Record<LagStage, SlidingWindow>>;
  private raised: 'mean' | 'p99' | null = null;
  private periodsOver = 0;
  private periodsUnder = 0;
  private ewma: number | null = null;
  private periodSumMs = 0;
  private periodRows = 0;

  constructor(private readonly options: LagMonitorOptions) {
    this.now = options.now ?? Date.now;
    this.thresholds = { meanMs: 5_000, p99Ms: 15_000, periods: 3, clearShare: 0.5, ...options.thresholds };
    const windowMs = options.windowMs ?? DEFAULT_WINDOW_MS;
    this.window = new SlidingWindow(this.now, windowMs);
    this.stages = Object.fromEntries(
      LAG_STAGES.map((stage) => [stage, new SlidingWindow(this.now, windowMs)]),
    ) as Record<LagStage, SlidingWindow>;
  }

  /** So many rows, committed at this moment (ms since 1970 by MySQL's clock), are in the index now. */
  applied(committedAtMs: number, rows = 1): void {
    const ms = Math.max(0, this.now() - committedAtMs);
    this.window.record(ms, rows);
    this.periodSumMs += ms * rows;
    this.periodRows += rows;
  }

  /** Time that work spent in a stage, in ms. Only shares are told of it: time all stages alike, each piece of work or a sample. */
  spent(stage: LagStage, ms: number): void {
    this.stages[stage].record(ms);
  }

  /**
   * Ends a period: judges, and tells the listener. To be called at even intervals of a few seconds. `pending`: what is not
   * applied yet, as `LowWatermark.open()` gives it.
   */
  tick(pending: Iterable<PendingChanges> = []): LagReport {
    const waiting = this.ages(pending);
    const rows = this.periodRows + waiting.rows;
    const meanMs = rows === 0 ? 0 : (this.periodSumMs + waiting.sumMs) / rows;
    this.ewma = this.ewma === null ? meanMs : EWMA_WEIGHT * meanMs + (1 - EWMA_WEIGHT) * this.ewma;
    this.periodSumMs = this.periodRows = 0;
    const report = this.reportWith(waiting);
    this.judge(report);
    return report;
  }

  /** The figures now, without judging. */
  report(pending: Iterable<PendingChanges> = []): LagReport {
    return this.reportWith(this.ages(pending));
  }

  /** Which threshold raised the alert, or null while there is none. */
  get alert(): 'mean' | 'p99' | null {
    return this.raised;
  }

  diagnose(): LagDiagnosis {
    const times = Object.fromEntries(LAG_STAGES.map((stage) => [stage, this.stages[stage].merged().sumMs]));
    return diagnoseLag(times as Record<LagStage, number>, this.options.gauges());
  }

  private judge(report: LagReport): void {
    const { meanMs, p99Ms, periods, clearShare } = this.thresholds;
    this.periodsOver = report.meanMs > meanMs ? this.periodsOver + 1 : 0;
    const calm = report.meanMs < clearShare * meanMs && report.p99Ms < clearShare * p99Ms;
    this.periodsUnder = calm ? this.periodsUnder + 1 : 0;
    if (report.p99Ms > p99Ms) {
      if (this.raised !== 'p99') this.raise('p99', report);
    } else if (this.raised === null) {
      if (this.periodsOver >= periods) this.raise('mean', report);
    } else if (this.periodsUnder >= periods) {
      this.raised = null;
      this.options.listener.recovered(report);
    }
  }

  private raise(reason: 'mean' | 'p99', report: LagReport): void {
    this.raised = reason;
    this.options.listener.lagging({ ...report, reason, diagnosis: this.diagnose() });
  }

  private reportWith(waiting: Waiting): LagReport {
    const durations = this.window.merged();
    const applied = durations.count;
    for (const { ms, rows } of waiting.ages) durations.record(ms, rows);
    return {
      ...means(durations),
      ewmaMs: this.ewma ?? 0,
      oldestMs: waiting.oldestMs,
      applied,
      pending: waiting.rows,
    };
  }

  private ages(pending: Iterable<PendingChanges>): Waiting {
    const now = this.now();
    const waiting: Waiting = { ages: [], rows: 0, sumMs: 0, oldestMs: 0 };
    for (const { committedAtMs, rows } of pending) {
      const ms = Math.max(0, now - committedAtMs);
      waiting.ages.push({ ms, rows });
      waiting.rows += rows;
      waiting.sumMs += ms * rows;
      if (ms > waiting.oldestMs) waiting.oldestMs = ms;
    }
    return waiting;
  }
}

interface Waiting {
  readonly ages: { readonly ms: number; readonly rows: number }[];
  rows: number;
  sumMs: number;
  oldestMs: number;
}

const means = (durations: LogHistogram) => ({ meanMs: durations.meanMs, p99Ms: durations.quantileMs(0.99) });
