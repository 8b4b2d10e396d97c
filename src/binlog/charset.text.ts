/**
 * Text in a character set that is not decoded here without loss: the bytes, as they are. The row must be read from
 * MySQL instead.
 */
export class UndecodedText {
  constructor(readonly bytes: Buffer) {}
}

export type DecodeText = (buffer: Buffer, start: number, end: number) => string | UndecodedText;

export const BINARY_COLLATION = 63;

/** What MySQL's latin1 holds at 0x80 … 0x9F: Windows-1252, with the control characters where that has gaps. */
const LATIN1_HIGH =
  '\u20ac\u0081\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u008d\u017d\u008f' +
  '\u0090\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u009d\u017e\u0178';

const between = (id: number, first: number, last: number): boolean => id >= first && id <= last;
const among = (id: number, ...ids: number[]): boolean => ids.includes(id);

/** How text of a collation is read. Ids are stable: MySQL only adds to them, and all newer ones are utf8mb4. */
export function textDecoder(collation: number): DecodeText {
  if (isUtf8(collation)) return (buffer, start, end) => buffer.toString('utf8', start, end);
  if (among(collation, 5, 8, 15, 31, 47, 48, 49, 94)) return latin1;
  if (among(collation, 54, 55, 35, 90, 159) || between(collation, 101, 124) || between(collation, 128, 151)) {
    return utf16BigEndian;
  }
  if (among(collation, 56, 62)) return (buffer, start, end) => buffer.toString('utf16le', start, end);
  if (among(collation, 60, 61) || between(collation, 160, 183)) return utf32;
  // swe7 has letters where ASCII has brackets.
  if (among(collation, 10, 82)) return undecoded;
  return asciiOnly;
}

/** Whether text of a collation is stored as UTF-8. */
export function isUtf8(id: number): boolean {
  return id >= 255 || among(id, 33, 45, 46, 76, 83, 223) || between(id, 192, 215) || between(id, 224, 247);
}

const undecoded: DecodeText = (buffer, start, end) => new UndecodedText(buffer.subarray(start, end));

function latin1(buffer: Buffer, start: number, end: number): string {
  const text = buffer.toString('latin1', start, end);
  return /[\u0080-\u009f]/.test(text)
    ? text.replaceAll(/[\u0080-\u009f]/g, (character) => LATIN1_HIGH[character.charCodeAt(0) - 0x80]!)
    : text;
}

function utf16BigEndian(buffer: Buffer, start: number, end: number): string {
  return Buffer.from(buffer.subarray(start, end)).swap16().toString('utf16le');
}

function utf32(buffer: Buffer, start: number, end: number): string {
  let text = '';
  for (let at = start; at < end; at += 4) text += String.fromCodePoint(buffer.readUInt32BE(at));
  return text;
}

/** Every other character set of MySQL has ASCII at its place; what is more than that is not decoded. */
function asciiOnly(buffer: Buffer, start: number, end: number): string | UndecodedText {
  for (let at = start; at < end; at += 1) if (buffer[at]! > 127) return undecoded(buffer, start, end);
  return buffer.toString('latin1', start, end);
}
