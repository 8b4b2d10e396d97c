import type { BackstopState } from '../binlog/backstop.status.js';
import type { ConsistencySnapshot } from '../observe/consistency.meter.js';
import type { LagReport } from '../observe/lag.monitor.js';
import type { ParkReason } from '../mysql/parked.store.js';
import type { VerificationState } from '../verify/verification.store.js';
import type { VerifyCounts } from '../verify/verify.types.js';

/** What one part of the report says, or why it says nothing: a code or the error's name, never its text. */
export type Answer<T> = { readonly ok: true; readonly data: T } | { readonly ok: false; readonly error: string };

/** MySQL (once for each DataSource) or Elasticsearch. Its address is not told. */
export interface StoreStatus {
  readonly kind: 'mysql' | 'elasticsearch';
  /** The DataSource's name; `elasticsearch`. */
  readonly name: string;
  readonly reachable: boolean;
  /** How long it has not been reached, in ms; 0 while it is. */
  readonly failingForMs: number;
  /** A code or the error's name; null while it is reached. */
  readonly error: string | null;
  /** How long the question was under way, in ms. */
  readonly latencyMs: number | null;
  /** MySQL's version. */
  readonly version: string | null;
  /** The cluster's state; null where the user may not ask. */
  readonly health: 'green' | 'yellow' | 'red' | null;
}

/** Rows in `prepare` that are not parked. */
export interface PrepareStatus {
  /** At most 10,000 are counted; `more` says that there are others. */
  readonly rows: number;
  readonly more: boolean;
  /** Whose deadline has passed. */
  readonly overdue: number;
  /** Since the oldest was prepared, by MySQL's clock, in ms. */
  readonly oldestMs: number;
}

export interface VerificationSummary extends VerifyCounts {
  readonly consistent: boolean;
  readonly seconds: number;
  readonly state: VerificationState;
  /** Since its record was last written, by MySQL's clock, in ms. */
  readonly agoMs: number;
}

/** What the sweeper of this process did last in a table. */
export interface SweepSummary {
  readonly agoMs: number;
  readonly claimed: number;
  readonly settled: number;
  readonly failed: number;
}

export interface EntityStatus {
  readonly entity: string;
  readonly dataSource: string;
  readonly table: string;
  /** The alias. */
  readonly index: string;
  /** MySQL's estimate: counting a large table exactly takes too long for a page. */
  readonly rows: Answer<number>;
  /** Documents in the index, as of its last refresh. */
  readonly documents: Answer<number>;
  readonly prepare: Answer<PrepareStatus>;
  readonly parked: Answer<number>;
  /** Null where there was none. */
  readonly verification: Answer<VerificationSummary | null>;
  readonly lastSweep: SweepSummary | null;
}

export interface ParkedSummary {
  readonly id: string;
  readonly entity: string;
  readonly dataSource: string;
  readonly reason: ParkReason;
  readonly attempts: number;
  readonly agoMs: number;
  /** Left out of the page unless it may show details. */
  readonly key?: Readonly<Record<string, string>>;
}

export interface SweeperStatus {
  /** False where another instance, a cron or the backstop does it. */
  readonly here: boolean;
  readonly intervalMs: number | null;
}

/** What MySQL knows of a backstop, whichever instance leads. */
export interface CheckpointStatus {
  /** Who saved it last. */
  readonly leader: string;
  readonly epoch: number;
  readonly file: string;
  readonly position: number;
  /** Shortened to 200 characters. */
  readonly gtidSet: string;
  readonly savedAgoMs: number;
  /** Tables that wait for a verification: `database.table`. */
  readonly toVerify: readonly string[];
}

export interface BackstopTableSummary {
  readonly table: string;
  readonly pending: number;
  readonly refused: number;
  readonly closed: boolean;
  readonly troubled: boolean;
}

/** The backstop of this process. */
export interface BackstopHere {
  readonly state: BackstopState;
  readonly degraded: boolean;
  /** Left out of the page unless it may show details. */
  readonly reason?: string | null;
  readonly pendingRows: number;
  readonly queuedBytes: number;
  readonly tables: readonly BackstopTableSummary[];
  readonly toVerify: readonly string[];
  readonly lag: LagReport | null;
  readonly consistency: Omit<ConsistencySnapshot, 'histogram'>;
}

export interface BackstopSummary {
  readonly name: string;
  readonly dataSource: string;
  /** Whether any instance holds the lock; null where MySQL does not say. */
  readonly led: boolean | null;
  /** How long nobody has led, as far as this process has looked, in ms; 0 while somebody does. */
  readonly leaderlessForMs: number;
  readonly checkpoint: CheckpointStatus | null;
  /** Null where this process has none of that name. */
  readonly here: BackstopHere | null;
}

/** The whole report: plain data, of bounded size. No addresses, no credentials, no row contents. */
export interface StatusData {
  /** By the clock of this process, ms since 1970. */
  readonly atMs: number;
  readonly uptimeMs: number;
  readonly stores: readonly StoreStatus[];
  /** At most 200. */
  readonly entities: readonly EntityStatus[];
  readonly entitiesLeftOut: number;
  /** The oldest 20 of each DataSource. */
  readonly parked: readonly ParkedSummary[];
  readonly sweeper: SweeperStatus;
  readonly backstops: readonly BackstopSummary[];
}
