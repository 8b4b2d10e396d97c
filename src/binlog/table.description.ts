import type { BinlogColumn } from './binlog.types.js';
import { BINARY_COLLATION } from './charset.text.js';
import { LogBytes } from './log.bytes.js';
import {
  columnBytes,
  columnReader,
  isBlob,
  isUtf8Text,
  Type,
  type ColumnLayout,
  type ReadValue,
} from './value.reader.js';

/** A table as a TABLE_MAP event describes it, with the functions that read its rows. Made once, used by many events. */
export interface TableDescription {
  readonly schema: string;
  readonly table: string;
  readonly columns: readonly BinlogColumn[];
  readonly readers: readonly ReadValue[];
  /** How each is stored. */
  readonly layouts: readonly ColumnLayout[];
  /** `columnBytes` of each. */
  readonly sizes: readonly number[];
  /** Which of them are text in UTF-8. */
  readonly utf8: readonly boolean[];
  /** Why rows of this table cannot be read; null when they can. */
  readonly problem: string | null;
}

/** The fields after the column types that `binlog_row_metadata` asks for. */
const enum Field {
  Signedness = 1,
  DefaultCharset = 2,
  ColumnCharset = 3,
  ColumnName = 4,
  SetValues = 5,
  EnumValues = 6,
  GeometryType = 7,
  EnumSetDefaultCharset = 10,
  EnumSetColumnCharset = 11,
}

const NUMERIC = new Set<number>([1, 2, 3, 4, 5, 8, 9, 13, 246]);
/** VECTOR is listed among them with the binary collation. */
const CHARACTER = new Set<number>([Type.VarChar, Type.VarString, Type.String, Type.Blob, Type.Vector, 249, 250, 251]);
const SPATIAL = [
  'GEOMETRY',
  'POINT',
  'LINESTRING',
  'POLYGON',
  'MULTIPOINT',
  'MULTILINESTRING',
  'MULTIPOLYGON',
  'GEOMCOLLECTION',
];
const NO_METADATA =
  "the table's events carry no column names; run SET PERSIST binlog_row_metadata = 'FULL' on the MySQL server";

/** Only the names: enough to decide whether the rest is wanted. */
export function tableNameOf(body: LogBytes): { schema: string; table: string } {
  const schema = body.text(body.u8());
  body.skip(1);
  const table = body.text(body.u8());
  body.skip(1);
  return { schema, table };
}

/** Reads a TABLE_MAP event's body after its names. Throws `RangeError` when it is cut short. */
export function describeTable(schema: string, table: string, body: LogBytes): TableDescription {
  const count = body.lengthCoded();
  const types = Array.from(body.bytes(count));
  const metadataLength = body.lengthCoded();
  const metadata = new LogBytes(body.buffer, body.at, body.at + metadataLength);
  body.skip(metadataLength);
  const layouts = types.map((type) => layoutOf(type, metadata));
  body.skip((count + 7) >> 3); // which columns may be NULL
  const names = readFields(body, layouts);
  if (names.length !== count)
    return { schema, table, columns: [], readers: [], layouts: [], sizes: [], utf8: [], problem: NO_METADATA };
  const readers = layouts.map(columnReader);
  const unknown = readers.findIndex((reader) => reader === null);
  return {
    schema,
    table,
    columns: layouts.map((layout, at) => ({
      name: names[at]!,
      type: typeName(layout),
      unsigned: layout.unsigned,
      decimals: layout.decimals,
    })),
    readers: readers.map((reader) => reader ?? (() => null)),
    layouts,
    sizes: layouts.map(columnBytes),
    utf8: layouts.map(isUtf8Text),
    problem: unknown < 0 ? null : `column ${names[unknown]} is of type ${layouts[unknown]!.type}, which is not known`,
  };
}

function layoutOf(type: number, metadata: LogBytes): ColumnLayout {
  const layout: ColumnLayout = {
    type,
    size: 0,
    decimals: null,
    unsigned: false,
    collation: null,
    members: [],
    shape: 0,
  };
  switch (type as Type) {
    case Type.Float:
    case Type.Double:
    case Type.Blob:
    case Type.Geometry:
    case Type.Json:
    case Type.Vector:
      layout.size = metadata.u8();
      break;
    case Type.Timestamp2:
    case Type.DateTime2:
    case Type.Time2:
      layout.decimals = metadata.u8();
      break;
    case Type.VarChar:
      layout.size = metadata.u16();
      break;
    case Type.Bit: {
      const bits = metadata.u8();
      layout.size = metadata.u8() + (bits > 0 ? 1 : 0);
      break;
    }
    case Type.Decimal:
      layout.size = metadata.u8();
      layout.decimals = metadata.u8();
      break;
    case Type.String:
    case Type.VarString: {
      const high = metadata.u8();
      const low = metadata.u8();
      if (high === Type.Enum || high === Type.Set) {
        layout.type = high;
        layout.size = low;
      } else {
        // Two bits of a long CHAR's width are hidden, turned round, in the type.
        layout.size = (((high << 4) & 0x300) ^ 0x300) + low;
      }
      break;
    }
    default:
      break;
  }
  return layout;
}

