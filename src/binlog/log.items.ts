import type {
  BinlogCoordinates,
  BinlogPosition,
  CommitEvent,
  HeartbeatEvent,
  SchemaChangeEvent,
  TransactionStartEvent,
  UndecodableEvent,
} from './binlog.types.js';
import type { ParsedGtid } from './gtid.event.js';
import type { LogCopy } from './log.copies.js';
import type { RowsKind } from './logged.rows.js';
import type { TableDescription } from './table.description.js';

/*
 * What is made for each transaction are classes, not literals. V8 counts what becomes of a literal's objects: where most outlive its
 * young generation for a while, it makes all later ones in the old one at once, and then they pile up there until the next great round.
 */

export class LogPlace implements BinlogPosition {
  constructor(
    readonly file: string,
    readonly position: number,
  ) {}
}

export class TransactionStart implements TransactionStartEvent {
  readonly kind = 'transaction';

  constructor(
    readonly gtid: string,
    readonly committedAtUs: number,
    readonly at: BinlogPosition,
  ) {}
}

/** Rows as they came: they are looked at when the consumer takes them, so that the queue holds their bytes only. */
export class UndecodedRows {
  readonly kind = 'undecoded-rows';

  constructor(
    readonly table: TableDescription,
    readonly rows: RowsKind,
    readonly hasExtra: boolean,
    readonly cascadesEscape: boolean,
    readonly body: LogCopy,
    readonly at: BinlogPosition,
  ) {}
}

export class TransactionEnd {
  readonly kind = 'end';

  constructor(
    /** Empty for a transaction without one. */
    readonly gtid: string,
    /** It was passed over: nothing else of it was put. */
    readonly skipped: boolean,
    readonly at: BinlogPosition,
  ) {}
}

/** The end as its consumer is given it. */
export class TransactionCommit implements CommitEvent {
  readonly kind = 'commit';

  constructor(readonly coordinates: BinlogCoordinates) {}
}

export class LogCoordinates implements BinlogCoordinates {
  constructor(
    readonly file: string,
    readonly position: number,
    readonly gtidSet: string,
    readonly serverUuid: string,
  ) {}
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
  skipped(transaction: ParsedGtid, fromFile: string, fromPosition: number): boolean;
  put(item: AssembledItem, bytes: number): void;
  /** Resolves when more can be taken. */
  room(): Promise<void>;
}
