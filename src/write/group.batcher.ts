/** Limits of one batcher. All are hard. */
export interface BatcherLimits {
  /** Most items in one batch. */
  readonly maxItems: number;
  /** Most bytes in one batch, by `bytesOf`; a larger single item goes alone. */
  readonly maxBytes: number;
  /** Batches under way at the same time, not counting slow ones. */
  readonly maxInFlight: number;
  /** Batches under way, slow ones included: at most so many times `maxInFlight`. */
  readonly slowFactor: number;
  /** Items waiting; the next one is refused. */
  readonly maxQueued: number;
  /** Items for which nobody waits: they stay so long, but for `hurry()` and full batches. Default 0. */
  readonly lingerMs?: number;
}

export interface BatcherParts<Item, Result> {
  /** Carries out a batch: one result for each item, in order. What it throws is every item's error. */
  readonly run: (items: readonly Item[]) => Promise<readonly Result[]>;
  readonly bytesOf?: (item: Item) => number;
  /** Two items with the same key never share a batch: the second waits for the next. */
  readonly keyOf?: (item: Item) => string;
  readonly refuse: (queued: number) => Error;
  /** Told of each batch that leaves. Must not throw. */
  readonly leaves?: (items: number) => void;
}

/** A batch that takes longer than this no longer keeps others from leaving. */
const SLOW_AFTER_MS = 50;

/** Who gets the results of items that were added together. `at`: the item's place among them. */
interface Receiver<Result> {
  give(result: Result, at: number): void;
  fail(error: unknown, at: number): void;
}

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly at: number;
  readonly receiver: Receiver<Result>;
}

/**
 * Group commit: items that arrive while batches are under way share the next one. With nothing under way an item leaves
 * at the end of the current turn of the event loop, so a lone writer waits for nobody.
 */
export class GroupBatcher<Item, Result> {
  private waiting: Waiting<Item, Result>[] = [];
  private readonly begun = new Set<{ readonly at: number }>();
  private scheduled = false;
  private recheck: NodeJS.Timeout | undefined;
  private linger: NodeJS.Timeout | undefined;
  private hurried = false;
  private ceiling: number;

  constructor(
    private readonly limits: BatcherLimits,
    private readonly parts: BatcherParts<Item, Result>,
  ) {
    this.ceiling = limits.maxItems;
  }

  /** Items that wait for a batch. */
  get queued(): number {
    return this.waiting.length;
  }

  add(item: Item): Promise<Result> {
    if (this.waiting.length >= this.limits.maxQueued) return Promise.reject(this.parts.refuse(this.waiting.length));
    return new Promise<Result>((give, fail) => {
      this.waiting.push({ item, at: 0, receiver: { give, fail } });
      this.schedule();
    });
  }

  /**
   * As `add` for each of the items, and cheaper: one promise for all. A batch's error becomes a result of each of its
   * items by `failed`, so that what became of the others is not lost.
   */
  addMany(items: readonly Item[], failed: (error: unknown) => Result): Promise<Result[]> {
    if (items.length === 0) return Promise.resolve([]);
    if (this.waiting.length + items.length > this.limits.maxQueued) {
      return Promise.reject(this.parts.refuse(this.waiting.length));
    }
    return new Promise<Result[]>((resolve) => {
      const results = Array.from<Result>({ length: items.length });
      let missing = items.length;
      const give = (result: Result, at: number) => {
        results[at] = result;
        if (--missing === 0) resolve(results);
      };
      const receiver: Receiver<Result> = { give, fail: (error, at) => give(failed(error), at) };
      items.forEach((item, at) => this.waiting.push({ item, at, receiver }));
      this.schedule();
    });
  }

  /** Back-pressure: the next batches are smaller. They grow again, one item with every batch that goes well. */
  shrink(): void {
    this.ceiling = Math.max(1, this.ceiling >> 1);
  }

  /** What lingers leaves now. */
  hurry(): void {
    if (this.waiting.length === 0 || !this.limits.lingerMs) return;
    this.hurried = true;
    clearTimeout(this.linger);
    this.linger = undefined;
    this.schedule();
  }

  private schedule(): void {
    if (this.scheduled || this.waiting.length === 0) return;
    if (this.lingers()) {
      this.linger ??= setTimeout(() => this.hurry(), this.limits.lingerMs);
      return;
    }
    if (!this.hasRoom()) {
      // Its place is free once the oldest batch counts as slow, or ends.
      this.recheck ??= setTimeout(() => {
        this.recheck = undefined;
        this.schedule();
      }, SLOW_AFTER_MS);
      return;
    }
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      while (this.waiting.length > 0 && this.hasRoom()) void this.flush(this.take());
      if (this.waiting.length === 0) this.hurried = false;
      this.schedule();
    });
  }

  private lingers(): boolean {
    const { lingerMs, maxItems } = this.limits;
    return lingerMs !== undefined && lingerMs > 0 && !this.hurried && this.waiting.length < maxItems;
  }

  private hasRoom(): boolean {
    const { maxInFlight, slowFactor } = this.limits;
    if (this.begun.size < maxInFlight) return true;
    if (this.begun.size >= maxInFlight * slowFactor) return false;
    const slowSince = performance.now() - SLOW_AFTER_MS;
    let quick = 0;
    for (const { at } of this.begun) if (at > slowSince) quick++;
    return quick < maxInFlight;
  }

  private take(): Waiting<Item, Result>[] {
    const { bytesOf, keyOf } = this.parts;
    const most = Math.min(this.ceiling, this.limits.maxItems);
    if (!bytesOf && !keyOf) return this.waiting.splice(0, most);
    const batch: Waiting<Item, Result>[] = [];
    const later: Waiting<Item, Result>[] = [];
    const keys = new Set<string>();
    let bytes = 0;
    let at = 0;
    for (; at < this.waiting.length && batch.length < most; at++) {
      const next = this.waiting[at]!;
      const key = keyOf?.(next.item);
      if (key !== undefined && keys.has(key)) {
        later.push(next);
        continue;
      }
      bytes += bytesOf?.(next.item) ?? 0;
      if (batch.length > 0 && bytes > this.limits.maxBytes) break;
      if (key !== undefined) keys.add(key);
      batch.push(next);
    }
    this.waiting = later.concat(this.waiting.slice(at));
    return batch;
  }

  private async flush(batch: Waiting<Item, Result>[]): Promise<void> {
    const mark = { at: performance.now() };
    this.begun.add(mark);
    this.parts.leaves?.(batch.length);
    try {
      const results = await this.parts.run(batch.map(({ item }) => item));
      if (this.ceiling < this.limits.maxItems) this.ceiling++;
      batch.forEach(({ receiver, at }, place) => receiver.give(results[place]!, at));
    } catch (error) {
      for (const { receiver, at } of batch) receiver.fail(error, at);
    } finally {
      this.begun.delete(mark);
      this.schedule();
    }
  }
}
