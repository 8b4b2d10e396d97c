import { BINARY_COLLATION, isUtf8, textDecoder } from './charset.text.js';
import { BinaryJson } from './json.text.js';
import type { LogBytes } from './log.bytes.js';
import { decimalSize, decimalText } from './number.text.js';
import { dateText, dateTimeText, epochText, fractionBytes, timeText } from './temporal.text.js';

/** MySQL's type codes as they are in the log. The old temporal types are not among them: no table of 8.0 has them. */
export const enum Type {
  Tiny = 1,
  Short = 2,
  Long = 3,
  Float = 4,
  Double = 5,
  LongLong = 8,
  Int24 = 9,
  Date = 10,
  Year = 13,
  VarChar = 15,
  Bit = 16,
  Timestamp2 = 17,
  DateTime2 = 18,
  Time2 = 19,
  Vector = 242,
  Json = 245,
  Decimal = 246,
  Enum = 247,
  Set = 248,
  Blob = 252,
  VarString = 253,
  String = 254,
  Geometry = 255,
}

export interface ColumnLayout {
  type: number;
  /** Bytes of the value, of its length, or of the column: by type. For DECIMAL the precision. */
  size: number;
  /** Digits after the second or after the decimal point. */
  decimals: number | null;
  unsigned: boolean;
  collation: number | null;
  /** Of ENUM and SET, in the column's own character set. */
  members: Buffer[];
  /** Kind of geometry. */
  shape: number;
}

/** Reads one value that is not NULL. What it makes of each type stands at `BinlogValues`. */
export type ReadValue = (row: LogBytes) => unknown;

export const isBlob = (type: number): boolean => type === Type.Blob || (type >= 249 && type <= 251);

/** The function that reads a column, or null for a type that is not known. */
export function columnReader(layout: ColumnLayout): ReadValue | null {
  const { type, size, decimals, unsigned } = layout;
  if (isBlob(type)) return stringReader(layout, size);
  switch (type as Type) {
    case Type.Tiny:
      return unsigned ? (row) => row.u8() : (row) => row.buffer.readInt8(row.skip(1));
    case Type.Short:
      return unsigned ? (row) => row.u16() : (row) => row.buffer.readInt16LE(row.skip(2));
    case Type.Int24:
      return unsigned ? (row) => row.u24() : (row) => row.buffer.readIntLE(row.skip(3), 3);
    case Type.Long:
      return unsigned ? (row) => row.u32() : (row) => row.buffer.readInt32LE(row.skip(4));
    case Type.LongLong:
      return unsigned ? readUnsigned64 : readSigned64;
    case Type.Float:
      return (row) => row.buffer.readFloatLE(row.skip(4));
    case Type.Double:
      return (row) => row.buffer.readDoubleLE(row.skip(8));
    case Type.Decimal: {
      const bytes = decimalSize(size, decimals!);
      return (row) => decimalText(row.buffer, row.skip(bytes), size, decimals!);
    }
    case Type.Year:
      return (row) => {
        const year = row.u8();
        return year === 0 ? 0 : 1900 + year;
      };
    case Type.Date:
      return (row) => dateText(row.u24());
    case Type.Time2:
      return (row) => timeText(row.buffer, row.skip(3 + fractionBytes(decimals!)), decimals!);
    case Type.DateTime2:
      return (row) => dateTimeText(row.buffer, row.skip(5 + fractionBytes(decimals!)), decimals!);
    case Type.Timestamp2:
      return (row) => epochText(row.buffer, row.skip(4 + fractionBytes(decimals!)), decimals!);
    case Type.Bit:
      return (row) => bitText(row, size);
    case Type.VarChar:
    case Type.VarString:
      return stringReader(layout, size > 255 ? 2 : 1);
    case Type.String:
      return layout.collation === BINARY_COLLATION ? paddedReader(size) : stringReader(layout, size > 255 ? 2 : 1);
    case Type.Enum:
      return enumReader(layout);
    case Type.Set:
      return setReader(layout);
    case Type.Json:
      return (row) => new BinaryJson(row.bytes(row.uint(size)));
    case Type.Geometry:
    case Type.Vector:
      return (row) => row.bytes(row.uint(size));
    default:
      return null;
  }
}

