import { median } from '../latency.recorder.js';
import { markdownTable } from '../table.printer.js';
import type { DrainResult, Follower, LiveResult, Shape } from './drain.types.js';

/** Of every round: median (min–max). */
export function drainTable(results: readonly DrainResult[]): string {
  const head = ['who', 'shape', 'rows/s', 'peak MB', 'CPU s: starting', 'draining', 'mysqld', 'Elasticsearch'];
  const rows = groups(results, ({ follower, shape }) => `${follower} ${shape}`).map((group) => [
    group[0]!.follower,
    group[0]!.shape,
    spread(group.map(({ rowsPerSecond }) => rowsPerSecond)),
    spread(group.map(({ peakRssMb }) => peakRssMb)),
    spread(
      group.map(({ cpu }) => cpu.start),
      1,
    ),
    spread(
      group.map(({ cpu }) => cpu.follower),
      1,
    ),
    spread(
      group.map(({ cpu }) => cpu.mysqld ?? Number.NaN),
      1,
    ),
    spread(
      group.map(({ cpu }) => cpu.elasticsearch ?? Number.NaN),
      1,
    ),
  ]);
  return markdownTable(head, rows);
}

export function liveTable(results: readonly LiveResult[]): string {
  const head = ['who', 'commits/s', 'p50 ms', 'p95 ms', 'p99 ms', 'max ms', 'peak MB'];
  const rows = groups(results, ({ follower }) => follower).map((group) => [
    group[0]!.follower,
    spread(group.map(({ commitsPerSecond }) => commitsPerSecond)),
    spread(
      group.map(({ visible }) => visible.p50Ms),
      1,
    ),
    spread(
      group.map(({ visible }) => visible.p95Ms),
      1,
    ),
    spread(
      group.map(({ visible }) => visible.p99Ms),
      1,
    ),
    spread(
      group.map(({ visible }) => visible.maxMs),
      1,
    ),
    spread(group.map(({ peakRssMb }) => peakRssMb)),
  ]);
  return markdownTable(head, rows);
}

/** Ours over the peer, medians of the rounds; only what was measured. */
export function backstopRatios(drains: readonly DrainResult[], lives: readonly LiveResult[]): Record<string, number> {
  const rate = (follower: Follower, shape: Shape) =>
    middle(
      drains.filter((result) => result.follower === follower && result.shape === shape),
      ({ rowsPerSecond }) => rowsPerSecond,
    );
  const ours = lives.filter(({ follower }) => follower === 'ours');
  const peaks = [...drains, ...lives].filter(({ follower }) => follower === 'ours').map(({ peakRssMb }) => peakRssMb);
  const all = {
    drain_single_vs_canal: rate('ours', 'single') / rate('canal', 'single'),
    drain_batch_vs_canal: rate('ours', 'batch') / rate('canal', 'batch'),
    drain_single_vs_debezium: rate('ours', 'single') / rate('debezium', 'single'),
    drain_batch_vs_debezium: rate('ours', 'batch') / rate('debezium', 'batch'),
    peak_rss_mb: peaks.length > 0 ? Math.max(...peaks) : Number.NaN,
    live_p50_ms: middle(ours, ({ visible }) => visible.p50Ms),
    live_p99_ms: middle(ours, ({ visible }) => visible.p99Ms),
  };
  const measured = Object.entries(all).filter(([, value]) => Number.isFinite(value));
  return Object.fromEntries(measured.map(([name, value]) => [name, Number(value.toFixed(4))]));
}

/** Goals: at least, or at most. */
const GOALS: Record<string, readonly ['>=' | '<=', number]> = {
  drain_single_vs_canal: ['>=', 1],
  drain_batch_vs_canal: ['>=', 1],
  drain_single_vs_debezium: ['>=', 2],
  drain_batch_vs_debezium: ['>=', 2],
  peak_rss_mb: ['<=', 200],
  live_p50_ms: ['<=', 3],
  live_p99_ms: ['<=', 15],
};

export function ratioLines(ratios: Record<string, number>): string {
  const rows = Object.entries(ratios).map(([name, value]) => {
    const [direction, goal] = GOALS[name]!;
    const reached = direction === '>=' ? value >= goal : value <= goal;
    return [name, value.toFixed(2), `${direction} ${goal}`, reached ? 'yes' : 'NO'];
  });
  return markdownTable(['ours', 'measured', 'goal', 'reached'], rows);
}

function middle<T>(results: readonly T[], of: (result: T) => number): number {
  return results.length > 0 ? median(results.map(of)) : Number.NaN;
}

function groups<T>(results: readonly T[], nameOf: (result: T) => string): T[][] {
  const byName = new Map<string, T[]>();
  for (const result of results) byName.set(nameOf(result), [...(byName.get(nameOf(result)) ?? []), result]);
  return [...byName.values()];
}

function spread(values: readonly number[], digits = 0): string {
  if (values.some(Number.isNaN)) return '-';
  const text = (value: number) => value.toFixed(digits);
  if (values.length === 1) return text(values[0]!);
  return `${text(median(values))} (${text(Math.min(...values))}–${text(Math.max(...values))})`;
}
