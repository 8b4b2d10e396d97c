import type { BinlogColumn, BinlogPosition, BinlogValues, RowChange } from './binlog.types.js';
import type { LogBytes } from './log.bytes.js';
import type { LogCopy } from './log.copies.js';
import { RowView } from './row.view.js';
import type { TableDescription } from './table.description.js';

export type RowsKind = 'insert' | 'update' | 'delete';

/** The image is not complete: `binlog_row_image` is not FULL in the session that wrote it. */
export class PartialImage extends Error {}

/** Used by whoever looks at rows without stopping in between. */
const SCANNER = new RowView();

/** Goes through the changes of one event. `before` and `after` are those of the change that `next` has moved to. */
export class RowCursor {
  before: RowView | null = null;
  after: RowView | null = null;
  private readonly first = new RowView();
  private readonly second = new RowView();
  private rows: LoggedRows | null = null;
  private at = 0;

  begin(rows: LoggedRows): void {
    this.rows = rows;
    this.at = rows.body.at;
    this.first.of(rows.description, rows.body);
    this.second.of(rows.description, rows.body);
    this.before = rows.change === 'insert' ? null : this.first;
    this.after = rows.change === 'delete' ? null : this.second;
  }

  /** False at the end. Throws `RangeError` when a row is cut short. */
  next(): boolean {
    if (this.at >= this.rows!.body.end) return false;
    if (this.before) this.at = this.before.find(this.at);
    if (this.after) this.at = this.after.find(this.at);
    return true;
  }
}

/** A rows event whose rows stay in the log's own bytes until somebody asks for them. */
export class LoggedRows {
  readonly kind = 'rows' as const;
  /** How many changes. */
  readonly count: number;
  private decoded: RowChange[] | null = null;
  private released = false;

  /**
   * `body`: what comes after the event's table id and flags. Throws `PartialImage` when columns are missing, and `RangeError` when
   * the bytes do not fit the table.
   */
  constructor(
    readonly description: TableDescription,
    readonly change: RowsKind,
    hasExtra: boolean,
    /** What foreign keys did beside these changes was left to InnoDB, and is not in the log. */
    readonly cascadesEscape: boolean,
    readonly body: LogCopy,
    readonly at: BinlogPosition,
  ) {
    // The length of the extra data counts its own two bytes.
    if (hasExtra) body.skip(body.u16() - 2);
    const count = body.lengthCoded();
    const expected = description.readers.length;
    if (count !== expected) throw new RangeError(`${count} columns in the row, ${expected} in the table`);
    requireFull(body, count);
    if (change === 'update') requireFull(body, count);
    this.count = this.counted();
  }

  get schema(): string {
    return this.description.schema;
  }

  get table(): string {
    return this.description.table;
  }

  get columns(): readonly BinlogColumn[] {
    return this.description.columns;
  }

  /** Size in the log: what the bounded queue counts. */
  get bytes(): number {
    return this.body.left;
  }

  /** Made at the first look. Throws `RangeError` for values that no such column can have. */
  get changes(): readonly RowChange[] {
    if (this.decoded) return this.decoded;
    // Other rows may stand there by now, and would look like these.
    if (this.released) throw new Error('rows of the log were looked at after their memory was given back');
    const cursor = new RowCursor();
    const changes: RowChange[] = [];
    const valuesOf = (view: RowView | null): BinlogValues | null => view && view.all();
    for (cursor.begin(this); cursor.next();)
      changes.push({ before: valuesOf(cursor.before), after: valuesOf(cursor.after) });
    return (this.decoded = changes);
  }

  /** Nobody looks at it any more, nor at bytes that its values hold. To be called once, if at all: it spares memory. */
  release(): void {
    this.released = true;
    this.body.release();
  }

  /** Goes through them once, so that whoever uses them later need not fear that they are cut short. */
  private counted(): number {
    SCANNER.of(this.description, this.body);
    let rows = 0;
    for (let { at } = this.body; at < this.body.end; rows += 1) at = SCANNER.find(at);
    if (this.change !== 'update') return rows;
    if (rows % 2 !== 0) throw new RangeError('a row before its change has none after it');
    return rows / 2;
  }
}

function requireFull(body: LogBytes, count: number): void {
  const start = body.skip((count + 7) >> 3);
  for (let column = 0; column < count; column += 1) {
    if ((body.buffer[start + (column >> 3)]! & (1 << (column & 7))) === 0) {
      throw new PartialImage(
        "an image lacks columns; run SET PERSIST binlog_row_image = 'FULL' on the MySQL server, and let no session set it otherwise",
      );
    }
  }
}
