import { MAX_VERSION } from '../protocol/row.js';

/** The driver gives text as a string, a number or a Buffer, by the expression's type. */
export function textOf(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  return Buffer.isBuffer(value) ? value.toString('utf8') : String(value as string | number);
}

/** A version as MySQL answered it. Throws `RangeError` where JavaScript could not hold it exactly. */
export function versionOf(value: unknown): number {
  const version = Number(value);
  if (!Number.isSafeInteger(version) || version < 0 || version > MAX_VERSION) {
    throw new RangeError(`version ${String(value)} is outside 0 … ${MAX_VERSION}`);
  }
  return version;
}
