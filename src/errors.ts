/** Common base of everything this library throws on purpose. Match on `code`: messages may change, codes do not. */
export abstract class ConsistentError extends Error {
  /** Stable identifier, e.g. `OUTCOME_UNKNOWN`. */
  abstract readonly code: string;
  /** True when the very same call may succeed later without a change by a person. */
  abstract readonly retryable: boolean;
  /** Facts a program can act on: entity, key, version … Never row contents. */
  readonly data: Readonly<Record<string, unknown>>;

  constructor(message: string, data: Record<string, unknown> = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.data = Object.freeze({ ...data });
  }
}

/**
 * Elasticsearch did not say whether it took the write (timeout, reset, 502, 504, or a lost database connection at the
 * prepare's own COMMIT). The row stays `prepare`; read repair or the sweeper settles it.
 * Do: read the row again. Do not write it again blindly.
 */
export class OutcomeUnknownError extends ConsistentError {
  readonly code = 'OUTCOME_UNKNOWN';
  readonly retryable = false;
}

/**
 * Elasticsearch refused the document for certain (4xx, most often a mapping), or an ingest pipeline dropped it (`data.type` is
 * `dropped_by_pipeline`). The row was restored.
 * Do: correct the value or the mapping, then write again. Rows that are to have no document are told by `when`, not by a pipeline.
 */
export class IndexRejectedError extends ConsistentError {
  readonly code = 'INDEX_REJECTED';
  readonly retryable = false;
}

/**
 * Elasticsearch was certainly not reached, was too busy (connection refused, 429, 503), or has no such alias or index any more (the
 * message has `index_not_found_exception` or `alias_not_found_exception`), after all retries. The row was restored.
 * Do: try again later; where the alias is gone, give it back to its index, or start the application anew, which makes an index
 * (`createIndices`), and verify with `repair: true`.
 */
export class IndexUnavailableError extends ConsistentError {
  readonly code = 'INDEX_UNAVAILABLE';
  readonly retryable = true;
}

/**
 * Elasticsearch refuses who asks: the API key or user is wrong, expired or revoked (401), lacks a privilege or is kept out by a block
 * on the index (403), or its certificate is not trusted. Or the index takes no document at all: it is closed, or its alias leads to several
 * indices and names none for writing, or it is being exchanged (`reindex`) and this instance may not see `consistent_reindex`, or runs an
 * older version of the library. Nothing was done; the row of a write was restored, or stays decided under
 * `decider: 'mysql'`. Do: mend the credentials, the privilege (the message names it), the block, or `elasticsearch.tls.ca`; open the index;
 * leave one index behind the alias; grant what the message says; then try again.
 */
export class IndexAccessError extends ConsistentError {
  readonly code = 'INDEX_ACCESS';
  readonly retryable = false;
}

/**
 * The write took longer than its deadline and somebody else settled it as not happened.
 * Do: try again; raise `deadlineMs` if it happens often.
 */
export class WriteAbortedError extends ConsistentError {
  readonly code = 'WRITE_ABORTED';
  readonly retryable = true;
}

/** The row is in `prepare` under another writer and was not settled within `busyTimeoutMs`. Do: try again. */
export class RowBusyError extends ConsistentError {
  readonly code = 'ROW_BUSY';
  readonly retryable = true;
}

/**
 * The row's pending write can be neither committed nor restored by the library (a unique key was taken meanwhile, a
 * foreign key points here). Do: look at `ParkedRows.list()`, remove the cause, then `retry()` or `discard()`.
 */
export class RowParkedError extends ConsistentError {
  readonly code = 'ROW_PARKED';
  readonly retryable = false;
}

/** The row to update, remove, soft-remove or recover does not exist. */
export class RowNotFoundError extends ConsistentError {
  readonly code = 'ROW_NOT_FOUND';
  readonly retryable = false;
}

/** Optimistic concurrency: the row's version is not the `expectedVersion` of the call. Do: read again, decide again. */
export class StaleVersionError extends ConsistentError {
  readonly code = 'STALE_VERSION';
  readonly retryable = false;
}

/**
 * A read met rows in `prepare` and Elasticsearch could not be asked about them within `readRepair.timeoutMs`, or cannot say: the index
 * is closed, its alias is gone, or leads to several. Nothing undecided is ever returned in its place. Do: try again.
 */
