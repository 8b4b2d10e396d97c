import { LogHistogram } from './log.histogram.js';

interface Slot {
  index: number;
  readonly durations: LogHistogram;
}

/** Durations of the last while, in slots of time: memory does not depend on how many come. Off by one slot at most. */
export class SlidingWindow {
  private readonly slots: Slot[];
  private readonly slotMs: number;

  /** `now`: any clock in ms. `windowMs`: how far back. `slots`: how finely old durations fall out. */
  constructor(
    private readonly now: () => number,
    windowMs: number,
    slots = 12,
  ) {
    this.slotMs = windowMs / slots;
    this.slots = Array.from({ length: slots }, () => ({ index: -1, durations: new LogHistogram() }));
  }

  record(ms: number, times = 1): void {
    this.current().durations.record(ms, times);
  }

  /** Everything of the window in one. */
  merged(): LogHistogram {
    const newest = Math.floor(this.now() / this.slotMs);
    const all = new LogHistogram();
    for (const { index, durations } of this.slots) {
      // A slot of the future is left from before the clock was set back.
      if (index > newest - this.slots.length && index <= newest) all.merge(durations);
    }
    return all;
  }

  clear(): void {
    for (const slot of this.slots) slot.index = -1;
  }

  private current(): Slot {
    const index = Math.floor(this.now() / this.slotMs);
    const slot = this.slots[index % this.slots.length]!;
    if (slot.index !== index) {
      slot.index = index;
      slot.durations.clear();
    }
    return slot;
  }
}
