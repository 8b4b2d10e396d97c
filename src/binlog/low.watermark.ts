import { OverloadedError } from '../errors.js';

/** Work under way that belongs to one place in the log, mostly a transaction. Made by `LowWatermark.begin`. */
export interface Ticket<T> {
  /** Null until its end came: the place of a transaction is known after its rows. */
  readonly position: T | null;
  readonly ended: boolean;
  /** Bytes that count against the bound. */
  readonly bytes: number;
  /** Rows of it that are not in the index yet. */
  readonly rows: number;
  /** When it was committed, ms since 1970 by MySQL's clock. */
  readonly committedAtMs: number;
}

export interface WatermarkLimits {
  /** Tickets kept, those done but behind an older one included. Default 100,000. */
  readonly maxTickets?: number;
  /** Bytes of all tickets together; one that is larger by itself is let in alone. Default 64 MiB. */
  readonly maxBytes?: number;
}

/** Not a literal: see `log.items.ts`. */
class Entry<T> implements Ticket<T> {
  position: T | null = null;
  ended = false;
  bytes = 0;
  rows = 0;

  constructor(readonly committedAtMs: number) {}
}

const DEFAULT_MAX_TICKETS = 100_000;
const DEFAULT_MAX_BYTES = 64 * 1024 * 1024;
const isDone = <T>(entry: Ticket<T>): boolean => entry.ended && entry.rows === 0;

/** In place of entries that were passed: they must not be held until they are cut off. */
const PASSED = new Entry<any>(0);
PASSED.ended = true;
/** Done entries at the front are cut off in batches: cutting each off by itself would copy the rest every time. */
const COMPACT_AFTER = 1_024;

/**
 * The newest position before which everything is done, though work ends out of order. Positions are begun in the log's order.
 *
 * ```ts
 * const ticket = watermark.begin(committedAtMs); // a transaction starts
 * watermark.add(ticket, rows, bytes);            // its rows come
 * watermark.done(ticket, rows, bytes);           // some are in the index
 * watermark.end(ticket, coordinates);            // its end comes, before or after that
 * watermark.low();                               // coordinates, once everything before is done too
 * ```
 */
export class LowWatermark<T> {
  private entries: Entry<T>[] = [];
  private head = 0;
  private heldBytes = 0;
  private lowest: T | null;
  private waiting: (() => void)[] = [];
  private readonly maxTickets: number;
  private readonly maxBytes: number;

  /** `start`: what `low()` says until something is done. */
  constructor(start: T | null = null, limits: WatermarkLimits = {}) {
    this.lowest = start;
    this.maxTickets = limits.maxTickets ?? DEFAULT_MAX_TICKETS;
    this.maxBytes = limits.maxBytes ?? DEFAULT_MAX_BYTES;
  }

  /**
   * Begins the next place in the log. `committedAtMs`: see `Ticket`.
   * Throws `OverloadedError` when there is no room: wait for `room()` first.
   */
  begin(committedAtMs = 0): Ticket<T> {
    if (this.size >= this.maxTickets) {
      throw new OverloadedError(
        `${this.size} transactions are under way, and no more are held. Wait for room() before you begin one.`,
        { maxTickets: this.maxTickets },
      );
    }
    const entry = new Entry<T>(committedAtMs);
    this.entries.push(entry);
    return entry;
  }

  /**
   * More to do for this ticket: so many rows, of so many bytes in all.
   * Throws `OverloadedError` when the bytes are over the bound (and others are held): wait for `room(bytes)` first.
   * Throws `RangeError` for a ticket that is done: `low()` may have passed it.
   */
  add(ticket: Ticket<T>, rows: number, bytes: number): void {
    if (isDone(ticket)) throw new RangeError('More was added to a ticket that is done.');
    if (!this.fits(bytes)) {
      throw new OverloadedError(
        `${this.heldBytes} bytes are under way, and no more are held. Wait for room(bytes) before you add ${bytes}.`,
        { maxBytes: this.maxBytes },
      );
    }
    const entry = ticket as Entry<T>;
    entry.rows += rows;
    entry.bytes += bytes;
    this.heldBytes += bytes;
  }

  /** So many of the added rows are in the index. Throws `RangeError` when that is more than were added. */
  done(ticket: Ticket<T>, rows: number, bytes: number): void {
    const entry = ticket as Entry<T>;
    if (rows > entry.rows || bytes > entry.bytes) {
      throw new RangeError('More of a ticket was reported done than was added to it.');
    }
    entry.rows -= rows;
    entry.bytes -= bytes;
    this.heldBytes -= bytes;
    this.settle(entry);
  }

  /** Nothing will be added any more, and the place is known (null: it does not count). Throws `RangeError` the second time. */
  end(ticket: Ticket<T>, position: T | null): void {
    const entry = ticket as Entry<T>;
    if (entry.ended) throw new RangeError('A ticket was ended twice.');
    entry.position = position;
    entry.ended = true;
    this.settle(entry);
  }

  /** The newest position before which everything is done; that of the constructor until there is one. */
  low(): T | null {
    return this.lowest;
  }

  /** Tickets kept. */
  get size(): number {
    return this.entries.length - this.head;
  }

  /** Bytes of the work under way. */
  get bytes(): number {
    return this.heldBytes;
  }

  /** Rows under way. */
  get rows(): number {
    let rows = 0;
    for (const ticket of this.open()) rows += ticket.rows;
    return rows;
  }

  /**
   * Whether one more ticket would be taken, or with `bytes`: so much more work for a ticket that is begun. The two are apart:
   * a transaction that has begun must be able to go on though it took the last place.
   */
  hasRoom(bytes?: number): boolean {
    return bytes === undefined ? this.size < this.maxTickets : this.fits(bytes);
  }

  /** Resolves once `hasRoom`. One waiter at a time is meant: whoever reads the log. */
  async room(bytes?: number): Promise<void> {
    while (!this.hasRoom(bytes)) {
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  /** Tickets with rows that are not done, oldest first. */
  *open(): IterableIterator<Ticket<T>> {
    for (let index = this.head; index < this.entries.length; index++) {
      const entry = this.entries[index]!;
      if (entry.rows > 0) yield entry;
    }
  }

  private fits(bytes: number): boolean {
    return this.heldBytes === 0 || this.heldBytes + bytes <= this.maxBytes;
  }

  private settle(entry: Entry<T>): void {
    if (isDone(entry)) {
      this.heldBytes -= entry.bytes;
      entry.bytes = 0;
      if (entry === this.entries[this.head]) this.advance();
    }
    if (this.waiting.length > 0) this.wake();
  }

  private advance(): void {
    while (this.head < this.entries.length && isDone(this.entries[this.head]!)) {
      const { position } = this.entries[this.head]!;
      if (position !== null) this.lowest = position;
      this.entries[this.head] = PASSED;
      this.head++;
    }
    if (this.head === this.entries.length) {
      this.entries.length = 0;
      this.head = 0;
    } else if (this.head >= COMPACT_AFTER && this.head * 2 >= this.entries.length) {
      // In place: a former list that has grown old would hold tickets that are done.
      this.entries.copyWithin(0, this.head);
      this.entries.length -= this.head;
      this.head = 0;
    }
  }

  private wake(): void {
    const waiting = this.waiting;
    this.waiting = [];
    for (const resolve of waiting) resolve();
  }
}
