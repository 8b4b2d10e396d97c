import { z } from 'zod';
import { InvalidOptionsError } from '../errors.js';
import type { VerifyCounts } from './verify.types.js';

/** How far a run has come: everything before it is compared, and counted. */
export interface VerifyCursor {
  readonly entity: string;
  readonly phase: 'rows' | 'documents';
  /** The last compared row's key, in order of the key's columns; null before the first. */
  readonly after: readonly string[] | null;
  readonly counts: VerifyCounts;
}

const count = z.number().int().min(0);
const schema = z.strictObject({
  entity: z.string(),
  phase: z.enum(['rows', 'documents']),
  after: z.array(z.string()).nullable(),
  counts: z.strictObject({
    rows: count,
    documents: count,
    missing: count,
    stale: count,
    foreign: count,
    orphaned: count,
    repaired: count,
    failed: count,
    unchecked: count,
  }),
});

export function printCursor(cursor: VerifyCursor): string {
  return JSON.stringify(cursor);
}

/** @throws InvalidOptionsError where `verify` did not make it */
export function parseCursor(text: string): VerifyCursor {
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    throw new InvalidOptionsError(
      'This is no cursor of verify(): give the text of `progress.cursor`, or of `error.data.cursor`.',
      {},
      error,
    );
  }
}
