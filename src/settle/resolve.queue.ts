import type { RowKey } from '../entity/row.key.js';
import { type Resolution, type ResolveOptions, type ResolveResult, Unsettled } from './resolution.js';

export interface ResolveQueueLimits {
  readonly concurrency: number;
  readonly batchSize: number;
  readonly maxQueued: number;
  readonly timeoutMs: number;
}

interface Waiting {
  readonly key: RowKey;
  readonly answer: Promise<Resolution>;
  readonly give: (resolution: Resolution) => void;
  readonly fail: (error: Error) => void;
}

/**
 * Shares resolutions between readers: one batch for all that ask at the same time, at most `concurrency` batches under
 * way, one place per row in a batch.
 *
 * A reader never joins a batch that has already begun: what that batch read of the row may be older than a write which
 * was acknowledged before this reader came. It waits for the next batch instead, as a read index does.
 */
export class ResolveQueue {
  private readonly waiting = new Map<string, Waiting>();
  private running = 0;
  private scheduled = false;

  constructor(
    private readonly resolve: (keys: RowKey[], options: ResolveOptions) => Promise<ResolveResult>,
    private readonly limits: ResolveQueueLimits,
  ) {}

  /** Rows that wait for a batch. */
  get queued(): number {
    return this.waiting.size;
  }

  /** Rejects with `Unsettled` when the row cannot be resolved, or the queue is full. */
  ask(key: RowKey): Promise<Resolution> {
    const joined = this.waiting.get(key.id);
    if (joined) return joined.answer;
    if (this.waiting.size >= this.limits.maxQueued) {
      return Promise.reject(new Unsettled(`${this.limits.maxQueued} rows are already waiting to be settled`));
    }
    let give!: Waiting['give'];
    let fail!: Waiting['fail'];
    const answer = new Promise<Resolution>((resolve, reject) => {
      give = resolve;
      fail = reject;
    });
    this.waiting.set(key.id, { key, answer, give, fail });
    this.schedule();
    return answer;
  }

  private schedule(): void {
    if (this.scheduled || this.running >= this.limits.concurrency) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      while (this.waiting.size > 0 && this.running < this.limits.concurrency) void this.runBatch();
    });
  }

  private async runBatch(): Promise<void> {
    const batch = [...this.waiting.values()].slice(0, this.limits.batchSize);
    for (const { key } of batch) this.waiting.delete(key.id);
    const { timeoutMs } = this.limits;
    // A connection that has gone silent must not keep readers; the batch keeps its place until it really ends.
    const late = setTimeout(() => {
      for (const { fail } of batch) fail(new Unsettled(`no answer within ${timeoutMs} ms`));
    }, 2 * timeoutMs);
    this.running++;
    try {
      const keys = batch.map(({ key }) => key);
      const results = await this.resolve(keys, { purpose: 'read', timeoutMs });
      for (const { key, give, fail } of batch) {
        const result = results.get(key.id);
        if (result && !(result instanceof Error)) give(result);
        else fail(result ?? new Unsettled('the row was not resolved'));
      }
    } catch (error) {
      for (const { fail } of batch) fail(error as Error);
    } finally {
      clearTimeout(late);
      this.running--;
      this.schedule();
    }
  }
}
