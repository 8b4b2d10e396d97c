import type { BinlogValues } from './binlog.types.js';
import { LogBytes } from './log.bytes.js';
import type { TableDescription } from './table.description.js';

const NOTHING = Buffer.alloc(0);
/** Below, comparing byte by byte is quicker than a call of the runtime. */
const SHORT = 48;

/**
 * One row in the log's own bytes: where each of its columns stands. Values are only made when they are asked for. One view is
 * used for many rows, so nothing of it may be kept.
 */
export class RowView {
  /** Where a column's bytes begin, its length included; -1: it is NULL. */
  private starts = new Int32Array(0);
  /** Where its value begins. */
  private values = new Int32Array(0);
  private ends = new Int32Array(0);
  private table: TableDescription | null = null;
  /** Its own place in them: two views are read in turns. */
  private readonly bytes = new LogBytes(NOTHING, 0, 0);

  /** Makes it a view of rows of these bytes. */
  of(table: TableDescription, body: LogBytes): void {
    this.table = table;
    this.bytes.of(body.buffer, body.at, body.end);
    const count = table.readers.length;
    if (this.starts.length >= count) return;
    this.starts = new Int32Array(count);
    this.values = new Int32Array(count);
    this.ends = new Int32Array(count);
  }

  /** Finds the columns of the row that begins here; where the next one begins. Throws `RangeError` when it is cut short. */
  find(at: number): number {
    const { starts, values, ends } = this;
    const { buffer, end } = this.bytes;
    const { sizes } = this.table!;
    const count = sizes.length;
    const nulls = at;
    let next = at + ((count + 7) >> 3);
    for (let column = 0; column < count && next <= end; column += 1) {
      if ((buffer[nulls + (column >> 3)]! & (1 << (column & 7))) !== 0) {
        starts[column] = -1;
        continue;
      }
      starts[column] = next;
      const size = sizes[column]!;
      if (size >= 0) {
        values[column] = next;
        next += size;
      } else {
        let length = 0;
        for (let byte = -1; byte >= size; byte -= 1) length += buffer[next - byte - 1]! * 2 ** (-8 * (byte + 1));
        values[column] = next - size;
        next += length - size;
      }
      ends[column] = next;
    }
    if (!(next <= end)) throw new RangeError(`a row ends ${next - end} bytes behind the end of its event`);
    return next;
  }

  get buffer(): Buffer {
    return this.bytes.buffer;
  }

  isNull(column: number): boolean {
    return this.starts[column]! < 0;
  }

  /** Where the value's bytes begin. Not of a NULL. */
  startOf(column: number): number {
    return this.values[column]!;
  }

  endOf(column: number): number {
    return this.ends[column]!;
  }

  /** As `BinlogValues` has it; null is NULL. */
  value(column: number): unknown {
    const start = this.starts[column]!;
    if (start < 0) return null;
    this.bytes.at = start;
    return this.table!.readers[column]!(this.bytes);
  }

  /** All of them, by name. */
  all(): BinlogValues {
    const { columns } = this.table!;
    const values: Record<string, unknown> = {};
    for (let column = 0; column < columns.length; column += 1) values[columns[column]!.name] = this.value(column);
    return values;
  }

  /** Whether these columns are the same in a row of the same table, byte by byte. */
  equals(other: RowView, columns: readonly number[]): boolean {
    for (const column of columns) {
      const [start, theirs] = [this.starts[column]!, other.starts[column]!];
      if (start < 0 || theirs < 0) {
        if (start !== theirs) return false;
        continue;
      }
      const length = this.ends[column]! - start;
      if (length !== other.ends[column]! - theirs) return false;
      if (length > SHORT) {
        if (this.buffer.compare(other.buffer, theirs, theirs + length, start, start + length) !== 0) return false;
        continue;
      }
      for (let at = 0; at < length; at += 1) {
        if (this.buffer[start + at] !== other.buffer[theirs + at]) return false;
      }
    }
    return true;
  }
}
