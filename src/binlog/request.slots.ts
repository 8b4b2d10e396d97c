/** A request that is under way. */
export interface RequestSlot<T> {
  readonly owner: T;
  /** By the clock of the slots, in ms. */
  readonly startedAt: number;
}

/** A request under way for so long is slow: others need not gather behind it any longer. */
const PATIENCE_MS = 10;

/**
 * The requests of one kind that are under way, and whether another one is worth its cost. An owner's first request begins at once, and
 * while it is under way its changes gather. A further one beside it begins when there is enough for it, or when the owner's requests
 * take unusually long: each is given its time. Several small requests side by side would cost the server more than one after the other, and each would
 * make the rest wait: measured, the slowest hundredth of changes took three times as long that way.
 *
 * Pure but for the clock.
 */
export class RequestSlots<T> {
  private readonly underWay = new Set<RequestSlot<T>>();

  /**
   * `limit`: requests under way at the same time, of all owners. `enough`: so many changes are worth a request of their own, though
   * others of the same owner are under way.
   */
  constructor(
    private readonly limit: number,
    private readonly enough: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  get size(): number {
    return this.underWay.size;
  }

  /** How long the oldest request has been under way, in ms; 0 where none is. */
  get oldestMs(): number {
    if (this.underWay.size === 0) return 0;
    return this.now() - Math.min(...[...this.underWay].map(({ startedAt }) => startedAt));
  }

  /**
   * When a request of an owner may begin, with so many changes waiting: 0 for now, `Infinity` for not before one has ended, or more come;
   * else a time of the clock, in ms.
   */
  mayBeginAt(owner: T, waiting: number): number {
    if (waiting === 0 || this.underWay.size >= this.limit) return Infinity;
    if (waiting >= this.enough) return 0;
    let own = 0;
    let oldest = Infinity;
    for (const slot of this.underWay) {
      if (slot.owner !== owner) continue;
      own += 1;
      oldest = Math.min(oldest, slot.startedAt);
    }
    const due = oldest + PATIENCE_MS * own;
    return own === 0 || this.now() >= due ? 0 : due;
  }

  begin(owner: T): RequestSlot<T> {
    const slot = { owner, startedAt: this.now() };
    this.underWay.add(slot);
    return slot;
  }

  /** How long it took, in ms. */
  end(slot: RequestSlot<T>): number {
    this.underWay.delete(slot);
    return this.now() - slot.startedAt;
  }
}
