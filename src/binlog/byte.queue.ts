/** What an item costs beside its bytes: many empty ones must not fill the memory either. */
const ITEM_BYTES = 256;

/** Tells the producer to stop and to go on. */
export interface FlowControl {
  pause(): void;
  resume(): void;
}

/**
 * A first-in first-out queue for one producer that cannot wait and one consumer that can. Full at `maxBytes`: the
 * producer is paused, and resumed when half is gone. What the producer had under way still goes in.
 */
export class ByteQueue<T> {
  private items: (T | undefined)[] = [];
  private sizes: number[] = [];
  private head = 0;
  private queuedBytes = 0;
  private mostBytes = 0;
  private full = false;
  private ended = false;
  private failure: Error | null = null;
  private waiting: (() => void) | null = null;
  private drained: (() => void) | null = null;

  constructor(
    readonly maxBytes: number,
    private readonly flow: FlowControl,
  ) {}

  get bytes(): number {
    return this.queuedBytes;
  }

  get length(): number {
    return this.items.length - this.head;
  }

  /** The most bytes that were ever queued at once. */
  get highWaterBytes(): number {
    return this.mostBytes;
  }

  get isFull(): boolean {
    return this.full;
  }

  push(item: T, bytes: number): void {
    if (this.ended) return;
    const size = bytes + ITEM_BYTES;
    this.items.push(item);
    this.sizes.push(size);
    this.queuedBytes += size;
    if (this.queuedBytes > this.mostBytes) this.mostBytes = this.queuedBytes;
    if (!this.full && this.queuedBytes >= this.maxBytes) {
      this.full = true;
      this.flow.pause();
    }
    this.wake();
  }

  /** The next item, or undefined when there is none now. */
  shift(): T | undefined {
    if (this.head === this.items.length) return undefined;
    const item = this.items[this.head];
    this.queuedBytes -= this.sizes[this.head]!;
    this.items[this.head] = undefined;
    this.head += 1;
    // Both arrays are cut now and then, not at every item.
    if (this.head === this.items.length || this.head >= 4096) {
      // In place: a former list that has grown old would hold items that were taken.
      this.items.copyWithin(0, this.head);
      this.items.length -= this.head;
      this.sizes.copyWithin(0, this.head);
      this.sizes.length -= this.head;
      this.head = 0;
    }
    if (this.full && this.queuedBytes <= this.maxBytes / 2) this.open();
    return item;
  }

  /** Resolves when there is an item, or the end: false. Throws what `fail` was given once all items are taken. */
  async ready(): Promise<boolean> {
    for (;;) {
      if (this.length > 0) return true;
      if (this.failure) throw this.failure;
      if (this.ended) return false;
      await new Promise<void>((resolve) => (this.waiting = resolve));
    }
  }

  /** Resolves when there is room again, or the queue ended. For a producer that can wait after all. */
  async room(): Promise<void> {
    while (this.full && !this.ended) await new Promise<void>((resolve) => (this.drained = resolve));
  }

  /** No more items. Those that are queued are still handed out, then comes the error. Idempotent. */
  fail(error: Error): void {
    if (this.ended) return;
    this.failure = error;
    this.end();
  }

  /** No more items; those that are queued are still handed out. Idempotent. */
  end(): void {
    this.ended = true;
    this.wake();
    this.signalRoom();
  }

  /** Drops what is queued. */
  clear(): void {
    this.items = [];
    this.sizes = [];
    this.head = 0;
    this.queuedBytes = 0;
    if (this.full) this.open();
  }

  private open(): void {
    this.full = false;
    this.flow.resume();
    this.signalRoom();
  }

  private wake(): void {
    const wake = this.waiting;
    this.waiting = null;
    wake?.();
  }

  private signalRoom(): void {
    const signal = this.drained;
    this.drained = null;
    signal?.();
  }
}
