import { InvalidOptionsError } from './errors.js';

/** A figure that a call was given. Throws `InvalidOptionsError` for what is no whole number, or none between the two. */
export function wholeNumber(name: string, value: unknown, least: number, most: number): number {
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) return value as number;
  throw new InvalidOptionsError(`${name} must be a whole number, ${least} … ${most}, not ${shown(value)}.`, {
    [name]: shown(value),
  });
}

/** Short, and telling "5" and 5n from 5. */
function shown(value: unknown): string {
  if (typeof value === 'number' || value === null || value === undefined) return String(value);
  if (typeof value === 'bigint') return `${value}n`;
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 40)) : `a value of type ${typeof value}`;
}
