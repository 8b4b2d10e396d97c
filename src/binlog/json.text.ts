import { type LineWriter, textOf } from './line.writer.js';
import { decimalText, jsonDoubleText } from './number.text.js';
import { packedText } from './temporal.text.js';

const enum Kind {
  SmallObject = 0,
  LargeObject = 1,
  SmallArray = 2,
  LargeArray = 3,
  Literal = 4,
  Int16 = 5,
  Uint16 = 6,
  Int32 = 7,
  Uint32 = 8,
  Int64 = 9,
  Uint64 = 10,
  Double = 11,
  String = 12,
  Opaque = 15,
}
const NULL = Buffer.from('null');
const LITERALS = [NULL, Buffer.from('true'), Buffer.from('false')];
const COMMA = Buffer.from(', ');
const COLON = Buffer.from(': ');
const BRACE = 0x7b;
const BRACE_END = 0x7d;
const BRACKET = 0x5b;
const BRACKET_END = 0x5d;
/** Column types that a JSON value can carry inside. */
const DECIMAL = 246;
const DATE = 10;
const TIME = 11;
const TEMPORAL = new Set([7, 12, 17, 18]);
/** MySQL itself stops at 100. */
const MAX_DEPTH = 200;

/**
 * A JSON column's value as the log has it: MySQL's binary JSON. Its text is made when it is asked for: most images are
 * never looked into.
 */
export class BinaryJson {
  /** Hidden, so that two values with the same bytes are deeply equal. */
  #made: string | undefined;

  constructor(readonly bytes: Buffer) {}

  /** The very text that MySQL prints: order of keys, spaces, digits of numbers. Throws `RangeError` on broken bytes. */
  toString(): string {
    this.#made ??= textOf((out) => writeJson(out, this.bytes, 0, this.bytes.length));
    return this.#made;
  }

  toJSON(): unknown {
    return JSON.parse(this.toString());
  }
}

/**
 * Writes a value of MySQL's binary JSON, which stands there, as the very text that MySQL prints. Throws `RangeError` on broken bytes: what
 * was written by then is of no use.
 */
export function writeJson(out: LineWriter, bytes: Buffer, start: number, end: number): void {
  if (start === end) out.bytes(NULL);
  else writeValue(out, { bytes, end }, bytes[start]!, start + 1, 0);
}

/** Where the bytes of the whole value end. */
interface Source {
  readonly bytes: Buffer;
  readonly end: number;
}

function writeValue(out: LineWriter, source: Source, kind: number, at: number, depth: number): void {
  if (depth > MAX_DEPTH) throw new RangeError('JSON is nested too deeply');
  const { bytes } = source;
  switch (kind as Kind) {
    case Kind.SmallObject:
    case Kind.LargeObject:
      return writeObject(out, source, at, kind === 1 ? 4 : 2, depth);
    case Kind.SmallArray:
    case Kind.LargeArray:
      return writeArray(out, source, at, kind === 3 ? 4 : 2, depth);
    case Kind.Literal:
      return out.bytes(literal(bytes[at]!));
    case Kind.Int16:
      return out.integer(bytes.readInt16LE(at));
    case Kind.Uint16:
      return out.integer(bytes.readUInt16LE(at));
    case Kind.Int32:
      return out.integer(bytes.readInt32LE(at));
    case Kind.Uint32:
      return out.integer(bytes.readUInt32LE(at));
    case Kind.Int64:
      return out.text(String(bytes.readBigInt64LE(at)));
    case Kind.Uint64:
      return out.text(String(bytes.readBigUInt64LE(at)));
    case Kind.Double:
      return out.text(jsonDoubleText(bytes.readDoubleLE(at)));
    case Kind.String: {
      const { length, start } = variableLength(bytes, at);
      return writeString(out, source, start, length);
    }
    case Kind.Opaque:
      return out.text(opaqueText(bytes, at));
    default:
      throw new RangeError(`${kind} is no kind of JSON value`);
  }
}

