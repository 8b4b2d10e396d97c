import { hostname } from 'node:os';
import type { ConnectionOptions } from 'mysql2';
import { z } from 'zod';
import { checkedOptions } from '../checked.options.js';

/** Where the backstop begins to read. */
export type BackstopStart =
  /** Where it was; where it never was, at the log's end. */
  | 'checkpoint-or-now'
  /** At the log's end. Where there is a checkpoint, what lies between is left to a verification of every table. */
  | 'now'
  /** After these transactions. */
  | { readonly gtidSet: string }
  /** At the first transaction committed at this time or later. */
  | { readonly time: Date };

/** Options of `BackstopModule.forRoot`. Every figure has a default; every limit is finite. */
export interface BackstopModuleOptions {
  /** Name of the DataSource whose tables are watched. Default `default`. */
  dataSource?: string;
  /**
   * Which backstop: instances with the same name and database share a checkpoint and elect one leader. Default `default`.
   */
  name?: string;
  /** Connection that reads the binary log, where the DataSource's own user or host will not do. */
  connection?: ConnectionOptions;
  /**
   * Our id among the server's replicas, 1 … 4,294,967,295; no other reader of the server may have it. Default: random, above
   * 2,147,483,648; told in the log.
   */
  serverId?: number;
  /** Where to begin. Default `checkpoint-or-now`. */
  startFrom?: BackstopStart;
  /** Only these entities, by class name. Default: all of the DataSource. */
  entities?: readonly string[];
  /** Verifies every table when there is no checkpoint yet: what was changed before is not in the log's reach. Default false. */
  verifyAtFirstStart?: boolean;
  /** Bytes of row changes held in memory, those from the log and those on their way alike. Default 8,388,608 (8 MiB). */
  maxQueuedBytes?: number;
  /** Most documents in one bulk request. 1 … 10,000. Default 1,000. */
  maxBulkItems?: number;
  /** Largest bulk request, in bytes. Default 5,242,880 (5 MiB). */
  maxBulkBytes?: number;
  /** Bulk requests under way at the same time. 1 … 16. Default 3. */
  maxParallelBulks?: number;
  /** Longest time for one request to Elasticsearch, in milliseconds. Default 10,000. */
  requestTimeoutMs?: number;
  /** How long one row may fail, while others succeed, before its table is left to verification, in milliseconds. Default 60,000. */
  blockedAfterMs?: number;
  /** Refused documents listed for each table; beyond that the table is left to verification. Default 1,000. */
  maxRefused?: number;
  /** How often the checkpoint is saved while changes come, in milliseconds. Default 1,000. */
  checkpointIntervalMs?: number;
  /** An idle server says so often that it is there, in milliseconds. Default 5,000. */
  heartbeatMs?: number;
  /** How often the leader settles stale rows where the module's sweeper is off, in milliseconds; `false`: never. Default 5,000. */
  sweepIntervalMs?: number | false;
  /**
   * How often the leader looks whether the indices are still those it knows, and every instance whether the tables' columns are, in
   * milliseconds. Default 5,000.
   */
  indexCheckIntervalMs?: number;
  /** How far the index may be behind before `backstopLag` is emitted. */
  lag?: {
    /** Mean, in milliseconds. Default 5,000. */
    meanMs?: number;
    /** P99, in milliseconds. Default 15,000. */
    p99Ms?: number;
    /** Periods in a row that it takes. Default 3. */
    periods?: number;
    /** Length of a period, in milliseconds. Default 5,000. */
    periodMs?: number;
  };
  /** Starts with the application. `false`: when `BackstopService.start()` is called. Default true. */
  autoStart?: boolean;
}

export interface ResolvedBackstopOptions extends Required<
  Omit<BackstopModuleOptions, 'connection' | 'entities' | 'lag'>
> {
  connection: ConnectionOptions | undefined;
  entities: readonly string[] | undefined;
  lag: Required<NonNullable<BackstopModuleOptions['lag']>>;
  /** Tells this instance from others. */
  leader: string;
}

const MAX_SERVER_ID = 4_294_967_295;
const LEAST_RANDOM_SERVER_ID = 2_147_483_648;
const DAY_MS = 86_400_000;
const ms = (least: number, most: number) => z.number().int().min(least).max(most);

const schema = z.strictObject({
  dataSource: z.string().min(1).default('default'),
  name: z.string().min(1).max(64).default('default'),
  connection: z.custom<ConnectionOptions>((value) => typeof value === 'object' && value !== null).optional(),
  serverId: z.number().int().min(1).max(MAX_SERVER_ID).optional(),
  startFrom: z
    .union([
      z.enum(['checkpoint-or-now', 'now']),
      z.strictObject({ gtidSet: z.string().min(1) }),
      z.strictObject({ time: z.date() }),
    ])
    .default('checkpoint-or-now'),
  entities: z.array(z.string().min(1)).min(1).optional(),
  verifyAtFirstStart: z.boolean().default(false),
  maxQueuedBytes: z.number().int().min(65_536).max(8_589_934_592).default(8_388_608),
  maxBulkItems: z.number().int().min(1).max(10_000).default(1_000),
  maxBulkBytes: z.number().int().min(1_024).max(104_857_600).default(5_242_880),
  maxParallelBulks: z.number().int().min(1).max(16).default(3),
  requestTimeoutMs: ms(100, 300_000).default(10_000),
  blockedAfterMs: ms(100, DAY_MS).default(60_000),
  maxRefused: z.number().int().min(1).max(100_000).default(1_000),
  checkpointIntervalMs: ms(10, 600_000).default(1_000),
  heartbeatMs: ms(100, 600_000).default(5_000),
  sweepIntervalMs: z.union([z.literal(false), ms(50, DAY_MS)]).default(5_000),
  indexCheckIntervalMs: ms(50, DAY_MS).default(5_000),
  lag: z
    .strictObject({
      meanMs: ms(1, DAY_MS).default(5_000),
      p99Ms: ms(1, DAY_MS).default(15_000),
      periods: z.number().int().min(1).max(1_000).default(3),
      periodMs: ms(10, DAY_MS).default(5_000),
    })
    .prefault({}),
  autoStart: z.boolean().default(true),
});

/** Fills in defaults. Throws `InvalidOptionsError` that names every option that is wrong. */
export function resolveBackstopOptions(options: BackstopModuleOptions = {}): ResolvedBackstopOptions {
  const { connection, entities, ...given } = checkedOptions(schema, options, 'BackstopModule options are not usable');
  return {
    ...given,
    connection,
    entities,
    serverId: given.serverId ?? randomServerId(),
    leader: `${hostname()}:${process.pid}`,
  };
}

/** High, where servers' own ids are not found. */
function randomServerId(): number {
  return LEAST_RANDOM_SERVER_ID + Math.floor(Math.random() * (MAX_SERVER_ID - LEAST_RANDOM_SERVER_ID));
}
