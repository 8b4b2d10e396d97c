const TWO_DIGITS = Array.from({ length: 100 }, (_, value) => String(value).padStart(2, '0'));
export const two = (value: number): string => TWO_DIGITS[value] ?? String(value);
const four = (value: number): string => two(Math.floor(value / 100)) + two(value % 100);

export const dayText = (year: number, month: number, day: number): string => `${four(year)}-${two(month)}-${two(day)}`;
export const clockText = (hours: number, minutes: number, seconds: number): string =>
  `${two(hours)}:${two(minutes)}:${two(seconds)}`;

/** Bytes that hold a fraction of so many digits. */
export const fractionBytes = (digits: number): number => (digits + 1) >> 1;

/** `.123`, from a fraction that was stored in whole bytes of two digits each. */
export function fractionText(fraction: number, digits: number): string {
  if (digits === 0) return '';
  return `.${String(fraction)
    .padStart(fractionBytes(digits) * 2, '0')
    .slice(0, digits)}`;
}

/** DATE, of three bytes. */
export function dateText(packed: number): string {
  return dayText(packed >>> 9, (packed >>> 5) & 15, packed & 31);
}

/** DATETIME: five bytes, then the fraction. */
export function dateTimeText(buffer: Buffer, start: number, digits: number): string {
  const packed = buffer.readUIntBE(start, 5) - 0x8000000000;
  const day = Math.floor(packed / 0x20000);
  const clock = packed % 0x20000;
  const months = day >>> 5;
  const text = `${dayText(Math.floor(months / 13), months % 13, day & 31)} ${clockText(clock >>> 12, (clock >>> 6) & 63, clock & 63)}`;
  return digits === 0 ? text : text + fractionText(buffer.readUIntBE(start + 5, fractionBytes(digits)), digits);
}

/** TIME: three bytes and the fraction, together one signed number. */
export function timeText(buffer: Buffer, start: number, digits: number): string {
  const bytes = fractionBytes(digits);
  const unit = 256 ** bytes;
  const packed = buffer.readUIntBE(start, 3 + bytes) - 0x800000 * unit;
  const size = Math.abs(packed);
  const clock = Math.floor(size / unit);
  const text = clockText((clock >>> 12) & 0x3ff, (clock >>> 6) & 63, clock & 63);
  return `${packed < 0 ? '-' : ''}${text}${fractionText(size % unit, digits)}`;
}

/** TIMESTAMP: seconds since 1970 with the fraction, whatever the time zone. The zero date is 0. */
export function epochText(buffer: Buffer, start: number, digits: number): string {
  const seconds = String(buffer.readUInt32BE(start));
  return digits === 0 ? seconds : seconds + fractionText(buffer.readUIntBE(start + 4, fractionBytes(digits)), digits);
}

/** DATE, DATETIME and TIME inside JSON: one signed number of eight bytes, with 24 bits of µs. */
export function packedText(packed: bigint, kind: 'date' | 'datetime' | 'time'): string {
  const size = packed < 0n ? -packed : packed;
  const micros = String(size & 0xffffffn).padStart(6, '0');
  const whole = Number(size >> 24n);
  if (kind === 'time') {
    const text = clockText((whole >>> 12) & 0x3ff, (whole >>> 6) & 63, whole & 63);
    return `${packed < 0n ? '-' : ''}${text}.${micros}`;
  }
  const day = Math.floor(whole / 0x20000);
  const clock = whole % 0x20000;
  const months = day >>> 5;
  const date = dayText(Math.floor(months / 13), months % 13, day & 31);
  if (kind === 'date') return date;
  return `${date} ${clockText(clock >>> 12, (clock >>> 6) & 63, clock & 63)}.${micros}`;
}