/** Fills signedness, collations and members into the layouts; the columns' names, empty where the event has none. */
function readFields(body: LogBytes, layouts: ColumnLayout[]): string[] {
  const of = (test: (type: number) => boolean): ColumnLayout[] => layouts.filter(({ type }) => test(type));
  const characters = of((type) => CHARACTER.has(type));
  const choices = of((type) => type === Type.Enum || type === Type.Set);
  let names: string[] = [];
  while (body.left > 0) {
    const field = body.u8();
    const length = body.lengthCoded();
    const value = new LogBytes(body.buffer, body.at, body.at + length);
    body.skip(length);
    switch (field as Field) {
      case Field.Signedness:
        of((type) => NUMERIC.has(type)).forEach((layout, at) => {
          layout.unsigned = (value.buffer[value.at + (at >> 3)]! & (0x80 >> (at & 7))) !== 0;
        });
        break;
      case Field.DefaultCharset:
        defaultCollations(value, characters);
        break;
      case Field.EnumSetDefaultCharset:
        defaultCollations(value, choices);
        break;
      case Field.ColumnCharset:
        for (const layout of characters) layout.collation = value.lengthCoded();
        break;
      case Field.EnumSetColumnCharset:
        for (const layout of choices) layout.collation = value.lengthCoded();
        break;
      case Field.ColumnName:
        names = [];
        while (value.left > 0) names.push(value.text(value.lengthCoded()));
        break;
      case Field.SetValues:
        for (const layout of of((type) => type === Type.Set)) layout.members = membersOf(value);
        break;
      case Field.EnumValues:
        for (const layout of of((type) => type === Type.Enum)) layout.members = membersOf(value);
        break;
      case Field.GeometryType:
        for (const layout of of((type) => type === Type.Geometry)) layout.shape = value.lengthCoded();
        break;
      default:
        break;
    }
  }
  return names;
}

/** The collation of most, then pairs of index and collation for those that differ. */
function defaultCollations(value: LogBytes, layouts: ColumnLayout[]): void {
  const usual = value.lengthCoded();
  for (const layout of layouts) layout.collation = usual;
  while (value.left > 0) {
    const layout = layouts[value.lengthCoded()];
    const collation = value.lengthCoded();
    if (layout) layout.collation = collation;
  }
}

function membersOf(value: LogBytes): Buffer[] {
  return Array.from({ length: value.lengthCoded() }, () => value.bytes(value.lengthCoded()));
}

const NAMES: Readonly<Record<number, string>> = {
  [Type.Tiny]: 'TINYINT',
  [Type.Short]: 'SMALLINT',
  [Type.Long]: 'INT',
  [Type.Float]: 'FLOAT',
  [Type.Double]: 'DOUBLE',
  [Type.LongLong]: 'BIGINT',
  [Type.Int24]: 'MEDIUMINT',
  [Type.Date]: 'DATE',
  [Type.Year]: 'YEAR',
  [Type.Bit]: 'BIT',
  [Type.Timestamp2]: 'TIMESTAMP',
  [Type.DateTime2]: 'DATETIME',
  [Type.Time2]: 'TIME',
  [Type.Vector]: 'VECTOR',
  [Type.Json]: 'JSON',
  [Type.Decimal]: 'DECIMAL',
  [Type.Enum]: 'ENUM',
  [Type.Set]: 'SET',
};
const BLOBS = ['', 'TINY', '', 'MEDIUM', 'LONG'];

function typeName(layout: ColumnLayout): string {
  const binary = layout.collation === BINARY_COLLATION;
  if (isBlob(layout.type)) return `${BLOBS[layout.size] ?? ''}${binary ? 'BLOB' : 'TEXT'}`;
  if (layout.type === Type.VarChar || layout.type === Type.VarString) return binary ? 'VARBINARY' : 'VARCHAR';
  if (layout.type === Type.String) return binary ? 'BINARY' : 'CHAR';
  if (layout.type === Type.Geometry) return SPATIAL[layout.shape] ?? 'GEOMETRY';
  return NAMES[layout.type] ?? `UNKNOWN_${layout.type}`;
}
