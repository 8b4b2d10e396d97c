import type {
  BinlogPosition,
  HeartbeatEvent,
  SchemaChangeEvent,
  TransactionStartEvent,
  UndecodableEvent,
} from './binlog.types.js';
import type { ParsedGtid } from './gtid.event.js';
import type { LogCopy } from './log.copies.js';
import type { RowsKind } from './logged.rows.js';
import type { TableDescription } from './table.description.js';

/** Rows as they came: they are looked at when the consumer takes them, so that the queue holds their bytes only. */
export interface UndecodedRows {
  readonly kind: 'undecoded-rows';
  readonly table: TableDescription;
  readonly rows: RowsKind;
  readonly hasExtra: boolean;
  readonly cascadesEscape: boolean;
  readonly body: LogCopy;
  readonly at: BinlogPosition;
}

export interface TransactionEnd {
  readonly kind: 'end';
  /** Empty for a transaction without one. */
  readonly gtid: string;
  /** It was passed over: nothing else of it was put. */
  readonly skipped: boolean;
  readonly at: BinlogPosition;
}

export type AssembledItem =
  UndecodedRows | TransactionEnd | TransactionStartEvent | SchemaChangeEvent | HeartbeatEvent | UndecodableEvent;

/** What comes out of the assembler, and what it asks. */
export interface AssemblerPort {
  /**
   * Asked at each statement, so the answer may change while it runs. `cascades`: only those rows that make foreign keys do
   * something which is not in the log.
   */
  wanted(schema: string, table: string): boolean | 'cascades';
  /** Transactions before the wanted start are passed over without a word. */
  skipped(transaction: ParsedGtid, from: BinlogPosition): boolean;
  put(item: AssembledItem, bytes: number): void;
  /** Resolves when more can be taken. */
  room(): Promise<void>;
}
