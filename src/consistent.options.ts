import type { Client } from '@elastic/elasticsearch';
import { z } from 'zod';
import { checkedOptions } from './checked.options.js';
import { InvalidOptionsError } from './errors.js';
import type { Decider } from './protocol/row.js';
import type { VerifyDepth } from './verify/verify.types.js';

/** What the client's constructor takes; its ESM types do not export the name. */
export type ClientOptions = ConstructorParameters<typeof Client>[0];

/** What happens when plain TypeORM writes an entity that belongs to a consistent repository. */
export type BypassGuard = 'refuse' | 'warn' | 'off';

/** Options of `ConsistentModule.forRoot`. Every figure has a default; every limit is finite. */
export interface ConsistentModuleOptions {
  /** A client, or the options to make one of. A client that the module makes is closed on shutdown. */
  elasticsearch: ClientOptions | Client;
  /**
   * Who decides whether a prepared write happened. `elasticsearch` (strict): database and index reads by id are
   * linearizable. `mysql` (available): a prepared write is decided, the index follows. Default `elasticsearch`.
   */
  decider?: Decider;
  /**
   * When a write resolves. `committed`: both stores hold it and the row is flipped. `indexed`: it is decided, and the
   * flip follows (shutdown waits for it, a crash leaves it to the sweeper); one round trip less. Default `committed`.
   */
  acknowledge?: 'committed' | 'indexed';
  /**
   * Whether writes of concurrent callers share MySQL transactions, bulk requests and flips; a lone writer waits for nobody either way.
   * Default true.
   */
  groupCommit?: boolean;
  /** Longest time for one index request, connection included, in milliseconds. Default 2,000. */
  writeTimeoutMs?: number;
  /**
   * How long a row may stay in `prepare` before anybody may settle it, in milliseconds, by MySQL's clock.
   * Must be longer than `writeTimeoutMs`. Default `2 × writeTimeoutMs + 1,000`.
   */
  deadlineMs?: number;
  /**
   * How long a writer waits for a row that is in `prepare` under another writer, and a barrier for its rows, in
   * milliseconds. Default `deadlineMs + writeTimeoutMs`: long enough to outlast an abandoned write and to settle it.
   */
  busyTimeoutMs?: number;
  /**
   * Longest time for one MySQL statement of the library, in milliseconds: prepares, COMMITs, flips (those at most
   * `deadlineMs`), settling, the sweeper, reads through a repository, what runs in a unit of work; and the wait for a
   * free connection before it. Then the connection is closed and the call ends in `StatementTimeoutError`, or
   * `OutcomeUnknownError` where a COMMIT was not answered. Must not be shorter than `writeTimeoutMs`; longer than
   * `deadlineMs` is allowed. Default 10,000, or `writeTimeoutMs` where that is longer.
   */
  statementTimeoutMs?: number;
  /** Retries of a request that was refused for certain and may do better soon (connection refused, 429). */
  retry?: {
    /** Tries after the first, all within `writeTimeoutMs`. 0 … 20. Default 3. */
    attempts?: number;
    /** Pause before the first retry, in milliseconds; doubled each time. Default 50. */
    backoffMs?: number;
  };
  /** Limits on settling from reads, for each entity. */
  readRepair?: {
    /** Longest time for settling one batch, in milliseconds; then its readers get `ReadUnsettledError`. Default 2,000. */
    timeoutMs?: number;
    /** Batches under way at the same time. 1 … 64. Default 4. */
    concurrency?: number;
    /** Most rows in one batch. 1 … 1,000. Default 200. */
    batchSize?: number;
    /** Most rows that wait for a batch; further readers get `ReadUnsettledError` at once. Default 10,000. */
    maxQueued?: number;
  };
  /** The scheduled job that settles rows whose deadline has passed; `false` where another instance or a cron does it. */
  sweeper?:
    | false
    | {
        /** Pause between two runs, in milliseconds. Default 1,000. */
        intervalMs?: number;
        /** Rows claimed at a time. 1 … 1,000. Default 200. */
        batchSize?: number;
        /**
         * How long no other sweeper takes claimed rows, in milliseconds. Must not be shorter than `writeTimeoutMs`.
         * Default `2 × writeTimeoutMs`, and at least 10,000.
         */
        leaseMs?: number;
        /** Most batches of one table in one run. Default 50. */
        maxBatchesPerRun?: number;
      };
  /**
   * The scheduled job that compares every table with its index. Without it call `ConsistentService.verify()` yourself, for
   * instance from a `@Cron()`. Default `false`.
   */
  verification?:
    | false
    | {
        /** Pause between two beginnings, in milliseconds; a run that takes longer is not overtaken. Default 86,400,000 (one day). */
        intervalMs?: number;
        /** `version`, or `content`: as in `verify()`. Default `content`. */
        depth?: VerifyDepth;
        /** Drives what differs through the protocol again. Default false. */
        repair?: boolean;
        /** Throttle: at most this many rows are compared in a second. Default 2,000. */
        maxRowsPerSecond?: number;
      };
  /** Writes of consistent entities through plain TypeORM, and schemas that write around the protocol. Default `refuse`. */
  bypassGuard?: BypassGuard;
  /**
   * Creates missing indices at start-up; `false`: a missing alias is an error. Either way declared fields that an index
   * lacks are added, and its `gc_deletes` is raised. Default true.
   */
  createIndices?: boolean;
  /**
   * `index.gc_deletes` of our indices: how long Elasticsearch remembers a delete's version. It must outlive every
   * request that can still arrive; at least ten times `deadlineMs`. In milliseconds. Default 3,600,000 (one hour).
   */
  gcDeletesMs?: number;
  /** How long start-up keeps trying while Elasticsearch cannot be reached, in milliseconds. Default 30,000. */
  startupTimeoutMs?: number;
  /** How long shutdown waits for writes under way, and then for the client to close, in milliseconds. Default 10,000. */
  shutdownTimeoutMs?: number;
}

