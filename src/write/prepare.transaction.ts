import { setTimeout as sleep } from 'node:timers/promises';
import type { DataSource, QueryRunner } from 'typeorm';
import type { EntityContext } from '../entity/entity.context.js';
import type { RowKey } from '../entity/row.key.js';
import { RowBusyError, RowParkedError, StatementTimeoutError } from '../errors.js';
import { isDeadlock, isDuplicateKey, isServerAnswer } from '../mysql/mysql.errors.js';
import { primaryRunner } from '../mysql/statement.timeout.js';
import { logTextOf } from '../observe/log.text.js';
import { type PreparedWrite, RowInPrepare } from './prepared.write.js';
import { outcomeUnknown } from './write.errors.js';

/**
 * Gap locks of the default isolation level would let inserts of neighbouring keys deadlock; the protocol needs none of
 * its guarantees, every step names the version it read.
 */
export const PREPARE_ISOLATION = 'READ COMMITTED';
/** Why nobody knows whether a prepare was committed. */
export const CONNECTION_BROKE = 'the connection to MySQL broke while the prepare was committed';
const MAX_DEADLOCK_RETRIES = 5;
const FIRST_PAUSE_MS = 2;
const MAX_PAUSE_MS = 50;
/** A duplicate key may be an undecided row's: at most this many are waited for before the error is believed. */
const MAX_SUSPECTS = 100;
/** MySQL names the index after the key that is taken. */
const PRIMARY_DUPLICATE = /for key '[^']*PRIMARY'/;
/** However short `busyTimeoutMs` is. */
const MIN_WAITS = 3;

/**
 * Runs `body` in a transaction of its own until it is committed: waits for rows that are in `prepare` under another
 * writer, repeats after a deadlock. Whatever it throws, nothing was written; except `OutcomeUnknownError`, when the
 * connection broke in the COMMIT itself.
 */
export async function prepareInTransaction(
  dataSource: DataSource,
  context: EntityContext,
  body: (runner: QueryRunner) => Promise<PreparedWrite[]>,
  key?: RowKey,
): Promise<PreparedWrite[]> {
  const busyUntil = performance.now() + context.options.busyTimeoutMs;
  let deadlocks = 0;
  let believed = false;
  for (let waits = 0; ;) {
    const attempt = await attemptOnce(dataSource, body);
    if (!('error' in attempt)) return attempt.prepared;
    const { error } = attempt;
    if (error instanceof RowInPrepare) {
      await waitUntilFree(error.context, error.key, busyUntil, waits++);
    } else if (isDeadlock(error) && deadlocks++ < MAX_DEADLOCK_RETRIES) {
      await sleep(Math.random() * FIRST_PAUSE_MS * 2 ** deadlocks);
    } else if (isDuplicateKey(error) && !believed) {
      believed = await isGenuineDuplicate(context, error, key, busyUntil, waits++);
    } else {
      throw error;
    }
  }
}

async function attemptOnce(dataSource: DataSource, body: (runner: QueryRunner) => Promise<PreparedWrite[]>) {
  const runner = primaryRunner(dataSource);
  try {
    await runner.startTransaction(PREPARE_ISOLATION);
    const prepared = await body(runner);
    await commitPrepare(runner, prepared);
    return { prepared };
  } catch (error) {
    if (runner.isTransactionActive) await runner.rollbackTransaction().catch(() => undefined);
    return { error };
  } finally {
    await runner.release();
  }
}

/**
 * COMMIT of the prepare transaction. An answer of MySQL is believed; a broken connection leaves the rows either as they
 * were or in `prepare` with no request sent, and then they are settled like any other.
 */
export async function commitPrepare(runner: QueryRunner, prepared: readonly PreparedWrite[]): Promise<void> {
  try {
    await runner.commitTransaction();
  } catch (error) {
    // A subscriber's afterTransactionCommit threw: the transaction itself is committed.
    if (!runner.isTransactionActive) {
      prepared[0]?.context.logger.error(`a subscriber failed after the commit: ${logTextOf(error)}`);
      return;
    }
    const first = prepared[0];
    if (!first || isServerAnswer(error) || !isUnanswered(error)) throw error;
    throw outcomeUnknown(first, CONNECTION_BROKE, error);
  }
}

function isUnanswered(error: unknown): boolean {
  return error instanceof StatementTimeoutError || (error as { driverError?: unknown }).driverError !== undefined;
}

/**
 * Settles the row, or waits for its writer. Throws `RowBusyError` or `RowParkedError`; also for a row that was free
 * `waits` times already, each time to be taken by somebody else: a writer without luck must not try for ever.
 */
export async function waitUntilFree(context: EntityContext, key: RowKey, busyUntil: number, waits = 0): Promise<void> {
  const { name } = context.binding;
  // The row's last write may be decided, and its flip wait here for others.
  context.single.flips.hurry();
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS)) {
    const timeoutMs = context.options.writeTimeoutMs;
    const result = (await context.settler.resolve([key], { purpose: 'write', timeoutMs })).get(key.id)!;
    if (!(result instanceof Error)) {
      if (result.settled && (waits < MIN_WAITS || performance.now() < busyUntil)) return;
      if (result.parked) {
        throw new RowParkedError(
          `${name} ${key.id} is parked: an earlier write could be neither committed nor undone.`,
          {
            entity: name,
            key: key.id,
          },
        );
      }
    }
    if (performance.now() + pauseMs > busyUntil) {
      throw new RowBusyError(
        `${name} ${key.id} is being written by somebody else and was not settled within ${context.options.busyTimeoutMs} ms.`,
        { entity: name, key: key.id, busyTimeoutMs: context.options.busyTimeoutMs },
        result instanceof Error ? result : undefined,
      );
    }
    await sleep(pauseMs);
  }
}

/**
 * Whether a duplicate-key error may be believed when it comes again. The row that holds the key may be undecided, or may
 * have been undone since MySQL said so: such a row was never there. Waits for it; throws `RowBusyError` or
 * `RowParkedError` where it stays undecided, and MySQL's own error where its row is there for certain.
 */
async function isGenuineDuplicate(
  context: EntityContext,
  duplicate: unknown,
  key: RowKey | undefined,
  busyUntil: number,
  waits: number,
): Promise<boolean> {
  if (key && PRIMARY_DUPLICATE.test((duplicate as Error).message)) {
    const row = (await context.store.load([key])).get(key.id);
    if (row?.state === 'commit') throw duplicate;
    // Gone, or undecided: only trying again tells. `waitUntilFree` ends it when the time is up.
    await waitUntilFree(context, key, busyUntil, waits);
    return false;
  }
  const suspects = await context.store.undecided(MAX_SUSPECTS, false);
  for (const suspect of suspects) {
    try {
      await waitUntilFree(context, suspect.key, busyUntil);
    } catch (error) {
      if (error instanceof RowBusyError || error instanceof RowParkedError) throw duplicate;
      throw error;
    }
  }
  return true;
}
