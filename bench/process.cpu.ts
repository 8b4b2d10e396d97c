import { readFileSync } from 'node:fs';
import type { BenchServers, CpuPerThousand } from './cell.types.js';

/** Linux counts in hundredths of a second, whatever its kernel's own tick is. */
const TICKS_PER_SECOND = 100;
const USER_TIME_FIELD = 11;

/** CPU seconds used so far. */
export interface CpuReading {
  readonly node: number;
  readonly mysqld: number | null;
  readonly elasticsearch: number | null;
}

/** `helpers`: other Node processes that do part of the work (the outbox's relay). */
export function readCpu(servers: BenchServers, helpers: readonly number[] = []): CpuReading {
  const { user, system } = process.cpuUsage();
  const others = helpers.reduce((sum, pid) => sum + (cpuOf(pid) ?? 0), 0);
  return {
    node: (user + system) / 1e6 + others,
    mysqld: cpuOf(servers.mysqlPid),
    elasticsearch: cpuOf(servers.elasticsearchPid),
  };
}

export function cpuPerThousand(before: CpuReading, after: CpuReading, operations: number): CpuPerThousand {
  const share = (from: number, to: number) => ((to - from) * 1_000) / Math.max(1, operations);
  const server = (from: number | null, to: number | null) => (from === null || to === null ? null : share(from, to));
  return {
    node: share(before.node, after.node),
    mysqld: server(before.mysqld, after.mysqld),
    elasticsearch: server(before.elasticsearch, after.elasticsearch),
  };
}

export function cpuOf(pid: number | undefined): number | null {
  if (pid === undefined) return null;
  try {
    // The name may hold blanks and brackets: fields are counted from its closing one.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return (Number(fields[USER_TIME_FIELD]) + Number(fields[USER_TIME_FIELD + 1])) / TICKS_PER_SECOND;
  } catch {
    return null;
  }
}
