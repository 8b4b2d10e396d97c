/** Who writes. `ours-*`: this library; the rest are what people use today, and the floors below all of them. */
export type Peer =
  | 'dual-write'
  | 'held-transaction'
  | 'outbox'
  | 'ours-committed'
  | 'ours-indexed'
  | 'ours-mysql-committed'
  | 'ours-mysql-indexed'
  | 'ours-many'
  | 'floor-statement'
  | 'floor-multi-row'
  | 'floor-bulk-64'
  | 'floor-bulk-500'
  | 'floor-steps-500'
  | 'reads';

export type Operation = 'insert' | 'update' | 'find-page' | 'find-one';

/** One measurement: a process of its own. */
export interface CellSpec {
  readonly peer: Peer;
  readonly operation: Operation;
  /** Callers, each of which starts its next operation when its last one ended. */
  readonly concurrency: number;
  readonly warmUpMs: number;
  readonly windowMs: number;
  readonly servers: BenchServers;
}

export interface BenchServers {
  readonly mysqlUrl: string;
  readonly elasticsearchUrl: string;
  /** Undefined where the server is not a process of this machine: then its CPU is not counted. */
  readonly mysqlPid?: number | undefined;
  readonly elasticsearchPid?: number | undefined;
}

export interface Latencies {
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** CPU seconds for 1,000 operations. */
export interface CpuPerThousand {
  readonly node: number;
  readonly mysqld: number | null;
  readonly elasticsearch: number | null;
}

export interface CellResult {
  readonly peer: Peer;
  readonly operation: Operation;
  readonly concurrency: number;
  readonly opsPerSecond: number;
  readonly latency: Latencies;
  readonly cpu: CpuPerThousand;
  /** Operations that threw; they count for nothing else. */
  readonly failed: number;
  /** Outbox: from the caller's commit until a realtime read finds the document. */
  readonly visible?: Latencies;
  /** Outbox: rows a second until the relay has emptied the outbox. */
  readonly sustainedPerSecond?: number;
  /** Reads: time of ours over TypeORM's, batches taken in turn. */
  readonly overTypeorm?: number;
}
