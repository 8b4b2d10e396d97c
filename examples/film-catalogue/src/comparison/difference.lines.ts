import type { Difference } from './comparison.js';

/** More would scroll the story away; the sum tells how many there are. */
export const MAX_SHOWN = 20;
const WIDTH = 96;
const INDENT = '      ';

/** One difference for people, in lines of at most 100 characters. */
export function differenceLines({ id, what, detail }: Difference): string[] {
  const lines = [`  ✗ film ${id}: ${what}:`];
  for (const word of detail.split(' ')) {
    const last = lines.at(-1)!;
    if (last.length + word.length < WIDTH) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(`${INDENT}${word}`);
  }
  return lines;
}