export interface ResolvedOptions {
  elasticsearch: ClientOptions | Client;
  decider: Decider;
  acknowledge: 'committed' | 'indexed';
  groupCommit: boolean;
  writeTimeoutMs: number;
  deadlineMs: number;
  busyTimeoutMs: number;
  statementTimeoutMs: number;
  retry: { attempts: number; backoffMs: number };
  readRepair: { timeoutMs: number; concurrency: number; batchSize: number; maxQueued: number };
  sweeper: false | { intervalMs: number; batchSize: number; leaseMs: number; maxBatchesPerRun: number };
  verification: false | { intervalMs: number; depth: VerifyDepth; repair: boolean; maxRowsPerSecond: number };
  bypassGuard: BypassGuard;
  createIndices: boolean;
  gcDeletesMs: number;
  startupTimeoutMs: number;
  shutdownTimeoutMs: number;
}

const ms = (least: number, most: number) => z.number().int().min(least).max(most);
const count = (most: number) => z.number().int().min(1).max(most);
const DAY_MS = 86_400_000;
const LEAST_LEASE_MS = 10_000;
/** Far above any healthy statement, far below the 50 s for which MySQL lets a statement wait for a row lock. */
const STATEMENT_TIMEOUT_MS = 10_000;

const schema = z.strictObject({
  elasticsearch: z.custom<ClientOptions | Client>(
    (value) => typeof value === 'object' && value !== null,
    "give `elasticsearch`: a Client, or its options such as { node: 'http://localhost:9200' }",
  ),
  decider: z.enum(['elasticsearch', 'mysql']).default('elasticsearch'),
  acknowledge: z.enum(['committed', 'indexed']).default('committed'),
  groupCommit: z.boolean().default(true),
  writeTimeoutMs: ms(10, 60_000).default(2_000),
  deadlineMs: ms(20, DAY_MS).optional(),
  busyTimeoutMs: ms(0, 600_000).optional(),
  statementTimeoutMs: ms(10, 3_600_000).optional(),
  retry: z
    .strictObject({ attempts: z.number().int().min(0).max(20).default(3), backoffMs: ms(1, 10_000).default(50) })
    .prefault({}),
  readRepair: z
    .strictObject({
      timeoutMs: ms(10, 60_000).default(2_000),
      concurrency: count(64).default(4),
      batchSize: count(1_000).default(200),
      maxQueued: count(1_000_000).default(10_000),
    })
    .prefault({}),
  sweeper: z
    .union([
      z.literal(false),
      z.strictObject({
        intervalMs: ms(50, DAY_MS).default(1_000),
        batchSize: count(1_000).default(200),
        leaseMs: ms(100, DAY_MS).optional(),
        maxBatchesPerRun: count(10_000).default(50),
      }),
    ])
    .prefault({}),
  verification: z
    .union([
      z.literal(false),
      z.strictObject({
        // A timer of Node holds at most 2^31 - 1 ms, which is nearly 25 days.
        intervalMs: ms(1_000, 24 * DAY_MS).default(DAY_MS),
        depth: z.enum(['version', 'content']).default('content'),
        repair: z.boolean().default(false),
        maxRowsPerSecond: z.number().min(1).max(1_000_000).default(2_000),
      }),
    ])
    .default(false),
  bypassGuard: z.enum(['refuse', 'warn', 'off']).default('refuse'),
  createIndices: z.boolean().default(true),
  gcDeletesMs: ms(60_000, 30 * DAY_MS).default(3_600_000),
  startupTimeoutMs: ms(0, 3_600_000).default(30_000),
  shutdownTimeoutMs: ms(0, 600_000).default(10_000),
});

