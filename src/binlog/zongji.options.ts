import type { ConnectionOptions } from 'mysql2';

/** `cascades`: only those rows that make foreign keys do something which is not in the log. */
export type TableFilter = (schema: string, table: string) => boolean | 'cascades';

export interface ZongjiSourceOptions {
  /** As for mysql2: host, port, user, password, ssl … The user needs REPLICATION SLAVE, REPLICATION CLIENT and SELECT. */
  readonly connection: ConnectionOptions;
  /** An id that no other server, replica or reader of this server has: 1 … 4294967295. */
  readonly serverId: number;
  /** Rows of which tables are wanted. Default: of all. Can be exchanged while it runs: `source.include = …`. */
  readonly include?: TableFilter;
  /** Bytes of the log that wait for the consumer, before the server is held back. Default 32 MiB. */
  readonly maxQueuedBytes?: number;
  /** An idle server says so often that it is there; after three that did not come the connection is given up. Default 5,000 ms. */
  readonly heartbeatMs?: number;
  /** For making a connection. Default 10,000 ms. */
  readonly connectTimeoutMs?: number;
  /** Tries in a row that bring not one event, before `read` throws. Default 10. */
  readonly maxReconnects?: number;
  /** Pause before the first new try; doubled each time, with jitter. Default 200 ms. */
  readonly reconnectDelayMs?: number;
  /** The longest pause between tries. Default 10,000 ms. */
  readonly maxReconnectDelayMs?: number;
  /** Told at each reconnect: for the log and for metrics. */
  readonly onReconnect?: (reconnect: { attempt: number; delayMs: number; error: Error }) => void;
}

export interface SourceStatistics {
  readonly queuedBytes: number;
  readonly queuedEvents: number;
  /** The most bytes that were ever queued at once. */
  readonly highWaterBytes: number;
  readonly maxQueuedBytes: number;
  readonly reconnects: number;
}
