import { type LineWriter, textOf } from './line.writer.js';

/** Beyond these powers of ten MySQL prints a DOUBLE with an exponent. */
const MAX_PLAIN_POINT = 15;
const MIN_PLAIN_POINT = -14;
/** Widths of the fields that MySQL prints into. All but the first hold every number with all its digits. */
const CAST_WIDTH = 22;
const COORDINATE_WIDTH = 25;
const COLUMN_WIDTH = 24;
const JSON_WIDTH = 300;

/** A DOUBLE column as MySQL prints it: the shortest digits that are the same number. */
export const doubleText = (value: number): string => printed(value, COLUMN_WIDTH);

/** The same inside WKT. */
export const coordinateText = (value: number): string => printed(value, COORDINATE_WIDTH);

/** `CAST(CAST(… AS DOUBLE) AS CHAR)`, where a digit or two can get lost at the end. */
export const castDoubleText = (value: number): string => printed(value, CAST_WIDTH);

/** MySQL's `my_gcvt`. */
function printed(value: number, fieldWidth: number): string {
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return String(value);
  const sign = value < 0 ? '-' : '';
  const size = Math.abs(value);
  const width = fieldWidth - sign.length;
  const { digits, point } = significant(size.toExponential());
  const { length } = digits;
  const plainLength = point <= 0 ? length - point + 2 : Math.max(length + 1, point);
  const fits = plainLength <= width;
  const isFar = point < MIN_PLAIN_POINT || point > MAX_PLAIN_POINT;
  const isPlain = fits
    ? point >= MIN_PLAIN_POINT && (point <= MAX_PLAIN_POINT || length > point)
    : !isFar && point >= -2;
  if (isPlain) {
    const room = width - (point < length ? 1 : 0) - (point <= 0 ? 1 - point : 0);
    return sign + plainText(room < length ? significant(size.toExponential(room - 1)) : { digits, point });
  }
  const exponentDigits = 1 + (point >= 101 || point <= -99 ? 1 : 0) + (point >= 11 || point <= -9 ? 1 : 0);
  const room = width - 1 - exponentDigits - (length > 1 ? 1 : 0) - (point < 1 ? 1 : 0);
  const shown = room < length ? significant(size.toExponential(room - 1)) : { digits, point };
  const rest = shown.digits.slice(1);
  return `${sign}${shown.digits[0]}${rest === '' ? '' : `.${rest}`}e${shown.point - 1}`;
}

/** Digits without zeros at the end, and where the decimal point is, counted from before the first one. */
function significant(text: string): { digits: string; point: number } {
  const [mantissa, exponent] = text.split('e') as [string, string];
  const digits = mantissa.replace('.', '').replace(/0+$/, '');
  return { digits, point: Number(exponent) + 1 };
}

function plainText({ digits, point }: { digits: string; point: number }): string {
  if (point <= 0) return `0.${'0'.repeat(-point)}${digits}`;
  if (digits.length <= point) return digits + '0'.repeat(point - digits.length);
  return `${digits.slice(0, point)}.${digits.slice(point)}`;
}

/** The same inside JSON, where a DOUBLE is told from an integer. */
export function jsonDoubleText(value: number): string {
  const text = printed(value, JSON_WIDTH);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const DIGITS_PER_WORD = 9;
/** Bytes that hold 0 … 9 decimal digits. */
const DIGIT_BYTES = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4] as const;

/** Bytes of a DECIMAL in MySQL's binary form. */
export function decimalSize(precision: number, scale: number): number {
  return digitsSize(precision - scale) + digitsSize(scale);
}

function digitsSize(digits: number): number {
  return Math.floor(digits / DIGITS_PER_WORD) * 4 + DIGIT_BYTES[digits % DIGITS_PER_WORD]!;
}

/** A DECIMAL's text. */
export function decimalText(buffer: Buffer, start: number, precision: number, scale: number): string {
  return textOf((out) => writeDecimal(out, buffer, start, precision, scale));
}

/** Writes a DECIMAL's text. The sign is the first bit, turned round; a negative number has all its bits turned round. */
export function writeDecimal(out: LineWriter, buffer: Buffer, start: number, precision: number, scale: number): void {
  const mask = (buffer[start]! & 0x80) === 0 ? 0xff : 0;
  if (mask !== 0) out.byte(MINUS);
  let at = start;
  // Zeros at the front are not shown, but for the last.
  let shown = false;
  for (let left = precision - scale; left > 0;) {
    const count = left % DIGITS_PER_WORD || DIGITS_PER_WORD;
    const bytes = DIGIT_BYTES[count]!;
    const value = decimalWord(buffer, at, bytes, mask, at === start);
    if (shown) out.digits(value, count);
    else if (value > 0) out.integer(value);
    shown ||= value > 0;
    left -= count;
    at += bytes;
  }
  if (!shown) out.byte(ZERO);
  if (scale > 0) out.byte(POINT);
  for (let left = scale; left > 0;) {
    const count = Math.min(left, DIGITS_PER_WORD);
    const bytes = DIGIT_BYTES[count]!;
    out.digits(decimalWord(buffer, at, bytes, mask, at === start), count);
    left -= count;
    at += bytes;
  }
}

function decimalWord(buffer: Buffer, at: number, bytes: number, mask: number, isFirst: boolean): number {
  let value = 0;
  for (let index = 0; index < bytes; index += 1) {
    value = value * 256 + (buffer[at + index]! ^ mask ^ (isFirst && index === 0 ? 0x80 : 0));
  }
  return value;
}
