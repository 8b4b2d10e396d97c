import { setTimeout as sleep } from 'node:timers/promises';

/** Holds a walk to so many rows in a second, counted from its beginning. */
export class RowPace {
  private readonly begunAt = performance.now();
  private taken = 0;

  constructor(
    private readonly maxRowsPerSecond: number,
    private readonly signal?: AbortSignal,
  ) {}

  /** Counts rows that were taken, and waits where that was too soon. Throws once the signal is aborted. */
  async keep(rows: number): Promise<void> {
    this.taken += rows;
    const dueMs = (this.taken * 1_000) / this.maxRowsPerSecond - (performance.now() - this.begunAt);
    if (dueMs > 1) await sleep(dueMs, undefined, this.signal ? { signal: this.signal } : {});
  }
}