export class ReadUnsettledError extends ConsistentError {
  readonly code = 'READ_UNSETTLED';
  readonly retryable = true;
}

/** `barrier: true`: rows that were in `prepare` when the read began were not settled in time. Do: try again. */
export class BarrierTimeoutError extends ConsistentError {
  readonly code = 'BARRIER_TIMEOUT';
  readonly retryable = true;
}

/** The call cannot be made through the protocol. The message names what to use instead. */
export class UnsupportedOperationError extends ConsistentError {
  readonly code = 'UNSUPPORTED_OPERATION';
  readonly retryable = false;
}

/**
 * Something wrote a consistent entity through plain TypeORM. Refused, because its document would not follow.
 * Do: write through the ConsistentRepository, or set `bypassGuard: 'warn'` while you migrate.
 */
export class ProtocolBypassedError extends ConsistentError {
  readonly code = 'PROTOCOL_BYPASSED';
  readonly retryable = false;
}

/**
 * An option is missing, unknown, out of range, or contradicts another one. Thrown at start-up, or by the call that was given it, before
 * anything is read or written.
 */
export class InvalidOptionsError extends ConsistentError {
  readonly code = 'INVALID_OPTIONS';
  readonly retryable = false;
}

/**
 * The table or the entity does not fit the protocol (columns missing, a trigger, a cascade …). Thrown at start-up.
 * The message carries the statement or the change that mends it.
 */
export class InvalidSchemaError extends ConsistentError {
  readonly code = 'INVALID_SCHEMA';
  readonly retryable = false;
}

/** The index behind the alias has a mapping or settings that contradict what the repository declares. */
export class MappingConflictError extends ConsistentError {
  readonly code = 'MAPPING_CONFLICT';
  readonly retryable = false;
}

/** The row cannot become a document: id over 512 bytes, `toDocument` failed or returned no object … Nothing was written. */
export class InvalidDocumentError extends ConsistentError {
  readonly code = 'INVALID_DOCUMENT';
  readonly retryable = false;
}

/**
 * A unit of work or a batch was prepared as a whole, and then Elasticsearch took some of its rows and not others.
 * `data.outcomes` tells the fate of each row.
 */
export class PartialWriteError extends ConsistentError {
  readonly code = 'PARTIAL_WRITE';
  readonly retryable = false;
}

/**
 * MySQL did not answer a statement within `statementTimeoutMs`, or no connection was to be had: the network or the server
 * is silent, the pool is used up, or another transaction holds a lock. The connection was closed. A write that ends in
 * this error did not happen; one whose COMMIT was not answered ends in `OutcomeUnknownError`, with this as its `cause`.
 * Do: try again.
 */
export class StatementTimeoutError extends ConsistentError {
  readonly code = 'STATEMENT_TIMEOUT';
  readonly retryable = true;
}

/** More writes are waiting than the library holds in memory; nothing was written. Do: slow down, try again later. */
export class OverloadedError extends ConsistentError {
  readonly code = 'OVERLOADED';
  readonly retryable = true;
}

/**
 * An import ended before its source did. `data.reason`: `aborted`, `source` (it threw), `failures` (more than
 * `maxFailures`), `callback` (`onProgress` or `onFailed` threw) or `shutdown`; the cause is what was thrown, or the signal's
 * reason. `data.read` rows of the source have an outcome: `committed`, `deferred`, `failed`. Do: mend the reason, go on with the row after them.
 */
export class ImportStoppedError extends ConsistentError {
  readonly code = 'IMPORT_STOPPED';
  readonly retryable = false;
}

/** The module is shutting down and takes no new writes; those under way are drained. */
export class ShuttingDownError extends ConsistentError {
  readonly code = 'SHUTTING_DOWN';
  readonly retryable = true;
}

/** A text that should be a GTID set, or one GTID, is none. Do: write it as MySQL's `gtid_executed` prints it. */
export class InvalidGtidSetError extends ConsistentError {
  readonly code = 'INVALID_GTID_SET';
  readonly retryable = false;
}

/**
 * This instance no longer leads the backstop: its lock's connection broke, or another instance took over meanwhile. What
 * it wanted to save was not saved. Do: nothing; the backstop waits to lead again, and goes on from the checkpoint.
 */
export class LeadershipLostError extends ConsistentError {
  readonly code = 'LEADERSHIP_LOST';
  readonly retryable = true;
}