/** Fills in defaults and cross-checks. Throws `InvalidOptionsError` that names every option that is wrong. */
export function resolveOptions(options: ConsistentModuleOptions): ResolvedOptions {
  const given = checkedOptions(schema, options, 'ConsistentModule options are not usable');
  const deadlineMs = given.deadlineMs ?? 2 * given.writeTimeoutMs + 1_000;
  const busyTimeoutMs = given.busyTimeoutMs ?? deadlineMs + given.writeTimeoutMs;
  const statementTimeoutMs = given.statementTimeoutMs ?? Math.max(STATEMENT_TIMEOUT_MS, given.writeTimeoutMs);
  const leaseMs = Math.max(LEAST_LEASE_MS, 2 * given.writeTimeoutMs);
  const sweeper = given.sweeper && { ...given.sweeper, leaseMs: given.sweeper.leaseMs ?? leaseMs };
  const resolved = { ...given, deadlineMs, busyTimeoutMs, statementTimeoutMs, sweeper };
  crossCheck(resolved);
  return resolved;
}

function crossCheck(options: ResolvedOptions): void {
  const { writeTimeoutMs, deadlineMs, gcDeletesMs, statementTimeoutMs, sweeper } = options;
  if (deadlineMs <= writeTimeoutMs) {
    throw new InvalidOptionsError(
      `deadlineMs (${deadlineMs}) must be longer than writeTimeoutMs (${writeTimeoutMs}): otherwise healthy writes are ` +
        `settled as not happened while their request is still under way. Use at least ${2 * writeTimeoutMs}.`,
      { deadlineMs, writeTimeoutMs },
    );
  }
  if (statementTimeoutMs < writeTimeoutMs) {
    throw new InvalidOptionsError(
      `statementTimeoutMs (${statementTimeoutMs}) must not be shorter than writeTimeoutMs (${writeTimeoutMs}): flips would ` +
        'be given up while their writers still wait for them.',
      { statementTimeoutMs, writeTimeoutMs },
    );
  }
  if (gcDeletesMs < 10 * deadlineMs) {
    throw new InvalidOptionsError(
      `gcDeletesMs (${gcDeletesMs}) must be at least ten times deadlineMs (${deadlineMs}): a late request must still ` +
        'meet the tombstone of the delete that outranks it.',
      { gcDeletesMs, deadlineMs },
    );
  }
  if (sweeper && sweeper.leaseMs < writeTimeoutMs) {
    throw new InvalidOptionsError(
      `sweeper.leaseMs (${sweeper.leaseMs}) must not be shorter than writeTimeoutMs (${writeTimeoutMs}): two sweepers ` +
        'would work on the same rows.',
      { leaseMs: sweeper.leaseMs, writeTimeoutMs },
    );
  }
}
