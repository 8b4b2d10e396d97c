import type { BenchServers, Latencies } from '../cell.types.js';

/** Who follows the log. `decode`: the bare client, which only decodes: the ceiling for anything built on it. */
export type Follower = 'ours' | 'canal' | 'debezium' | 'decode';

/** How the rows got into the log: each in a transaction of its own, or a thousand to a transaction. */
export type Shape = 'single' | 'batch';

/** A part of the binary log. */
export interface Backlog {
  readonly database: string;
  readonly rows: number;
  readonly file: string;
  readonly position: number;
  /** Executed before its first transaction, and after its last. */
  readonly gtidSetBefore: string;
  readonly gtidSetAfter: string;
}

/** What a follower's process is told, by its environment. */
export interface FollowerSpec {
  readonly follower: Follower;
  readonly servers: BenchServers;
  readonly backlog: Backlog;
  /** 0: until it is told to end. */
  readonly rows: number;
  readonly index: string;
}

export interface DrainResult {
  readonly follower: Follower;
  readonly shape: Shape;
  readonly rows: number;
  /** From the start of reading until the last bulk was acknowledged (`decode`: until the last row was decoded). */
  readonly seconds: number;
  readonly rowsPerSecond: number;
  readonly peakRssMb: number;
  /** CPU seconds; of the follower those before it began to read (loading its code) apart. */
  readonly cpu: {
    readonly start: number;
    readonly follower: number;
    readonly mysqld: number | null;
    readonly elasticsearch: number | null;
  };
}

export interface LiveResult {
  readonly follower: Follower;
  readonly commitsPerSecond: number;
  readonly visible: Latencies;
  readonly peakRssMb: number;
}
