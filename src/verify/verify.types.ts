/**
 * - `version`: every row's document is there, at the row's version or an adopted one above it. Cheap.
 * - `content`: as well, the document is exactly what the row makes today.
 */
export type VerifyDepth = 'version' | 'content';

/** How a row and its document can differ. */
export type DifferenceKind =
  /** A row without its document. */
  | 'missing'
  /** The document is older than the row, or shows other contents. */
  | 'stale'
  /** The document is newer than the row, and was not adopted from it. */
  | 'foreign'
  /** A document whose row is gone, or has none by rule (soft-deleted, `when`). */
  | 'orphaned';

export interface VerifyOptions {
  /** How closely documents are looked at. Default `content`. */
  depth?: VerifyDepth;
  /** Drives every row that differs through the protocol again, and deletes orphaned documents. Default false. */
  repair?: boolean;
  /** Throttle: at most this many rows are compared in a second. Default: no limit. */
  maxRowsPerSecond?: number;
  /** Rows compared at a time. 1 … 10,000. Default 1,000. */
  batchSize?: number;
  /** Batches compared at the same time; each holds its rows in memory and takes a connection. 1 … 16. Default 3. */
  concurrency?: number;
  /** Time limit of one request, and of repairing one batch, in milliseconds. Default 30,000. */
  timeoutMs?: number;
  /**
   * How long a difference must last to be one, in milliseconds: rows and documents are looked at again after this time. The
   * backstop's lag should be shorter. 0 … 600,000. Default 250.
   */
  graceMs?: number;
  /** How many differences are listed; all are counted. 0 … 10,000. Default 100. */
  maxExamples?: number;
  /** A cursor of an earlier run that did not end: goes on from there, and the counts go on too. Default: from the start. */
  from?: string;
  /** Goes on where the last run of this entity stopped, if it did not end; as kept in `consistent_verification`. Default false. */
  resume?: boolean;
  /** Gives the run up; it throws `VerificationInterruptedError`, whose cursor a later run can go on from. */
  signal?: AbortSignal;
  /** Called after every batch. Must not throw. */
  onProgress?: (progress: VerifyProgress) => void;
}

export interface VerifyCounts {
  /** Rows that were compared. */
  readonly rows: number;
  /** Documents in the index, as of the last look at all of them. */
  readonly documents: number;
  readonly missing: number;
  readonly stale: number;
  readonly foreign: number;
  readonly orphaned: number;
  /** Differences that are gone since, by `repair`. */
  readonly repaired: number;
  /** Differences that `repair` could not mend. */
  readonly failed: number;
  /** Rows that stayed undecided (or parked) the whole time, and documents whose row cannot be told: not compared. */
  readonly unchecked: number;
}

export interface VerifyProgress extends VerifyCounts {
  /** `rows`: from rows to documents. `documents`: from documents to rows. */
  readonly phase: 'rows' | 'documents';
  /** What MySQL estimates the table to have. */
  readonly estimatedRows: number;
  readonly seconds: number;
  /** Where another run could go on: `VerifyOptions.from`. */
  readonly cursor: string;
}

export interface Difference {
  readonly kind: DifferenceKind;
  readonly documentId: string;
  /** Null where there is no row. */
  readonly rowVersion: number | null;
  /** Null where there is no document. */
  readonly documentVersion: number | null;
  /** With `repair`: `repaired`, or why not. */
  readonly repair?: string;
}

export interface VerifyResult extends VerifyCounts {
  readonly entity: string;
  /** No difference was found, or all are repaired, and nothing was left unchecked. */
  readonly consistent: boolean;
  readonly seconds: number;
  /** The first differences of this run, at most `maxExamples`. */
  readonly examples: readonly Difference[];
  /** Why some could not be compared: the first 20. */
  readonly reasons: readonly string[];
}
