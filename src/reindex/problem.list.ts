import type { ReindexProblem } from './reindex.types.js';

/** Counts what the new index does not take, and keeps the first of them. */
export class ProblemList {
  readonly examples: ReindexProblem[] = [];
  count = 0;

  constructor(private readonly maxExamples: number) {}

  add(problem: ReindexProblem): void {
    this.count += 1;
    if (this.examples.length < this.maxExamples) this.examples.push(problem);
  }
}
