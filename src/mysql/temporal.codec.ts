import type { DriverSettings } from './driver.codec.js';

/** `2024-01-02[ 03:04:05[.123456]]`, as MySQL prints DATE, DATETIME and TIMESTAMP. */
const PRINTED = /^(\d{4})-(\d{2})-(\d{2})(?: (\d{2}):(\d{2}):(\d{2})(?:\.(\d+))?)?$/;
const FIXED_OFFSET = /^([+-])(\d{2}):(\d{2})$/;
const MS_PER_MINUTE = 60_000;
const DATE_LENGTH = '2024-01-02'.length;
const DAYS_OF_EVERY_MONTH = 28;

interface Printed {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hours: number;
  readonly minutes: number;
  readonly seconds: number;
  /** The digits after the point, as many as the column has. */
  readonly fraction: string;
}

function parsePrinted(text: string): Printed | null {
  const match = PRINTED.exec(text);
  if (!match) return null;
  return {
    year: Number(match[1]),
    month: Number(match[2]),
    day: Number(match[3]),
    hours: Number(match[4] ?? 0),
    minutes: Number(match[5] ?? 0),
    seconds: Number(match[6] ?? 0),
    fraction: match[7] ?? '',
  };
}

function offsetMinutes(timezone: string): number | null {
  const match = FIXED_OFFSET.exec(timezone);
  if (!match) return null;
  return (match[1] === '-' ? -1 : 1) * (Number(match[2]) * 60 + Number(match[3]));
}

function isLocal(timezone: string | undefined): boolean {
  return !timezone || timezone === 'local';
}

/** What mysql2 makes of a DATE: midnight in the driver's time zone. Its odd years below 100 are kept. */
export function driverDate(text: string, timezone: string | undefined): Date {
  const printed = parsePrinted(text);
  if (!printed) return new Date(Number.NaN);
  const { year, month, day } = printed;
  if (isLocal(timezone)) return new Date(year, month - 1, day, 0, 0, 0, 0);
  if (timezone === 'Z') return new Date(Date.UTC(year, month - 1, day));
  return new Date(`${text}T00:00:00${timezone}`);
}

/** What mysql2 makes of a DATETIME or TIMESTAMP: milliseconds, in the driver's time zone. */
export function driverDateTime(text: string, timezone: string | undefined): Date {
  const printed = parsePrinted(text);
  const asText = (): Date => new Date(isLocal(timezone) ? text : `${text}${timezone}`);
  if (!printed) return asText();
  const { year, month, day, hours, minutes, seconds, fraction } = printed;
  if (month === 0 || day === 0 || month > 12 || day > 31) return new Date(Number.NaN);
  if (year < 100) return asText();
  const milliseconds = Number(fraction.slice(0, 3).padEnd(3, '0'));
  if (isLocal(timezone)) return new Date(year, month - 1, day, hours, minutes, seconds, milliseconds);
  const utc = Date.UTC(year, month - 1, day, hours, minutes, seconds, milliseconds);
  if (timezone === 'Z') return new Date(utc);
  const offset = offsetMinutes(timezone!);
  return offset === null ? asText() : new Date(utc - offset * MS_PER_MINUTE);
}

/** A day that exists: `2024-02-31` and zero dates have no place in a document. */
function isRealDay({ year, month, day }: Printed): boolean {
  if (month >= 1 && month <= 12 && day >= 1 && day <= DAYS_OF_EVERY_MONTH) return true;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}

/** `2024-01-02`, or null for a zero or impossible date. */
export function documentDate(text: string): string | null {
  const printed = parsePrinted(text);
  return printed && isRealDay(printed) ? text : null;
}

/**
 * ISO 8601 in UTC with every digit that the column has, or null for a zero or impossible date. MySQL's text is read in
 * the time zone that the driver is told to read it in, so that the document says the same instant as the entity.
 */
export function documentDateTime(text: string, settings: DriverSettings): string | null {
  const printed = parsePrinted(text);
  if (!printed || !isRealDay(printed)) return null;
  // The text says it already; a Date for each row would be the dearest part of its document.
  if (settings.timezone === 'Z' && text.length > DATE_LENGTH)
    return `${text.slice(0, DATE_LENGTH)}T${text.slice(DATE_LENGTH + 1)}Z`;
  // Whole seconds go through Date, the fraction stays text: a Date would cut it to milliseconds.
  const instant = wholeSeconds(printed, text, settings.timezone);
  if (Number.isNaN(instant.getTime())) return null;
  const fraction = printed.fraction === '' ? '' : `.${printed.fraction}`;
  return `${instant.toISOString().slice(0, -'.000Z'.length)}${fraction}Z`;
}

function wholeSeconds(printed: Printed, text: string, timezone: string | undefined): Date {
  const { year, month, day, hours, minutes, seconds } = printed;
  const instant = new Date(0);
  if (isLocal(timezone)) {
    instant.setFullYear(year, month - 1, day);
    instant.setHours(hours, minutes, seconds, 0);
    return instant;
  }
  const offset = timezone === 'Z' ? 0 : offsetMinutes(timezone!);
  if (offset === null) return new Date(`${text.replace(/\.\d+$/, '')}${timezone}`);
  // Two steps, as Date.UTC takes the years 0 to 99 for the twentieth century.
  instant.setUTCFullYear(year, month - 1, day);
  instant.setUTCHours(hours, minutes - offset, seconds, 0);
  return instant;
}
