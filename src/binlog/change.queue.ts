import type { ChangeLane, ChangeTicket, ChangeWork } from './change.work.js';
import { WorkIndex } from './work.index.js';

/** First in, first out; taking is cheap, and what was taken is not kept. */
class Lane {
  /** Those before `head` are gone: a work that is done must not be held until the next cut, or it grows old in memory. */
  private works: (ChangeWork | undefined)[] = [];
  private head = 0;
  /** Works from here on belong to a transaction whose end is not here yet. */
  private open = 0;

  constructor(private readonly name: ChangeLane) {}

  push(work: ChangeWork): void {
    this.works.push(work);
  }

  /** Everything that stands here may be taken. */
  publish(): void {
    this.open = this.works.length;
  }

  get length(): number {
    return this.open - this.head;
  }

  /** The next one that is still to be done here; it counts as started. */
  shift(): ChangeWork | undefined {
    while (this.head < this.open) {
      const work = this.pass();
      // One that changed its kind meanwhile stands in another lane too.
      if (work.started || work.lane !== this.name) continue;
      work.started = true;
      return work;
    }
    return undefined;
  }

  /** The next one without taking it. */
  peek(): ChangeWork | undefined {
    while (this.head < this.open) {
      const work = this.works[this.head]!;
      if (!work.started && work.lane === this.name) return work;
      this.pass();
    }
    return undefined;
  }

  private pass(): ChangeWork {
    const work = this.works[this.head]!;
    this.works[this.head] = undefined;
    this.head += 1;
    this.compact();
    return work;
  }

  private compact(): void {
    if (this.head === this.works.length) {
      this.works = [];
      this.head = 0;
      this.open = 0;
    } else if (this.head >= 1_024 && this.head * 2 >= this.works.length) {
      // In place: a former list that has grown old would hold works that are done.
      this.works.copyWithin(0, this.head);
      this.works.length -= this.head;
      this.open -= this.head;
      this.head = 0;
    }
  }
}

/**
 * The changes of one table that are not done. Changes of one row are worked on strictly one after the other, in the log's
 * order; those of different rows side by side. A change that has not begun gives way to a later one of its row.
 *
 * Pure: no I/O, no clock.
 */
export class ChangeQueue {
  /** The first change of each row; its `last` is the newest. */
  private readonly rows = new WorkIndex();
  private lanes = newLanes();
  private held = 0;

  /** `done`: told of every change when it is done, those that gave way included. */
  constructor(private readonly done: (ticket: ChangeTicket, bytes: number) => void) {}

  /** Rows with something under way. */
  get size(): number {
    return this.rows.size;
  }

  /** Bytes of everything that is not done. */
  get bytes(): number {
    return this.held;
  }

  add(work: ChangeWork): void {
    this.held += work.bytes;
    const first = this.rows.get(work.id);
    if (!first) {
      this.rows.add(work);
      this.lanes[work.lane].push(work);
      return;
    }
    const before = first.last;
    if (!before.givesWay) {
      work.detach();
      before.next = work;
      first.last = work;
      return;
    }
    const lane = before.lane;
    before.absorb(work);
    if (before === first && before.lane !== lane) this.lanes[before.lane].push(before);
  }

  /** What was added so far may be taken: the transaction is complete, or too large to wait for its end. */
  publish(): void {
    this.lanes.put.publish();
    this.lanes.look.publish();
    this.lanes.mend.publish();
  }

  /** How many may stand in a lane; an upper bound. */
  waiting(lane: ChangeLane): number {
    return this.lanes[lane].length;
  }

  /** Takes changes from a lane: at most so many, and of so many bytes, but one at least. */
  take(lane: ChangeLane, maxItems: number, maxBytes = Infinity): ChangeWork[] {
    const taken: ChangeWork[] = [];
    let bytes = 0;
    for (let next = this.lanes[lane].peek(); next && taken.length < maxItems; next = this.lanes[lane].peek()) {
      bytes += next.bytes;
      if (taken.length > 0 && bytes > maxBytes) break;
      // Lines in one piece of memory are sent from there; those in two would have to be copied.
      if (taken.length * 8 >= maxItems && next.body?.buffer !== taken[0]!.body?.buffer) break;
      taken.push(this.lanes[lane].shift()!);
    }
    return taken;
  }

  /** Puts a change that was taken back into the lane of its kind. `doubtful`: it may have been carried out, or be later. */
  again(work: ChangeWork, doubtful: boolean): void {
    if (!this.has(work)) return;
    work.started = false;
    work.doubtful ||= doubtful;
    this.lanes[work.lane].push(work);
    this.lanes[work.lane].publish();
  }

  /** The change is done; the next one of its row may begin. Without effect after `abandon`. */
  finish(work: ChangeWork): void {
    if (this.rows.get(work.id) !== work) return;
    this.report(work);
    const { next } = work;
    this.rows.delete(work);
    if (!next) return;
    next.last = work.last;
    work.next = null;
    this.rows.add(next);
    this.lanes[next.lane].push(next);
    this.lanes[next.lane].publish();
  }

  /** Whether the change is still to be done: `abandon` may have come between. */
  has(work: ChangeWork): boolean {
    return this.rows.get(work.id) === work;
  }

  /** Gives everything up: whatever is not done counts as done. Answers of requests under way are then without effect. */
  abandon(): void {
    const firsts = this.rows.clear();
    this.lanes = newLanes();
    for (const first of firsts) {
      for (let work: ChangeWork | null = first; work; work = work.next) this.report(work);
    }
  }

  private report(work: ChangeWork): void {
    this.held -= work.bytes;
    this.done(work.ticket, work.bytes);
    if (!work.absorbed) return;
    for (const { ticket, bytes } of work.absorbed) {
      this.held -= bytes;
      this.done(ticket, bytes);
    }
  }
}

function newLanes() {
  return { put: new Lane('put'), look: new Lane('look'), mend: new Lane('mend') };
}
