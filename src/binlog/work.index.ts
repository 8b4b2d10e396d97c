import type { ChangeWork } from './change.work.js';

const FIRST_BUCKETS = 1_024;

/**
 * Works by their row's document id. Not a `Map`: that makes itself a new table each few thousand changes, and the former one, old by then,
 * keeps what was in it from being collected until the garbage collector's next great round.
 */
export class WorkIndex {
  private buckets: (ChangeWork | null)[] = emptyBuckets(FIRST_BUCKETS);
  private count = 0;

  get size(): number {
    return this.count;
  }

  get(id: string): ChangeWork | undefined {
    let work = this.buckets[this.bucketOf(id)] ?? null;
    while (work !== null && work.id !== id) work = work.below;
    return work ?? undefined;
  }

  /** There must be none of this id. */
  add(work: ChangeWork): void {
    if (this.count >= this.buckets.length) this.grow();
    const bucket = this.bucketOf(work.id);
    work.below = this.buckets[bucket] ?? null;
    this.buckets[bucket] = work;
    this.count += 1;
  }

  delete(work: ChangeWork): void {
    const bucket = this.bucketOf(work.id);
    let before: ChangeWork | null = null;
    let at = this.buckets[bucket] ?? null;
    while (at !== null && at !== work) {
      before = at;
      at = at.below;
    }
    if (at === null) return;
    if (before) before.below = work.below;
    else this.buckets[bucket] = work.below;
    work.below = null;
    this.count -= 1;
  }

  /** All of them, which are then not here any more. */
  clear(): ChangeWork[] {
    const all: ChangeWork[] = [];
    for (let work of this.buckets) {
      while (work !== null) {
        const { below }: ChangeWork = work;
        work.below = null;
        all.push(work);
        work = below;
      }
    }
    this.buckets = emptyBuckets(FIRST_BUCKETS);
    this.count = 0;
    return all;
  }

  private grow(): void {
    const { length } = this.buckets;
    const all = this.clear();
    this.buckets = emptyBuckets(2 * length);
    for (const work of all) this.add(work);
  }

  private bucketOf(id: string): number {
    let hash = 0;
    for (let at = 0; at < id.length; at += 1) hash = (Math.imul(hash, 31) + id.charCodeAt(at)) | 0;
    // Spread, so that numbers in a row do not all differ in the lowest bits only.
    return (hash ^ (hash >>> 15)) & (this.buckets.length - 1);
  }
}

function emptyBuckets(count: number): (ChangeWork | null)[] {
  return Array.from<ChangeWork | null>({ length: count }).fill(null);
}
