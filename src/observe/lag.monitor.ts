import type { LagDiagnosis, LagStage, PipelineGauges } from './lag.diagnosis.js';
import type { PendingChanges } from './pending.changes.js';

export interface LagThresholds {
  /** Mean over the window that raises the alert, in ms. Default 5,000. */
  readonly meanMs?: number;
  /** P99 over the window that raises it at once, with a diagnosis, in ms. Default 15,000. */
  readonly p99Ms?: number;
  /** Periods in a row that it takes to raise (for the mean) and to clear. Default 3. */
  readonly periods?: number;
  /** Share of a threshold below which it clears: without the gap an alert would flicker. Default 0.5. */
  readonly clearShare?: number;
}

export interface LagMonitorOptions {
  /** MySQL's clock in ms since 1970, as well as it is known. Default `Date.now`. */
  readonly now?: () => number;
  /** Length of the sliding window, in ms. Default 60,000. */
  readonly windowMs?: number;
  readonly thresholds?: LagThresholds;
  readonly listener: LagListener;
  /** Asked when a diagnosis is made. */
  readonly gauges: () => PipelineGauges;
}

export interface LagReport {
  /** Over the window, what is under way included at its age so far. */
  readonly meanMs: number;
  readonly p99Ms: number;
  /** Exponentially weighted mean of the periods: the trend. */
  readonly ewmaMs: number;
  /** Age of the oldest change that is not applied; 0 when there is none. */
  readonly oldestMs: number;
  readonly applied: number;
  readonly pending: number;
}

export interface LagAlert extends LagReport {
  readonly reason: 'mean' | 'p99';
  /** Always there when P99 is over its threshold. */
  readonly diagnosis: LagDiagnosis | null;
}

export interface LagListener {
  /** Once when the alert is raised, and once more when P99 comes to it. */
  lagging(alert: LagAlert): void;
  recovered(report: LagReport): void;
}

/** How far the index is behind: from the commit in MySQL to the index. Raises and clears with hysteresis. */
export class LagMonitor {
  constructor(readonly options: LagMonitorOptions) {}

  /** So many rows, committed at this moment (ms since 1970 by MySQL's clock), are in the index now. */
  applied(_committedAtMs: number, _rows = 1): void {
    throw new Error('to come');
  }

  /** Time that some work spent in a stage, in ms. Only its share matters: time every bulk, or a sample, but all stages alike. */
  spent(_stage: LagStage, _ms: number): void {
    throw new Error('to come');
  }

  /** Ends a period: judges, and tells the listener. To be called at even intervals, of a few seconds. */
  tick(_pending: Iterable<PendingChanges> = []): LagReport {
    throw new Error('to come');
  }

  /** Whether the alert is raised. */
  get lagging(): boolean {
    return false;
  }

  /** The figures now, without judging. */
  report(_pending: Iterable<PendingChanges> = []): LagReport {
    throw new Error('to come');
  }
}
