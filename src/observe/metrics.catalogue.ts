/** What is exported. docs/metrics.md is made of this; alert rules and dashboard may name nothing else. */
export interface MetricDefinition {
  /** Without the prefix; the unit last. */
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  /** All of them have few values, whatever the data: never keys. */
  readonly labels: readonly string[];
  /** Upper bounds of a histogram. */
  readonly buckets?: readonly number[];
}

/** What stands before every name where no other prefix is given. */
export const DEFAULT_PREFIX = 'nest_consistent_';

const ENTITY = ['entity', 'datasource'] as const;
const BACKSTOP = ['backstop', 'datasource'] as const;
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const;
const ROWS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024] as const;
/** From so old on rows in prepare are counted, in seconds. */
export const PREPARE_AGES_SECONDS = [0, 1, 10, 60, 600, 3600] as const;

export const METRICS = {
  writes: {
    name: 'writes_total',
    type: 'counter',
    help: 'Writes that were prepared, by how they ended: committed, deferred, or the code of the error. Rows of batches and units of work included.',
    labels: [...ENTITY, 'operation', 'outcome'],
  },
  refused: {
    name: 'writes_refused_total',
    type: 'counter',
    help: 'Single writes that ended at the prepare step, by the code of the error; other errors than those of the library count as OTHER.',
    labels: [...ENTITY, 'reason'],
  },
  steps: {
    name: 'step_duration_seconds',
    type: 'histogram',
    help: 'Duration of a step, waiting in queues included: write (the whole), prepare, index (with its retries), flip, sweep, backstop (one bulk). Size: one row, or many that share it. Outcome: ok, or what it came to.',
    labels: [...ENTITY, 'step', 'size', 'outcome'],
    buckets: SECONDS,
  },
  batches: {
    name: 'batch_rows',
    type: 'histogram',
    help: 'Rows that shared a prepare transaction, a bulk to Elasticsearch, a flip statement, or a bulk of the backstop.',
    labels: [...ENTITY, 'step'],
    buckets: ROWS,
  },
  settles: {
    name: 'settles_total',
    type: 'counter',
    help: 'Rows in prepare that somebody else than their writer has settled: verdict commit or restore; purpose read (a repair in a read), write, sweep or operator.',
    labels: [...ENTITY, 'verdict', 'purpose'],
  },
  settleRows: {
    name: 'settle_rows_total',
    type: 'counter',
    help: 'Rows that settling was asked for, settled or not, by purpose.',
    labels: [...ENTITY, 'purpose'],
  },
  settleDuration: {
    name: 'settle_duration_seconds',
    type: 'histogram',
    help: 'Duration of settling one batch of rows. Outcome: ok, or unsettled where some row could not be settled.',
    labels: [...ENTITY, 'purpose', 'outcome'],
    buckets: SECONDS,
  },
  foreignVersions: {
    name: 'foreign_versions_total',
    type: 'counter',
    help: 'Versions from outside the protocol that were met in the index.',
    labels: ENTITY,
  },
  parkings: {
    name: 'parkings_total',
    type: 'counter',
    help: 'Rows that were parked by this process, by reason.',
    labels: [...ENTITY, 'reason'],
  },
  sweeps: {
    name: 'sweeps_total',
    type: 'counter',
    help: 'Sweeps of a table that came to an end. Outcome: ok, or failed where some row could not be settled.',
    labels: [...ENTITY, 'outcome'],
  },
  sweptRows: {
    name: 'sweep_rows_total',
    type: 'counter',
    help: 'Rows of sweeps. Result: claimed, settled or failed.',
    labels: [...ENTITY, 'result'],
  },
  lastSweep: {
    name: 'sweep_last_timestamp_seconds',
    type: 'gauge',
    help: 'When the last sweep of the table ended in this process, in seconds since 1970; the start of the application before the first one. Only where the sweeper is on.',
    labels: ENTITY,
  },
  queues: {
    name: 'queue_rows',
    type: 'gauge',
    help: 'Rows that wait in this process: prepare, index, flip (writes), resolve (reads).',
    labels: [...ENTITY, 'queue'],
  },
  prepareRows: {
    name: 'prepare_rows',
    type: 'gauge',
    help: 'Rows in prepare that are not parked, by least age in seconds; each count includes the older ones. At most 10,000 are counted.',
    labels: [...ENTITY, 'older_than_seconds'],
  },
  prepareOldest: {
    name: 'prepare_oldest_seconds',
    type: 'gauge',
    help: 'Age of the oldest row in prepare that is not parked; 0 when there is none. Of the first 10,000 by deadline.',
    labels: ENTITY,
  },
  parkedRows: {
    name: 'parked_rows',
    type: 'gauge',
    help: 'Parked rows that wait for a person, by reason. At most 10,000 are counted.',
    labels: [...ENTITY, 'reason'],
  },
  verificationDifferences: {
    name: 'verification_differences',
    type: 'gauge',
    help: 'What the last complete verification found, by any process. Kind: missing, stale, foreign, orphaned, unchecked; repaired and failed where it was to repair.',
    labels: [...ENTITY, 'kind'],
  },
  verificationRows: {
    name: 'verification_rows',
    type: 'gauge',
    help: 'Rows that the last complete verification compared.',
    labels: ENTITY,
  },
  verificationTime: {
    name: 'verification_last_timestamp_seconds',
    type: 'gauge',
    help: 'When the last verification ended, in seconds since 1970, by the clock of MySQL. Missing while one runs, and where none was complete.',
    labels: ENTITY,
  },
  verificationDuration: {
    name: 'verification_duration_seconds',
    type: 'gauge',
    help: 'How long the last complete verification took.',
    labels: ENTITY,
  },
  backstopState: {
    name: 'backstop_state',
    type: 'gauge',
    help: '1 for the state that the backstop of this process is in, 0 for the others: stopped, standby, starting, leading, failed.',
    labels: [...BACKSTOP, 'state'],
  },
  backstopDegraded: {
    name: 'backstop_degraded',
    type: 'gauge',
    help: '1 while the backstop of this process knows of something wrong, or not known to be right.',
    labels: BACKSTOP,
  },
  backstopToVerify: {
    name: 'backstop_tables_to_verify',
    type: 'gauge',
    help: 'Tables that the leader has marked for verification.',
    labels: BACKSTOP,
  },
  backstopRefused: {
    name: 'backstop_refused_documents',
    type: 'gauge',
    help: 'Documents that Elasticsearch refuses, or that cannot be made, as far as the leader knows.',
    labels: BACKSTOP,
  },
  backstopLagMean: {
    name: 'backstop_lag_mean_seconds',
    type: 'gauge',
    help: 'From commit in MySQL to the index: mean of the last minute, changes under way included. Of the leader.',
    labels: BACKSTOP,
  },
  backstopLagP99: {
    name: 'backstop_lag_p99_seconds',
    type: 'gauge',
    help: 'The same, 99th percentile.',
    labels: BACKSTOP,
  },
  backstopOldest: {
    name: 'backstop_lag_oldest_seconds',
    type: 'gauge',
    help: 'Age of the oldest change that the index does not hold yet; 0 when there is none. Of the leader.',
    labels: BACKSTOP,
  },
  backstopPending: {
    name: 'backstop_queue_rows',
    type: 'gauge',
    help: 'Row changes that the leader has read and not dealt with yet.',
    labels: BACKSTOP,
  },
  backstopBytes: {
    name: 'backstop_queue_bytes',
    type: 'gauge',
    help: 'Bytes of the log, and of changes made of it, that the leader holds.',
    labels: BACKSTOP,
  },
  delay: {
    name: 'consistency_delay_seconds',
    type: 'histogram',
    help: 'For each row change that the backstop followed: from its commit in MySQL until the index held it.',
    labels: BACKSTOP,
    buckets: [1, 2, 10, 60],
  },
  share: {
    name: 'consistency_share_ratio',
    type: 'gauge',
    help: 'Share of the row changes that the index held within so many seconds; changes that are late already count as misses. 1 when there were none.',
    labels: [...BACKSTOP, 'within_seconds'],
  },
  inconsistent: {
    name: 'inconsistent_rows',
    type: 'gauge',
    help: 'Row changes that the index does not hold yet, by least age in seconds; 0 is all of them.',
    labels: [...BACKSTOP, 'older_than_seconds'],
  },
  scrapeErrors: {
    name: 'scrape_errors_total',
    type: 'counter',
    help: 'Parts of a scrape that could not be collected; their figures are left out. Part: queues, prepare, parked, verification, backstop.',
    labels: ['part'],
  },
} as const satisfies Record<string, MetricDefinition>;

export type MetricKey = keyof typeof METRICS;