function writeString(out: LineWriter, { bytes, end }: Source, start: number, length: number): void {
  if (start + length > end) throw new RangeError('a text in JSON ends behind its value');
  out.quoted(bytes, start, start + length);
}

function literal(code: number): Buffer {
  const text = LITERALS[code];
  if (text === undefined) throw new RangeError(`${code} is no JSON literal`);
  return text;
}

/** Header of an object or array: number of members, size in bytes, then the entries. */
function writeObject(out: LineWriter, source: Source, at: number, width: number, depth: number): void {
  const { bytes } = source;
  const count = uint(bytes, at, width);
  const keys = at + 2 * width;
  const values = keys + count * (width + 2);
  out.byte(BRACE);
  for (let index = 0; index < count; index += 1) {
    if (index > 0) out.bytes(COMMA);
    const entry = keys + index * (width + 2);
    writeString(out, source, at + uint(bytes, entry, width), bytes.readUInt16LE(entry + width));
    out.bytes(COLON);
    writeEntry(out, source, at, values + index * (width + 1), width, depth);
  }
  out.byte(BRACE_END);
}

function writeArray(out: LineWriter, source: Source, at: number, width: number, depth: number): void {
  const count = uint(source.bytes, at, width);
  const values = at + 2 * width;
  out.byte(BRACKET);
  for (let index = 0; index < count; index += 1) {
    if (index > 0) out.bytes(COMMA);
    writeEntry(out, source, at, values + index * (width + 1), width, depth);
  }
  out.byte(BRACKET_END);
}

function uint(bytes: Buffer, at: number, width: number): number {
  return width === 2 ? bytes.readUInt16LE(at) : bytes.readUInt32LE(at);
}

/** Small values stand in the entry itself, others where it points to. */
function writeEntry(
  out: LineWriter,
  source: Source,
  parent: number,
  entry: number,
  width: number,
  depth: number,
): void {
  const kind = source.bytes[entry]!;
  const inline =
    (kind >= Kind.Literal && kind <= Kind.Uint16) || (width === 4 && (kind === Kind.Int32 || kind === Kind.Uint32));
  writeValue(out, source, kind, inline ? entry + 1 : parent + uint(source.bytes, entry + 1, width), depth + 1);
}

/** Seven bits a byte, the lowest first. */
function variableLength(bytes: Buffer, at: number): { length: number; start: number } {
  let length = 0;
  for (let index = 0; index < 5; index += 1) {
    const byte = bytes[at + index]!;
    length += (byte & 0x7f) * 2 ** (7 * index);
    if ((byte & 0x80) === 0) return { length, start: at + index + 1 };
  }
  throw new RangeError('a length in JSON has no end');
}

function opaqueText(bytes: Buffer, at: number): string {
  const type = bytes[at]!;
  const { length, start } = variableLength(bytes, at + 1);
  if (type === DECIMAL) return decimalText(bytes, start + 2, bytes[start]!, bytes[start + 1]!);
  if (type === DATE) return `"${packedText(bytes.readBigInt64LE(start), 'date')}"`;
  if (type === TIME) return `"${packedText(bytes.readBigInt64LE(start), 'time')}"`;
  if (TEMPORAL.has(type)) return `"${packedText(bytes.readBigInt64LE(start), 'datetime')}"`;
  return JSON.stringify(`base64:type${type}:${mysqlBase64(bytes.subarray(start, start + length))}`);
}

const BASE64_LINE = 76;

/** MySQL's TO_BASE64: a line break after each 76 characters. */
export function mysqlBase64(bytes: Buffer): string {
  const text = bytes.toString('base64');
  if (text.length <= BASE64_LINE) return text;
  let lines = text.slice(0, BASE64_LINE);
  for (let at = BASE64_LINE; at < text.length; at += BASE64_LINE) lines += `\n${text.slice(at, at + BASE64_LINE)}`;
  return lines;
}
