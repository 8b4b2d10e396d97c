import { InvalidOptionsError } from '../errors.js';
import { checkedChunkSize } from './chunk.pipeline.js';

/** How many rows of an import ended how, so far. */
export interface ImportProgress {
  /** Rows taken from the source. */
  readonly read: number;
  /** Rows that both stores hold. */
  readonly committed: number;
  /** `decider: 'mysql'`: rows that are durable in MySQL, and whose documents follow. */
  readonly deferred: number;
  /** Rows that were not written, or whose outcome is unknown; see each error's `code`. */
  readonly failed: number;
}

/** A row of an import that failed. */
export interface ImportFailure<Given> {
  /** What the source gave. */
  readonly entity: Given;
  /** Its place in the source, from 0. */
  readonly position: number;
  /** As `saveMany` gives it: MySQL's own error, or one of this library's. OUTCOME_UNKNOWN: it may still have happened. */
  readonly error: Error;
}

export interface ImportOptions<Given> {
  /** Rows prepared in one MySQL transaction and sent in one bulk; fewer where they are large. 1 … 1,000, default 500. */
  readonly chunkSize?: number;
  /** Told after every chunk. The import waits for it. What it throws ends the import. */
  readonly onProgress?: (progress: ImportProgress) => void | Promise<void>;
  /** Given each row that failed, in the order of the source. The import waits for it. What it throws ends the import. */
  readonly onFailed?: (failure: ImportFailure<Given>) => void | Promise<void>;
  /** More failed rows than this end the import. 0: the first one does. Default 1,000. */
  readonly maxFailures?: number;
  /** Ends the import: no further row is taken from the source; those under way are finished, and counted. */
  readonly signal?: AbortSignal;
}

/** The end of an import that took every row of its source. */
export interface ImportResult extends ImportProgress {
  /** The first 100 failures, without their rows. */
  readonly failures: readonly { readonly position: number; readonly error: Error }[];
}

export const DEFAULT_MAX_FAILURES = 1_000;
/** Failures kept for the result: however many rows fail, memory stays bounded. */
export const MAX_KEPT_FAILURES = 100;

export interface CheckedImportOptions<Given> extends ImportOptions<Given> {
  readonly chunkSize: number;
  readonly maxFailures: number;
}

/** Throws `InvalidOptionsError`. */
export function checkedImportOptions<Given>(options: ImportOptions<Given>): CheckedImportOptions<Given> {
  const { maxFailures = DEFAULT_MAX_FAILURES } = options;
  if (maxFailures !== Infinity && (!Number.isInteger(maxFailures) || maxFailures < 0)) {
    throw new InvalidOptionsError(`maxFailures must be 0 or more, not ${String(maxFailures)}.`, { maxFailures });
  }
  return { ...options, chunkSize: checkedChunkSize(options.chunkSize), maxFailures };
}
