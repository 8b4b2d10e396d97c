import type { ConnectionOptions } from 'mysql2';

export interface LeaderLockOptions {
  /** How to reach the primary. The lock has a connection of its own: a pool would give it back, and with it the lock. */
  readonly connection: ConnectionOptions;
  /** Which backstop; instances with the same name and database compete. */
  readonly name: string;
  /** How often the holder asks whether it still holds the lock, in ms. Default 1,000. */
  readonly pingMs?: number;
  /** Longest wait between two tries to connect, in ms. Default 2,000. */
  readonly maxRetryMs?: number;
  /** Told of failures to connect while waiting. */
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

/** One leader among the instances of an application: `GET_LOCK` of MySQL on a connection of its own. */
export class LeaderLock {
  constructor(readonly options: LeaderLockOptions) {}

  /** Waits until this instance leads, however long that takes. Rejects with the signal's reason when it is aborted. */
  async acquire(_signal?: AbortSignal): Promise<Leadership> {
    throw new Error('to come');
  }
}
