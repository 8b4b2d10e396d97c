import type { estypes } from '@elastic/elasticsearch';
import type { ReindexPhase } from './reindex.state.js';

export type { CopyPlace, ReindexPhase } from './reindex.state.js';

export interface ReindexOptions {
  /**
   * `new`: into a new index, which then takes the alias. `current`: into the index that the alias has, for a table that has rows and no
   * documents yet. Default `new`.
   */
  into?: 'new' | 'current';
  /** Mapping of the new index. Default: what the repository declares. */
  mappings?: estypes.MappingTypeMapping;
  /** Settings of the new index. Default: what the repository declares. */
  settings?: estypes.IndicesIndexSettings;
  /** Throttle: at most this many rows are copied, and compared, in a second. Default: no limit. */
  maxRowsPerSecond?: number;
  /** Rows copied at a time. 1 … 10,000. Default 2,000. */
  batchSize?: number;
  /** Time limit of one request for a batch, in milliseconds. Default 30,000. */
  timeoutMs?: number;
  /** How long writers may be held back at most while the indices are exchanged, in milliseconds. 2,000 … 60,000. Default 5,000. */
  barrierMs?: number;
  /**
   * How late a request may be that was sent before the reindex began, in milliseconds: the exchange waits until that time is over, so that
   * none brings back a document that was deleted meanwhile. Default `10 × deadlineMs`; 0 with durable tombstones.
   */
  lateRequestMs?: number;
  /** How many refused or different documents are listed. 0 … 10,000. Default 100. */
  maxExamples?: number;
  /** Gives the run up; another call goes on from there. */
  signal?: AbortSignal;
  /** Called as the work proceeds. Must not throw. */
  onProgress?: (progress: ReindexProgress) => void;
}

export interface ReindexProgress {
  /**
   * - `arming`: waits until every instance knows of the new index, and writes from before are settled.
   * - `copying`, `verifying`: table by table.
   * - `waiting`: for requests that may still be late.
   * - `closing`: writers wait. `swapping`: nothing is undecided, and the indices are exchanged.
   */
  readonly step: 'arming' | 'copying' | 'verifying' | 'waiting' | 'closing' | 'swapping';
  /** The table that is worked on, by its entity; null where all are. */
  readonly entity: string | null;
  /** Rows (while verifying: then documents) that are done. */
  readonly rows: number;
  /** What MySQL estimates the table to have. */
  readonly estimatedRows: number;
  /** Documents that the new index refused so far. */
  readonly refused: number;
  readonly seconds: number;
}

/** A document that the index does not take, or shows otherwise. */
export interface ReindexProblem {
  readonly entity: string;
  readonly documentId: string;
  readonly reason: string;
}

export interface ReindexResult {
  readonly alias: string;
  /** Null with `into: 'current'`. */
  readonly formerIndex: string | null;
  /** The index that has the alias now. */
  readonly index: string;
  /** Rows that were read, by this run and those that it went on from. */
  readonly rows: number;
  /** Documents that the copy brought; the others were there already, by a write meanwhile. */
  readonly copied: number;
  /** Documents that verification brought after the copy. */
  readonly mended: number;
  /** Documents whose row cannot be told (see verification): not compared from that side. */
  readonly untold: number;
  /** For how long writers were held back at most, in milliseconds; 0 with `into: 'current'`. */
  readonly barrierMs: number;
  readonly seconds: number;
}

export interface ReindexStatus {
  readonly alias: string;
  readonly phase: ReindexPhase;
  /** What is, or was, done last. */
  readonly step: string;
  readonly formerIndex: string | null;
  readonly newIndex: string | null;
  /** The index that the alias leads to. */
  readonly index: string | null;
  /** Documents that the index which follows did not get when they were written: it is compared before it is exchanged. */
  readonly missed: number;
  readonly lastMissed: string | null;
  readonly rows: number;
  readonly copied: number;
  /** UTC, by MySQL's clock. */
  readonly startedAt: string;
  readonly updatedAt: string;
}

export interface RollbackOptions extends Pick<
  ReindexOptions,
  'maxRowsPerSecond' | 'timeoutMs' | 'barrierMs' | 'maxExamples' | 'signal' | 'onProgress'
> {
  /** Keeps the new index, without any alias. Default false: it is deleted. */
  keepIndex?: boolean;
}

export interface FinishOptions {
  /** Deletes the former index. Default false: it stays, without any alias. */
  deleteFormer?: boolean;
}
