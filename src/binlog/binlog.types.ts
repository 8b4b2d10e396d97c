import type { LoggedRows } from './logged.rows.js';

/**
 * What the backstop sees of MySQL's binary log. The client behind it (`zongji.source.ts`) can be exchanged: nothing else
 * knows its types.
 */

/** A place in the binary log of one server: the end of an event. Means nothing on another server. */
export interface BinlogPosition {
  readonly file: string;
  readonly position: number;
}

/** Everything needed to go on from a place, on this server or, by GTID, on another one. */
export interface BinlogCoordinates extends BinlogPosition {
  /** All transactions up to here, as MySQL's `gtid_executed` writes them. */
  readonly gtidSet: string;
  /** `@@server_uuid` of the server that `file` and `position` belong to. */
  readonly serverUuid: string;
}

/** A column as the log itself describes it (`binlog_row_metadata=FULL`), so it is right for rows from before an ALTER. */
export interface BinlogColumn {
  readonly name: string;
  /** MySQL's type in upper case, as in information_schema's DATA_TYPE: `BIGINT`, `DATETIME`, `ENUM` … */
  readonly type: string;
  readonly unsigned: boolean;
  /** Digits after the second (TIME, DATETIME, TIMESTAMP) or after the decimal point (DECIMAL), else null. */
  readonly decimals?: number | null;
}

/**
 * Values by column name, as the source decodes them; null is NULL. `image.decoder.ts` makes exact texts of them.
 *
 * | type | value |
 * |---|---|
 * | TINYINT … INT, YEAR, FLOAT, DOUBLE | number |
 * | BIGINT | number where that is exact, else string |
 * | DECIMAL, BIT | string of digits |
 * | DATE, TIME, DATETIME | string as MySQL prints it |
 * | TIMESTAMP | string: seconds since 1970 in UTC with the column's digits; 0 for the zero date |
 * | CHAR, VARCHAR, TEXT, ENUM, SET | string, or `UndecodedText` in a character set that cannot be decoded exactly |
 * | BINARY, VARBINARY, BLOB, GEOMETRY, VECTOR | Buffer: the stored bytes |
 * | JSON | `BinaryJson`: `bytes` to compare, `toString()` for MySQL's own text, made when asked for |
 */
export type BinlogValues = Readonly<Record<string, unknown>>;

export interface RowChange {
  /** Null for an insert. */
  readonly before: BinlogValues | null;
  /** Null for a delete. */
  readonly after: BinlogValues | null;
}

/**
 * A transaction begins. Only committed transactions are in the log: its rows may be worked on before its end arrives.
 * When the connection is lost before that end, the same transaction begins anew, and its rows come again.
 */
export interface TransactionStartEvent {
  readonly kind: 'transaction';
  /** Empty where the server has no GTIDs (`gtid_mode` is not ON). */
  readonly gtid: string;
  /** `original_commit_timestamp`: µs since 1970 by the clock of the server where it was first committed. */
  readonly committedAtUs: number;
  readonly at: BinlogPosition;
}

/** Changes of rows of one table. Their values are made when they are asked for. */
export type RowsEvent = LoggedRows;

/** A statement that may have changed tables: DDL, TRUNCATE, RENAME. */
export interface SchemaChangeEvent {
  readonly kind: 'schema-change';
  /** The session's default schema: what unqualified names in the statement mean. */
  readonly schema: string;
  readonly statement: string;
  readonly at: BinlogPosition;
}

/** The transaction that began last is complete. */
export interface CommitEvent {
  readonly kind: 'commit';
  readonly coordinates: BinlogCoordinates;
}

/** The server has nothing new to say, but it is there. */
export interface HeartbeatEvent {
  readonly kind: 'heartbeat';
  readonly at: BinlogPosition;
}

/**
 * Rows of this table cannot be read (a column type the client does not know, partial JSON, an image that is not full).
 * Never skipped in silence: the table stops and falls back to verification.
 */
export interface UndecodableEvent {
  readonly kind: 'undecodable';
  /** Null where not even the table is known: then it concerns every table. */
  readonly schema: string | null;
  readonly table: string | null;
  readonly reason: string;
  readonly at: BinlogPosition;
}

export type BinlogEvent =
  TransactionStartEvent | RowsEvent | SchemaChangeEvent | CommitEvent | HeartbeatEvent | UndecodableEvent;

/** Where to begin. */
export type BinlogStart =
  | { readonly kind: 'now' }
  | { readonly kind: 'gtid-set'; readonly gtidSet: string }
  | { readonly kind: 'position'; readonly file: string; readonly position: number }
  /** The first transaction that was committed at or after this time. */
  | { readonly kind: 'time'; readonly time: Date };

/**
 * The log as an endless sequence, in order. Ends when `stop` was called; throws when the connection cannot be kept
 * (`retryable` of the error says whether to come again). A consumer that is slow holds the server back: at most
 * `maxQueuedBytes` are kept.
 */
export interface BinlogSource {
  read(start: BinlogStart): AsyncIterable<BinlogEvent>;
  /** Idempotent; resolves once the connection is closed, within a second. */
  stop(): Promise<void>;
}
