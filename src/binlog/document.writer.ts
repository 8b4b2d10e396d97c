import { PUT_LINE } from '../elasticsearch/bulk.codec.js';
import { flatFields, markRestored, requireDocumentSize } from '../entity/document.builder.js';
import type { EntityBinding } from '../entity/entity.binding.js';
import { RESTORED_FIELD } from '../protocol/row.js';
import { fieldWriter, type WriteField } from './field.writers.js';
import type { ToText } from './image.decoder.js';
import type { LineWriter, WrittenLines } from './line.writer.js';
import type { RowView } from './row.view.js';
import type { TableDescription } from './table.description.js';

interface Field {
  /** With the comma before it. */
  readonly label: Buffer;
  readonly write: WriteField;
}

const [BEFORE_ID, BEFORE_VERSION, AFTER_VERSION] = PUT_LINE.map((part) => Buffer.from(part)) as [
  Buffer,
  Buffer,
  Buffer,
];
const MARKER = Buffer.from(`{"${RESTORED_FIELD}":`);
const END = Buffer.from('}\n');
const LINE_END = 0x0a;
/** No character of such an id needs to be escaped. */
const PLAIN_ID = /^[\w:.,~-]*$/;

/**
 * Writes the lines of an adopted row, straight from its bytes in the log: the same bytes that `documentTextOf`,
 * `markRestored` and `encodeItem` make, without the texts in between. For entities whose document is made of columns one by one.
 */
export class DocumentWriter {
  private constructor(
    private readonly binding: EntityBinding,
    private readonly fields: readonly Field[],
    private readonly out: LineWriter,
  ) {}

  /** Null where documents of this entity, or of rows that are described so, are not made of columns one by one. */
  static of(
    binding: EntityBinding,
    description: TableDescription,
    textsOf: (column: string) => ToText | null,
    out: LineWriter,
  ): DocumentWriter | null {
    const writers: Field[] = [];
    for (const { column, label, path, throughEntity } of flatFields(binding) ?? []) {
      const at = description.columns.findIndex(({ name }) => name === column.name);
      const toText = textsOf(column.name);
      if (at < 0 || !toText) return null;
      const write = fieldWriter({ binding, column, at, description, toText, throughEntity, name: path[0]! });
      writers.push({ label: Buffer.from(`,${label}`), write });
    }
    return writers.length === 0 ? null : new DocumentWriter(binding, writers, out);
  }

  /** The lines of a put of this row, marked, at this version; null where the log does not tell all of it exactly. */
  put(row: RowView, id: string, version: number): WrittenLines | null {
    const { out, fields } = this;
    beginPut(out, id, version);
    const before = out.length;
    out.bytes(MARKER);
    out.integer(version);
    for (let at = 0; at < fields.length; at += 1) {
      const { label, write } = fields[at]!;
      out.bytes(label);
      if (write(out, row)) continue;
      out.drop();
      return null;
    }
    out.bytes(END);
    requireDocumentSize(this.binding, out.length - before);
    return out.end();
  }
}

/** The lines of a put of a document that was made as a text. */
export function putOfText(out: LineWriter, text: string, id: string, version: number): WrittenLines {
  beginPut(out, id, version);
  out.text(markRestored(text, version));
  out.byte(LINE_END);
  return out.end();
}

function beginPut(out: LineWriter, id: string, version: number): void {
  out.drop();
  out.bytes(BEFORE_ID);
  out.text(PLAIN_ID.test(id) ? `"${id}"` : JSON.stringify(id));
  out.bytes(BEFORE_VERSION);
  out.integer(version);
  out.bytes(AFTER_VERSION);
}