/**
 * A checkpoint was to be saved that is behind the saved one, or of another history of the server (`RESET BINARY LOGS`).
 * Do: let the backstop start again, which decides anew where to go on; to go back on purpose, `rewind()`.
 */
export class CheckpointBehindError extends ConsistentError {
  readonly code = 'CHECKPOINT_BEHIND';
  readonly retryable = false;
}

/**
 * The server's settings, or the rights of the user that reads the binary log, do not fit the backstop. The message lists
 * every finding with the statement that mends it; `data.findings` has them as data. Do: run those statements.
 */
export class BinlogPreflightError extends ConsistentError {
  readonly code = 'BINLOG_PREFLIGHT';
  readonly retryable = false;
}

/** The connection to the binary log could not be made again after `maxReconnects` tries. Do: start again later. */
export class BinlogConnectionError extends ConsistentError {
  readonly code = 'BINLOG_CONNECTION';
  readonly retryable = true;
}

/**
 * The binary log does not have what comes after the wanted position: it was purged, or it is another server's log.
 * `data.reason`: `purged`, `ahead` (the position has transactions that the server has not) or `no-such-position`.
 * Do: verify the tables, then start from now.
 */
export class BinlogPositionLostError extends ConsistentError {
  readonly code = 'BINLOG_POSITION_LOST';
  readonly retryable = false;
}

/**
 * Another client reads the binary log under the same identity, and the server ended this one's connection for it.
 * Do: give each instance a `serverId` of its own.
 */
export class DuplicateServerIdError extends ConsistentError {
  readonly code = 'DUPLICATE_SERVER_ID';
  readonly retryable = false;
}

/** MySQL refuses the user that reads the binary log: wrong password, or a right is missing. Do: what the message says. */
export class BinlogAccessError extends ConsistentError {
  readonly code = 'BINLOG_ACCESS';
  readonly retryable = false;
}

/**
 * A verification ended before it was done: its signal was aborted, or a store did not answer for too long. Nothing is lost:
 * `data.cursor` is where it stopped. Do: call `verify` again with `from: error.data.cursor`, or with `resume: true`.
 */
export class VerificationInterruptedError extends ConsistentError {
  readonly code = 'VERIFICATION_INTERRUPTED';
  readonly retryable = true;
}

/** The same table is being verified already, here or by another instance. Do: wait for that run. */
export class VerificationRunningError extends ConsistentError {
  readonly code = 'VERIFICATION_RUNNING';
  readonly retryable = true;
}

/**
 * The alias leads to no index: there is nothing to compare with, and nothing to repair into. Do: start the application
 * again, which makes the index (`createIndices`), then verify with `repair: true`.
 */
export class IndexMissingError extends ConsistentError {
  readonly code = 'INDEX_MISSING';
  readonly retryable = false;
}

/**
 * The new index does not hold what the rows make, or does not take it, so it was not exchanged: writes go on as before, and the new index
 * goes on following. `data.problems` lists the first of them. Do: change the mapping or the rows, then call `reindex()` again (the
 * same mapping) or `rollbackReindex()` (to begin anew with another).
 */
export class ReindexRefusedError extends ConsistentError {
  readonly code = 'REINDEX_REFUSED';
  readonly retryable = false;
}

/**
 * A reindex ended before it was done: its signal was aborted, a store did not answer for too long, or writes under way did not end
 * within `barrierMs`. Nothing is lost. Do: call `reindex()` again, which goes on from there.
 */
export class ReindexInterruptedError extends ConsistentError {
  readonly code = 'REINDEX_INTERRUPTED';
  readonly retryable = true;
}

/** The same index is being worked on already, here or by another instance. Do: wait for that run. */
export class ReindexRunningError extends ConsistentError {
  readonly code = 'REINDEX_RUNNING';
  readonly retryable = true;
}

/** The call does not fit how far the reindex is; the message says what does. Do: look at `reindexStatus()`. */
export class ReindexStateError extends ConsistentError {
  readonly code = 'REINDEX_STATE';
  readonly retryable = false;
}

/**
 * What the server sends is no binary log that this version of the library understands. Do: report it with the server's
 * version; until then verify the tables on a schedule.
 */
export class BinlogUnreadableError extends ConsistentError {
  readonly code = 'BINLOG_UNREADABLE';
  readonly retryable = false;
}
