/** Largest value that has a bucket of its own: a day. Larger ones are counted there. */
const MAX_MS = 86_400_000;
const MIN_MS = 0.1;
/** Each bucket is so much wider than the one before: a value is told within 5 %. */
const FACTOR = 1.1;
const LOG_FACTOR = Math.log(FACTOR);
const BUCKETS = Math.ceil(Math.log(MAX_MS / MIN_MS) / LOG_FACTOR) + 2;

/** Counts of durations in fixed buckets, 0.1 ms to a day: bounded memory, whatever comes. */
export class LogHistogram {
  private readonly counts = new Float64Array(BUCKETS);
  private total = 0;
  private sum = 0;
  private largest = 0;

  /** Negative durations (clocks that differ) count as 0. */
  record(ms: number, times = 1): void {
    const value = ms > 0 ? ms : 0;
    this.counts[bucketOf(value)]! += times;
    this.total += times;
    this.sum += value * times;
    if (value > this.largest) this.largest = value;
  }

  /** Adds everything that the other has counted. */
  merge(other: LogHistogram): void {
    for (let index = 0; index < BUCKETS; index++) this.counts[index]! += other.counts[index]!;
    this.total += other.total;
    this.sum += other.sum;
    if (other.largest > this.largest) this.largest = other.largest;
  }

  clear(): void {
    this.counts.fill(0);
    this.total = this.sum = this.largest = 0;
  }

  get count(): number {
    return this.total;
  }

  /** Of all durations together, in ms. */
  get sumMs(): number {
    return this.sum;
  }

  get maxMs(): number {
    return this.largest;
  }

  /** 0 when nothing was counted. */
  get meanMs(): number {
    return this.total === 0 ? 0 : this.sum / this.total;
  }

  /** The duration that this share of all (0 … 1) does not exceed; the upper bound of its bucket. 0 when nothing was counted. */
  quantileMs(share: number): number {
    const wanted = share * this.total;
    let seen = 0;
    for (let index = 0; index < BUCKETS; index++) {
      seen += this.counts[index]!;
      if (seen >= wanted && seen > 0) return Math.min(upperBound(index), this.largest);
    }
    return 0;
  }

  /** The buckets that are not empty: upper bound in ms and count. */
  buckets(): { readonly uptoMs: number; readonly count: number }[] {
    const result = [];
    for (let index = 0; index < BUCKETS; index++) {
      if (this.counts[index]! > 0) result.push({ uptoMs: upperBound(index), count: this.counts[index]! });
    }
    return result;
  }
}

function bucketOf(ms: number): number {
  if (ms <= MIN_MS) return 0;
  return Math.min(BUCKETS - 1, Math.ceil(Math.log(ms / MIN_MS) / LOG_FACTOR - 1e-9));
}

const upperBound = (index: number): number => (index === BUCKETS - 1 ? Infinity : MIN_MS * FACTOR ** index);
