import type { LineWriter } from './line.writer.js';
import { fractionBytes } from './temporal.text.js';

const QUOTE = 0x22;
const DASH = 0x2d;
const COLON = 0x3a;
const POINT = 0x2e;
const T = 0x54;
const Z = 0x5a;
const NULL = Buffer.from('null');
const DAYS_OF_EVERY_MONTH = 28;
const POWERS = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000] as const;

/** A DATE in a document: `"2024-01-02"`, or null where there is no such day. */
export function writeDate(out: LineWriter, buffer: Buffer, start: number): true {
  const packed = buffer[start]! | (buffer[start + 1]! << 8) | (buffer[start + 2]! << 16);
  const [year, month, day] = [packed >>> 9, (packed >>> 5) & 15, packed & 31];
  if (!isRealDay(year, month, day)) out.bytes(NULL);
  else {
    out.byte(QUOTE);
    writeDay(out, year, month, day);
    out.byte(QUOTE);
  }
  return true;
}

/** A DATETIME that is in UTC, in a document: `"2024-01-02T03:04:05.678Z"`, or null where there is no such day. */
export function writeDateTime(out: LineWriter, buffer: Buffer, start: number, digits: number): true {
  // Five bytes: a bit for the sign, 17 of months and 5 of days, 17 of the clock. `days` has the upper 22 of 39.
  const days = ((buffer[start]! & 0x7f) << 15) | (buffer[start + 1]! << 7) | (buffer[start + 2]! >>> 1);
  const clock = ((buffer[start + 2]! & 1) << 16) | (buffer[start + 3]! << 8) | buffer[start + 4]!;
  const months = days >>> 5;
  const [year, month, day] = [Math.floor(months / 13), months % 13, days & 31];
  if (!isRealDay(year, month, day)) {
    out.bytes(NULL);
    return true;
  }
  out.byte(QUOTE);
  writeDay(out, year, month, day);
  out.byte(T);
  out.digits(clock >>> 12, 2);
  out.byte(COLON);
  out.digits((clock >>> 6) & 63, 2);
  out.byte(COLON);
  out.digits(clock & 63, 2);
  if (digits > 0) {
    let fraction = 0;
    const bytes = fractionBytes(digits);
    for (let at = start + 5; at < start + 5 + bytes; at += 1) fraction = fraction * 256 + buffer[at]!;
    out.byte(POINT);
    // Stored in whole bytes of two digits each.
    out.digits(Math.floor(fraction / POWERS[bytes * 2 - digits]!), digits);
  }
  out.byte(Z);
  out.byte(QUOTE);
  return true;
}

function writeDay(out: LineWriter, year: number, month: number, day: number): void {
  out.digits(year, 4);
  out.byte(DASH);
  out.digits(month, 2);
  out.byte(DASH);
  out.digits(day, 2);
}

/** `2024-02-31` and zero dates have no place in a document. */
function isRealDay(year: number, month: number, day: number): boolean {
  if (month < 1 || month > 12 || day < 1) return false;
  if (day <= DAYS_OF_EVERY_MONTH) return true;
  if (month !== 2) return day <= (month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31);
  return day === 29 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}
