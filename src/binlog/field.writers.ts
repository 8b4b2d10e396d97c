import type { BoundColumn, EntityBinding } from '../entity/entity.binding.js';
import { stringifyMember } from '../mysql/json.codec.js';
import type { ToText } from './image.decoder.js';
import { writeJson } from './json.text.js';
import type { LineWriter } from './line.writer.js';
import { isRangeError } from './log.bytes.js';
import { writeDecimal } from './number.text.js';
import type { RowView } from './row.view.js';
import { writeDate, writeDateTime } from './temporal.writer.js';
import type { TableDescription } from './table.description.js';

/** Writes the JSON of one column's value. False: the log does not tell it exactly. */
export type WriteField = (out: LineWriter, row: RowView) => boolean;

/** What is needed to write a column's value. */
export interface FieldSource {
  readonly binding: EntityBinding;
  readonly column: BoundColumn;
  /** Its place in the log's rows, and how those are described. */
  readonly at: number;
  readonly description: TableDescription;
  readonly toText: ToText;
  /** The document has the entity's value, not the column's. */
  readonly throughEntity: boolean;
  /** The member's name. */
  readonly name: string;
}

const NULL = Buffer.from('null');
const QUOTE = 0x22;
/** Texts of ENUM members that are kept as JSON. */
const MAX_MEMBERS = 1_000;

/**
 * How a column's value is written. The commonest types are written from their bytes; all give, byte by byte, what
 * `stringifyMember` makes of the value in the document.
 */
export function fieldWriter(source: FieldSource): WriteField {
  const quick = source.throughEntity ? null : quickWriter(source);
  if (!quick) return throughText(source);
  const { at } = source;
  return (out, row) => {
    if (!row.isNull(at)) return quick(out, row);
    out.bytes(NULL);
    return true;
  };
}

/** By way of the very functions that the library's own documents are made with. */
function throughText({ binding, column, at, toText, throughEntity, name }: FieldSource): WriteField {
  return (out, row) => {
    const value = row.value(at);
    const text = value === null ? null : toText(value);
    if (text === null && value !== null) return false;
    const image = { [column.name]: text };
    const made = throughEntity ? binding.entityValue(column, image) : binding.documentValue(column, image);
    const json = stringifyMember(made, name);
    // Left out: its label must go too, which only the whole document can do.
    if (json === undefined) return false;
    out.text(json);
    return true;
  };
}

function quickWriter({ binding, column, at, description, toText }: FieldSource): WriteField | null {
  const { dataType } = column.codec;
  const isUtc = binding.driverSettings.timezone === 'Z';
  const decimals = description.columns[at]!.decimals ?? 0;
  switch (dataType) {
    case 'tinyint':
    case 'smallint':
    case 'mediumint':
    case 'int':
    case 'year':
      return (out, row) => {
        out.integer(row.value(at) as number);
        return true;
      };
    case 'decimal': {
      const { size } = description.layouts[at]!;
      return (out, row) => {
        out.byte(QUOTE);
        writeDecimal(out, row.buffer, row.startOf(at), size, decimals);
        out.byte(QUOTE);
        return true;
      };
    }
    case 'bigint':
      return (out, row) => {
        out.byte(QUOTE);
        const value = row.value(at) as number | string;
        if (typeof value === 'number') out.integer(value);
        else out.text(value);
        out.byte(QUOTE);
        return true;
      };
    case 'json':
      return (out, row) => {
        try {
          writeJson(out, row.buffer, row.startOf(at), row.endOf(at));
          return true;
        } catch (error) {
          if (isRangeError(error)) return false;
          throw error;
        }
      };
    case 'date':
      return (out, row) => writeDate(out, row.buffer, row.startOf(at));
    case 'datetime':
      return isUtc ? (out, row) => writeDateTime(out, row.buffer, row.startOf(at), decimals) : null;
    case 'enum':
      return memberWriter(at, toText);
    case 'char':
    case 'varchar':
    case 'tinytext':
    case 'text':
    case 'mediumtext':
    case 'longtext':
      if (!description.utf8[at]) return null;
      return (out, row) => {
        out.quoted(row.buffer, row.startOf(at), row.endOf(at));
        return true;
      };
    default:
      return null;
  }
}

function memberWriter(at: number, toText: ToText): WriteField {
  const known = new Map<unknown, Buffer>();
  return (out, row) => {
    const value = row.value(at);
    let json = known.get(value);
    if (!json) {
      const text = toText(value);
      if (text === null) return false;
      json = Buffer.from(JSON.stringify(text));
      if (known.size < MAX_MEMBERS) known.set(value, json);
    }
    out.bytes(json);
    return true;
  };
}
