import { driverDate, driverDateTime } from './temporal.codec.js';
import type { ColumnShape } from './table.introspection.js';

/** The connection options of TypeORM and mysql2 that decide what a column's value looks like in JavaScript. */
export interface DriverSettings {
  /** `local` (the default), `Z`, or an offset such as `+02:00`. */
  readonly timezone?: string;
  readonly dateStrings?: boolean | readonly string[];
  readonly supportBigNumbers?: boolean;
  readonly bigNumberStrings?: boolean;
  readonly decimalNumbers?: boolean;
  readonly jsonStrings?: boolean;
}

type Convert = (text: string, settings: DriverSettings) => unknown;

const MAX_FLOAT_DIGITS = 6;
/** Of `toFixed`: exact there, and a half of MySQL's at most 30 decimals ends long before. */
const MAX_DECIMALS = 100;

/** Turns the exact text of a column into what mysql2 hands to TypeORM for it in a SELECT. */
export function driverConversion(column: ColumnShape): Convert {
  switch (column.dataType) {
    case 'tinyint':
    case 'smallint':
    case 'mediumint':
    case 'int':
    case 'year':
      return Number;
    case 'bigint':
      return driverBigint;
    case 'decimal':
      return (text, settings) => (settings.decimalNumbers ? driverFloat(text) : text);
    case 'float':
    case 'double':
      return (text) => printedNumber(column, text);
    case 'date':
      return (text, settings) => (asString('DATE', settings) ? text : driverDate(text, settings.timezone));
    case 'datetime':
    case 'timestamp': {
      const name = column.dataType.toUpperCase();
      return (text, settings) => (asString(name, settings) ? text : driverDateTime(text, settings.timezone));
    }
    case 'bit':
      return (text) => bitBuffer(column, text);
    case 'json':
      return driverJson;
    case 'vector':
      return (text) => vectorOf(text);
    default:
      return isBinary(column.dataType) ? (text) => Buffer.from(text, 'base64') : isSpatial(column) ? wktOf : String;
  }
}

export function isBinary(dataType: string): boolean {
  return dataType.endsWith('binary') || dataType.endsWith('blob');
}

const SPATIAL = new Set([
  'geometry',
  'point',
  'linestring',
  'polygon',
  'multipoint',
  'multilinestring',
  'multipolygon',
  'geomcollection',
  'geometrycollection',
]);

export function isSpatial(column: ColumnShape): boolean {
  return SPATIAL.has(column.dataType);
}

/** A geometry's text is its internal bytes in base64, a comma, and the WKT that TypeORM selects. */
export function geometryParts(text: string): { internal: Buffer; wkt: string } {
  const comma = text.indexOf(',');
  return { internal: Buffer.from(text.slice(0, comma), 'base64'), wkt: text.slice(comma + 1) };
}

const wktOf = (text: string): string => geometryParts(text).wkt;

/** The 32-bit floats of a VECTOR. */
export function vectorOf(text: string): number[] {
  const bytes = Buffer.from(text, 'base64');
  return Array.from({ length: bytes.length / 4 }, (_, at) => bytes.readFloatLE(at * 4));
}

function asString(type: string, { dateStrings }: DriverSettings): boolean {
  return Array.isArray(dateStrings) ? dateStrings.includes(type) : Boolean(dateStrings);
}

function driverBigint(text: string, { supportBigNumbers, bigNumberStrings }: DriverSettings): number | string {
  if (supportBigNumbers && bigNumberStrings) return text;
  const value = Number(text);
  return supportBigNumbers && !Number.isSafeInteger(value) ? text : value;
}

function bitBuffer(column: ColumnShape, text: string): Buffer {
  const bits = Number(/\d+/.exec(column.columnType)?.[0] ?? 1);
  const bytes = Math.ceil(bits / 8);
  return Buffer.from(
    BigInt(text)
      .toString(16)
      .padStart(bytes * 2, '0'),
    'hex',
  );
}

/** Newer Node lets mysql2 keep integers above 2^53 inside JSON as strings; older Node cannot tell it their digits. */
function driverJson(text: string, settings: DriverSettings): unknown {
  if (settings.jsonStrings) return text;
  if (!settings.supportBigNumbers || !/\d{16}/.test(text)) return JSON.parse(text);
  return JSON.parse(text, (_key: string, value: unknown, context?: { source?: string }) =>
    typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? '')
      ? context!.source
      : value,
  );
}

/**
 * The number that MySQL prints for a FLOAT or DOUBLE. FLOAT has 32 bits and is printed with six digits; `(M,D)` columns
 * with D decimals. `text` is the exact value of the 64-bit double.
 */
export function printedNumber(column: ColumnShape, text: string): number {
  const decimals = /\(\d+,(\d+)\)/.exec(column.columnType)?.[1];
  if (decimals !== undefined) {
    // toFixed drops the sign of minus zero, MySQL prints it.
    const fixed = fixedDigits(Math.abs(Number(text)), Number(decimals));
    return driverFloat(text.startsWith('-') ? `-${fixed}` : fixed);
  }
  return column.dataType === 'float' ? sixDigits(Math.fround(Number(text))) : driverFloat(text);
}

/** Rounds half to even, as MySQL does; `toFixed` alone rounds half up. 819511.625 is such a half: a FLOAT holds it exactly. */
function fixedDigits(value: number, decimals: number): string {
  const exact = value.toFixed(MAX_DECIMALS);
  const end = exact.indexOf('.') + 1 + decimals;
  const kept = exact.slice(0, end).replace(/\.$/, '');
  const isTie = /^50*$/.test(exact.slice(end));
  return isTie && Number(kept.at(-1)) % 2 === 0 ? kept : value.toFixed(decimals);
}

/** Rounds half to even, as MySQL does; `toPrecision` alone rounds half up. */
function sixDigits(value: number): number {
  if (value === 0) return value;
  const rounded = value.toPrecision(MAX_FLOAT_DIGITS);
  const exact = value.toExponential(20);
  const [mantissa, exponent] = exact.split('e') as [string, string];
  const digits = mantissa.replace(/^-?(\d)\./, '$1');
  const isTie = /^50*$/.test(digits.slice(MAX_FLOAT_DIGITS));
  if (!isTie || Number(digits[MAX_FLOAT_DIGITS - 1]) % 2 === 1) return Number(rounded);
  const sign = value < 0 ? '-' : '';
  return Number(`${sign}${digits.slice(0, 1)}.${digits.slice(1, MAX_FLOAT_DIGITS)}e${exponent}`);
}

/** mysql2's own reading of a decimal text: short ones digit by digit, which is not always the nearest double. */
export function driverFloat(text: string): number {
  if (text.length > 17 || /e/i.test(text)) return Number.parseFloat(text);
  let result = 0;
  let factor = text.startsWith('-') ? -1 : 1;
  let pastDot = false;
  for (const character of text.replace(/^[+-]/, '')) {
    if (character === '.') {
      pastDot = true;
    } else {
      result = result * 10 + Number(character);
      if (pastDot) factor *= 10;
    }
  }
  return result / factor;
}
