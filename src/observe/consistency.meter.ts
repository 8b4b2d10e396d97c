import type { PendingChanges } from './pending.changes.js';

export interface ConsistencyMeterOptions {
  /** MySQL's clock in ms since 1970, as well as it is known. Default `Date.now`. */
  readonly now?: () => number;
  /** Length of one point of the chart, in ms. Default one minute. */
  readonly periodMs?: number;
  /** Points kept. Default 120. */
  readonly maxPeriods?: number;
}

/** Row changes that the index held within so many seconds of their commit. */
export interface ConsistencyShare {
  readonly withinSeconds: number;
  readonly changes: number;
  /** Of all changes that are applied, or are late already. 1 when there were none. */
  readonly share: number;
}

export interface ConsistencySnapshot {
  /** Since when, ms since 1970. */
  readonly sinceMs: number;
  /** Row changes that were measured: held by the index. */
  readonly applied: number;
  readonly shares: readonly ConsistencyShare[];
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Upper bounds in ms and counts; empty buckets left out. */
  readonly histogram: readonly { readonly uptoMs: number; readonly count: number }[];
  /** Rows that differ from their documents now, by the age of the change. */
  readonly inconsistent: {
    readonly rows: number;
    readonly oldestMs: number;
    readonly olderThan: readonly { readonly seconds: number; readonly rows: number }[];
  };
  /** Oldest first, the current one last. */
  readonly periods: readonly {
    readonly startMs: number;
    readonly applied: number;
    readonly shares: readonly ConsistencyShare[];
    readonly p99Ms: number;
  }[];
}

/**
 * How fast the index follows, for each row change: from its commit in MySQL until the index held it.
 *
 * What the figures can support: 0 misses in n changes supports only a miss rate below 3/n (at 95 % confidence). "99.99998 %
 * within 2 s" needs 15 million changes without a miss. Changes that are not applied yet count as misses of every bound they are older than.
 */
export class ConsistencyMeter {
  constructor(readonly options: ConsistencyMeterOptions = {}) {}

  /** So many rows, committed at this moment (ms since 1970 by MySQL's clock), are in the index now. */
  applied(_committedAtMs: number, _rows = 1): void {
    throw new Error('to come');
  }

  /** Plain data, for metrics and pages. `pending`: what is not applied yet. */
  snapshot(_pending: Iterable<PendingChanges> = []): ConsistencySnapshot {
    throw new Error('to come');
  }

  /** Begins anew; the chart too. */
  reset(): void {
    throw new Error('to come');
  }
}
