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
const LITERALS = ['null', 'true', 'false'];
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
    this.#made ??= this.bytes.length === 0 ? 'null' : valueText(this.bytes, this.bytes[0]!, 1, 0);
    return this.#made;
  }

  toJSON(): unknown {
    return JSON.parse(this.toString());
  }
}

function valueText(bytes: Buffer, kind: number, at: number, depth: number): string {
  if (depth > MAX_DEPTH) throw new RangeError('JSON is nested too deeply');
  switch (kind as Kind) {
    case Kind.SmallObject:
    case Kind.LargeObject:
      return objectText(bytes, at, kind === 1 ? 4 : 2, depth);
    case Kind.SmallArray:
    case Kind.LargeArray:
      return arrayText(bytes, at, kind === 3 ? 4 : 2, depth);
    case Kind.Literal:
      return literal(bytes[at]!);
    case Kind.Int16:
      return String(bytes.readInt16LE(at));
    case Kind.Uint16:
      return String(bytes.readUInt16LE(at));
    case Kind.Int32:
      return String(bytes.readInt32LE(at));
    case Kind.Uint32:
      return String(bytes.readUInt32LE(at));
    case Kind.Int64:
      return String(bytes.readBigInt64LE(at));
    case Kind.Uint64:
      return String(bytes.readBigUInt64LE(at));
    case Kind.Double:
      return jsonDoubleText(bytes.readDoubleLE(at));
    case Kind.String: {
      const { length, start } = variableLength(bytes, at);
      return JSON.stringify(bytes.toString('utf8', start, start + length));
    }
    case Kind.Opaque:
      return opaqueText(bytes, at);
    default:
      throw new RangeError(`${kind} is no kind of JSON value`);
  }
}

function literal(code: number): string {
  const text = LITERALS[code];
  if (text === undefined) throw new RangeError(`${code} is no JSON literal`);
  return text;
}

/** Header of an object or array: number of members, size in bytes, then the entries. */
function objectText(bytes: Buffer, at: number, width: number, depth: number): string {
  const count = uint(bytes, at, width);
  const keys = at + 2 * width;
  const values = keys + count * (width + 2);
  let text = '{';
  for (let index = 0; index < count; index += 1) {
    const entry = keys + index * (width + 2);
    const start = at + uint(bytes, entry, width);
    const key = bytes.toString('utf8', start, start + bytes.readUInt16LE(entry + width));
    const value = entryText(bytes, at, values + index * (width + 1), width, depth);
    text += `${index === 0 ? '' : ', '}${quotedKey(key)}: ${value}`;
  }
  return `${text}}`;
}

function arrayText(bytes: Buffer, at: number, width: number, depth: number): string {
  const count = uint(bytes, at, width);
  const values = at + 2 * width;
  let text = '[';
  for (let index = 0; index < count; index += 1) {
    if (index > 0) text += ', ';
    text += entryText(bytes, at, values + index * (width + 1), width, depth);
  }
  return `${text}]`;
}

function uint(bytes: Buffer, at: number, width: number): number {
  return width === 2 ? bytes.readUInt16LE(at) : bytes.readUInt32LE(at);
}

/** Every row of a table has the same keys. */
const QUOTED = new Map<string, string>();
const MAX_QUOTED = 1_000;
const MAX_QUOTED_LENGTH = 64;

function quotedKey(key: string): string {
  const known = QUOTED.get(key);
  if (known !== undefined) return known;
  const text = JSON.stringify(key);
  if (QUOTED.size < MAX_QUOTED && key.length <= MAX_QUOTED_LENGTH) QUOTED.set(key, text);
  return text;
}

/** Small values stand in the entry itself, others where it points to. */
function entryText(bytes: Buffer, parent: number, entry: number, width: number, depth: number): string {
  const kind = bytes[entry]!;
  const inline =
    (kind >= Kind.Literal && kind <= Kind.Uint16) || (width === 4 && (kind === Kind.Int32 || kind === Kind.Uint32));
  return valueText(bytes, kind, inline ? entry + 1 : parent + uint(bytes, entry + 1, width), depth + 1);
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