/** How many bytes a column's value has; where that is in the value itself, how many bytes tell it, as a negative number. */
export function columnBytes({ type, size, decimals }: ColumnLayout): number {
  if (isBlob(type)) return -size;
  switch (type as Type) {
    case Type.Tiny:
    case Type.Year:
      return 1;
    case Type.Short:
      return 2;
    case Type.Int24:
    case Type.Date:
      return 3;
    case Type.Long:
    case Type.Float:
      return 4;
    case Type.LongLong:
    case Type.Double:
      return 8;
    case Type.Decimal:
      return decimalSize(size, decimals!);
    case Type.Time2:
      return 3 + fractionBytes(decimals!);
    case Type.DateTime2:
      return 5 + fractionBytes(decimals!);
    case Type.Timestamp2:
      return 4 + fractionBytes(decimals!);
    case Type.VarChar:
    case Type.VarString:
    case Type.String:
      return size > 255 ? -2 : -1;
    case Type.Json:
    case Type.Geometry:
    case Type.Vector:
      return -size;
    default:
      return size;
  }
}

/** Whether a column's bytes are text in UTF-8. */
export function isUtf8Text({ type, collation }: ColumnLayout): boolean {
  const text = isBlob(type) || type === Type.VarChar || type === Type.VarString || type === Type.String;
  return text && collation !== null && collation !== BINARY_COLLATION && isUtf8(collation);
}

const HALF = 2 ** 32;

function readSigned64(row: LogBytes): number | string {
  const at = row.skip(8);
  const value = row.buffer.readInt32LE(at + 4) * HALF + row.buffer.readUInt32LE(at);
  return Number.isSafeInteger(value) ? value : String(row.buffer.readBigInt64LE(at));
}

function readUnsigned64(row: LogBytes): number | string {
  const at = row.skip(8);
  const value = row.buffer.readUInt32LE(at + 4) * HALF + row.buffer.readUInt32LE(at);
  return Number.isSafeInteger(value) ? value : String(row.buffer.readBigUInt64LE(at));
}

function bitText(row: LogBytes, size: number): string {
  const at = row.skip(size);
  if (size <= 6) return String(row.buffer.readUIntBE(at, size));
  let value = 0n;
  for (let index = 0; index < size; index += 1) value = value * 256n + BigInt(row.buffer[at + index]!);
  return String(value);
}

function stringReader({ collation }: ColumnLayout, lengthBytes: number): ReadValue {
  if (collation === BINARY_COLLATION) return (row) => row.bytes(row.uint(lengthBytes));
  const decode = textDecoder(collation ?? 0);
  return (row) => {
    const length = row.uint(lengthBytes);
    const start = row.skip(length);
    return decode(row.buffer, start, start + length);
  };
}

/** The log leaves a BINARY(n)'s zeros at the end out. */
function paddedReader(size: number): ReadValue {
  const lengthBytes = size > 255 ? 2 : 1;
  return (row) => {
    const value = row.bytes(row.uint(lengthBytes));
    return value.length === size ? value : Buffer.concat([value], size);
  };
}

function memberTexts({ members, collation }: ColumnLayout): unknown[] {
  const decode = textDecoder(collation ?? 0);
  return members.map((member) => decode(member, 0, member.length));
}

/** Index 0 is the error value, which MySQL prints as an empty text. */
function enumReader(layout: ColumnLayout): ReadValue {
  const texts = ['', ...memberTexts(layout)];
  return (row) => {
    const index = row.uint(layout.size);
    const text = texts[index];
    if (text === undefined) throw new RangeError(`an ENUM has no member ${index}`);
    return text;
  };
}

function setReader(layout: ColumnLayout): ReadValue {
  const texts = memberTexts(layout);
  return (row) => {
    let chosen = '';
    let undecoded: unknown;
    for (let byte = 0; byte < layout.size; byte += 1) {
      const bits = row.u8();
      for (let bit = 0; bit < 8; bit += 1) {
        if ((bits & (1 << bit)) === 0) continue;
        const text = texts[byte * 8 + bit];
        // As MySQL does it: no comma after an empty member that comes first.
        if (typeof text === 'string') chosen += chosen === '' ? text : `,${text}`;
        else undecoded = text ?? new RangeError(`a SET has no member ${byte * 8 + bit}`);
      }
    }
    if (undecoded instanceof RangeError) throw undecoded;
    return undecoded ?? chosen;
  };
}
