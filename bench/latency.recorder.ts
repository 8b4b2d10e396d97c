import type { Latencies } from './cell.types.js';

/** Keeps every latency of the window; percentiles by nearest rank, nothing is bucketed. */
export class LatencyRecorder {
  private readonly taken: number[] = [];

  add(ms: number): void {
    this.taken.push(ms);
  }

  get count(): number {
    return this.taken.length;
  }

  summary(): Latencies {
    const sorted = Float64Array.from(this.taken).sort();
    const rank = (share: number) => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
    return { p50Ms: rank(0.5), p95Ms: rank(0.95), p99Ms: rank(0.99), maxMs: rank(1) };
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
