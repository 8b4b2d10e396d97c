import type { CellResult, Operation, Peer } from './cell.types.js';
import { median } from './latency.recorder.js';

/** Median, and the smallest and largest, of the rounds. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export interface CellSummary {
  readonly peer: Peer;
  readonly operation: Operation;
  readonly concurrency: number;
  readonly rounds: number;
  readonly failed: number;
  readonly opsPerSecond: Spread;
  readonly p50Ms: Spread;
  readonly p95Ms: Spread;
  readonly p99Ms: Spread;
  readonly nodeCpu: Spread;
  readonly mysqldCpu: Spread | null;
  readonly elasticsearchCpu: Spread | null;
  readonly visibleP50Ms?: Spread;
  readonly visibleP99Ms?: Spread;
  readonly sustainedPerSecond?: Spread;
  readonly overTypeorm?: Spread;
}

export function summarize(results: readonly CellResult[]): CellSummary[] {
  const groups = new Map<string, CellResult[]>();
  for (const result of results) {
    const name = `${result.peer} ${result.operation} ${result.concurrency}`;
    groups.set(name, [...(groups.get(name) ?? []), result]);
  }
  return [...groups.values()].map(summaryOf);
}

function summaryOf(group: readonly CellResult[]): CellSummary {
  const { peer, operation, concurrency } = group[0]!;
  const optional = (pick: (result: CellResult) => number | null | undefined) => {
    const values = group.map(pick).filter((value): value is number => typeof value === 'number');
    return values.length > 0 ? spread(values) : null;
  };
  const visibleP50Ms = optional(({ visible }) => visible?.p50Ms);
  const visibleP99Ms = optional(({ visible }) => visible?.p99Ms);
  const sustainedPerSecond = optional((result) => result.sustainedPerSecond);
  const overTypeorm = optional((result) => result.overTypeorm);
  return {
    peer,
    operation,
    concurrency,
    rounds: group.length,
    failed: group.reduce((sum, { failed }) => sum + failed, 0),
    opsPerSecond: spread(group.map((result) => result.opsPerSecond)),
    p50Ms: spread(group.map(({ latency }) => latency.p50Ms)),
    p95Ms: spread(group.map(({ latency }) => latency.p95Ms)),
    p99Ms: spread(group.map(({ latency }) => latency.p99Ms)),
    nodeCpu: spread(group.map(({ cpu }) => cpu.node)),
    mysqldCpu: optional(({ cpu }) => cpu.mysqld),
    elasticsearchCpu: optional(({ cpu }) => cpu.elasticsearch),
    ...(visibleP50Ms && { visibleP50Ms }),
    ...(visibleP99Ms && { visibleP99Ms }),
    ...(sustainedPerSecond && { sustainedPerSecond }),
    ...(overTypeorm && { overTypeorm }),
  };
}

function spread(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

export function findCell(
  cells: readonly CellSummary[],
  peer: Peer,
  operation: Operation,
  concurrency: number,
): CellSummary | undefined {
  return cells.find((cell) => cell.peer === peer && cell.operation === operation && cell.concurrency === concurrency);
}
