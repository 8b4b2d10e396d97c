import type { Difference, DifferenceKind, VerifyCounts } from './verify.types.js';

export type Counts = { -readonly [Name in keyof VerifyCounts]: number };

/** Exact counts, and the first differences. Those of batches are merged in order, so that a cursor says what it counts. */
export class VerifyTally {
  readonly counts: Counts;
  readonly examples: Difference[] = [];
  readonly reasons: string[] = [];

  constructor(
    private readonly maxExamples: number,
    counts: VerifyCounts = NOTHING,
  ) {
    this.counts = { ...counts };
  }

  count(name: keyof VerifyCounts, by = 1): void {
    this.counts[name] += by;
  }

  difference(difference: Difference): void {
    this.counts[difference.kind] += 1;
    if (this.examples.length < this.maxExamples) this.examples.push(difference);
  }

  notChecked(reason: string): void {
    this.counts.unchecked += 1;
    if (this.reasons.length < MAX_REASONS) this.reasons.push(reason);
  }

  merge(other: VerifyTally): void {
    for (const name of Object.keys(this.counts) as (keyof VerifyCounts)[]) this.counts[name] += other.counts[name];
    this.examples.push(...other.examples.slice(0, this.maxExamples - this.examples.length));
    this.reasons.push(...other.reasons.slice(0, MAX_REASONS - this.reasons.length));
  }

  get differences(): number {
    return KINDS.reduce((sum, kind) => sum + this.counts[kind], 0);
  }
}

const MAX_REASONS = 20;
const KINDS: readonly DifferenceKind[] = ['missing', 'stale', 'foreign', 'orphaned'];
export const NOTHING: VerifyCounts = {
  rows: 0,
  documents: 0,
  missing: 0,
  stale: 0,
  foreign: 0,
  orphaned: 0,
  repaired: 0,
  failed: 0,
  unchecked: 0,
};
