import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectionOptions } from 'mysql2';
import { LeadershipLostError } from '../errors.js';
import { LockConnection } from './lock.connection.js';

export interface LeaderLockOptions {
  /** How to reach the primary. The lock has a connection of its own: a pool would give it to others, and the lock with it. */
  readonly connection: ConnectionOptions;
  /** Which backstop; instances with the same name and database compete. */
  readonly name: string;
  /** How often the holder asks whether it still holds the lock, in ms. Default 1,000. */
  readonly pingMs?: number;
  /** Longest pause between two tries to connect, in ms. Default 2,000. */
  readonly maxRetryMs?: number;
  /** Told of every failure to connect while waiting. */
  readonly onRetry?: (error: Error) => void;
}

/** Held by one instance at a time. The checkpoint's epoch covers the moment in which an old holder does not know yet. */
export interface Leadership {
  /** Aborted at once when the leadership is lost, with a `LeadershipLostError` as its reason; also by `release()`. */
  readonly signal: AbortSignal;
  /** Throws `LeadershipLostError` when it is lost, or may be: a process that slept notices here before any timer. */
  assertHeld(): void;
  /** Gives the lock back, within a second. Idempotent. */
  release(): Promise<void>;
}

const DEFAULT_PING_MS = 1_000;
const DEFAULT_MAX_RETRY_MS = 2_000;
const FIRST_RETRY_MS = 100;
const MS_PER_SECOND = 1_000;
/** MySQL's limit for lock names is 64 characters. */
const HASH_LENGTH = 40;
const RELEASE_LIMIT_MS = 500;
/**
 * MySQL throws out a holder that says nothing for so many pings. The holder itself gives up after two: one until it asks,
 * and one without an answer.
 */
const SILENT_PINGS = 3;

/**
 * One leader among the instances of an application: `GET_LOCK` of MySQL on a connection of its own. A holder that dies is
 * followed at once, for its connection closes; one that is frozen or cut off within about three pings (at least two seconds),
 * by `wait_timeout`.
 */
export class LeaderLock {
  /** As MySQL knows it: for `IS_USED_LOCK` and `performance_schema.metadata_locks`. */
  readonly lockName: string;
  private readonly pingMs: number;
  /** How long MySQL lets a silent holder keep the lock, in whole seconds. */
  private readonly leaseSeconds: number;

  constructor(private readonly options: LeaderLockOptions) {
    const scope = JSON.stringify([options.connection.database ?? '', options.name]);
    this.lockName = `nest-consistent:${createHash('sha256').update(scope).digest('hex').slice(0, HASH_LENGTH)}`;
    this.pingMs = options.pingMs ?? DEFAULT_PING_MS;
    this.leaseSeconds = Math.max(2, Math.ceil((SILENT_PINGS * this.pingMs) / MS_PER_SECOND));
  }

  /** Waits until this instance leads, however long that takes. Rejects with the signal's reason when that is aborted. */
  async acquire(signal?: AbortSignal): Promise<Leadership> {
    const maxRetryMs = this.options.maxRetryMs ?? DEFAULT_MAX_RETRY_MS;
    for (let retryMs = FIRST_RETRY_MS; ; retryMs = Math.min(2 * retryMs, maxRetryMs)) {
      signal?.throwIfAborted();
      try {
        return await this.compete(signal);
      } catch (error) {
        signal?.throwIfAborted();
        this.options.onRetry?.(error as Error);
      }
      await sleep(retryMs, undefined, { signal }).catch(() => signal?.throwIfAborted());
    }
  }

  /** On one connection, as long as that lasts. */
  private async compete(signal: AbortSignal | undefined): Promise<Leadership> {
    const connection = new LockConnection(this.options.connection);
    const close = (): void => connection.destroy();
    signal?.addEventListener('abort', close, { once: true });
    try {
      const limitMs = this.leaseSeconds * MS_PER_SECOND;
      await connection.ask('SET SESSION wait_timeout = ?', [this.leaseSeconds], limitMs);
      // Short waits, each with an answer: a half-open connection is noticed here too.
      const waitSeconds = Math.max(1, Math.ceil(this.pingMs / MS_PER_SECOND));
      const got = (): Promise<unknown> =>
        connection.ask('SELECT GET_LOCK(?, ?)', [this.lockName, waitSeconds], waitSeconds * MS_PER_SECOND + limitMs);
      while (Number(await got()) !== 1);
      const held = new HeldLock(connection, this.lockName, this.pingMs, limitMs);
      await held.prove();
      signal?.throwIfAborted();
      return held;
    } catch (error) {
      connection.destroy();
      throw error;
    } finally {
      signal?.removeEventListener('abort', close);
    }
  }
}

class HeldLock implements Leadership {
  private readonly controller = new AbortController();
  private timer: NodeJS.Timeout | undefined;
  /** When the question was sent that was last answered with yes: MySQL's own count of silence began later. */
  private provenAt = performance.now();
  private released: Promise<void> | null = null;

  constructor(
    private readonly connection: LockConnection,
    private readonly lockName: string,
    private readonly pingMs: number,
    private readonly leaseMs: number,
  ) {
    connection.onBreak((error) => this.lose(error.message, error));
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  assertHeld(): void {
    if (performance.now() - this.provenAt >= this.leaseMs) {
      this.lose(`this process, or the way to MySQL, stood still for ${this.leaseMs} ms or longer`);
    }
    this.signal.throwIfAborted();
  }

  /** Asks MySQL whether the lock is ours, and goes on asking. Throws `LeadershipLostError` when it is not. */
  async prove(): Promise<void> {
    const sentAt = performance.now();
    const sql = 'SELECT IS_USED_LOCK(?) = CONNECTION_ID()';
    // A connection that breaks, or does not answer, has said so by `onBreak`.
    const ours = await this.connection.ask(sql, [this.lockName], this.pingMs).catch((error: Error) => error);
    if (ours instanceof Error) this.lose(ours.message, ours);
    else if (Number(ours) !== 1) this.lose('MySQL has freed the lock');
    this.signal.throwIfAborted();
    this.provenAt = sentAt;
    this.timer = setTimeout(() => void this.prove().catch(() => undefined), this.pingMs);
  }

  release(): Promise<void> {
    this.released ??= this.giveBack();
    return this.released;
  }

  private async giveBack(): Promise<void> {
    if (this.signal.aborted) return;
    clearTimeout(this.timer);
    this.controller.abort(new LeadershipLostError('This instance gave the leadership back: it was stopped.'));
    // Closing the connection frees the lock too, but only once MySQL has noticed.
    await this.connection.ask('SELECT RELEASE_LOCK(?)', [this.lockName], RELEASE_LIMIT_MS).catch(() => undefined);
    this.connection.destroy();
  }

  private lose(why: string, cause?: unknown): void {
    if (this.signal.aborted) return;
    clearTimeout(this.timer);
    this.controller.abort(
      new LeadershipLostError(
        `This instance leads the backstop no longer: ${why}. Another one may lead by now; this one waits for its turn.`,
        { lock: this.lockName },
        cause,
      ),
    );
    this.connection.destroy();
  }
}
