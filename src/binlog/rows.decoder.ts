import type { BinlogValues, RowChange } from './binlog.types.js';
import { LogBytes } from './log.bytes.js';
import type { TableDescription } from './table.description.js';

export type RowsKind = 'insert' | 'update' | 'delete';

/** The image is not complete: `binlog_row_image` is not FULL in the session that wrote it. */
export class PartialImage extends Error {}

/**
 * Decodes the body of a rows event after its table id and flags. Throws `PartialImage` when columns are missing, and
 * `RangeError` when the bytes do not fit the table.
 */
export function decodeRows(table: TableDescription, kind: RowsKind, hasExtra: boolean, body: LogBytes): RowChange[] {
  // The length of the extra data counts its own two bytes.
  if (hasExtra) body.skip(body.u16() - 2);
  const count = body.lengthCoded();
  if (count !== table.readers.length)
    throw new RangeError(`${count} columns in the row, ${table.readers.length} in the table`);
  requireFull(body, count);
  if (kind === 'update') requireFull(body, count);
  const changes: RowChange[] = [];
  while (body.left > 0) {
    if (kind === 'insert') changes.push({ before: null, after: readRow(table, body) });
    else if (kind === 'delete') changes.push({ before: readRow(table, body), after: null });
    else changes.push({ before: readRow(table, body), after: readRow(table, body) });
  }
  return changes;
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

function readRow({ columns, readers }: TableDescription, body: LogBytes): BinlogValues {
  const count = readers.length;
  const nulls = body.skip((count + 7) >> 3);
  const { buffer } = body;
  const row: Record<string, unknown> = {};
  for (let at = 0; at < count; at += 1) {
    const isNull = (buffer[nulls + (at >> 3)]! & (1 << (at & 7))) !== 0;
    row[columns[at]!.name] = isNull ? null : readers[at]!(body);
  }
  return row;
}
