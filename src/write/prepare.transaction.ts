import { setTimeout as sleep } from 'node:timers/promises';
import type { DataSource, QueryRunner } from 'typeorm';
import type { EntityContext } from '../entity/entity.context.js';
import type { RowKey } from '../entity/row.key.js';
import { RowBusyError, RowParkedError } from '../errors.js';
import { isDeadlock, isDuplicateKey, isServerAnswer } from '../mysql/mysql.errors.js';
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
/** MySQL names the key as the row has it; where it abbreviates or escapes, it is not recognised. */
const PRIMARY_DUPLICATE = /^Duplicate entry '(.*)' for key '(?:.*\.)?PRIMARY'$/s;
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
): Promise<PreparedWrite[]> {
  const busyUntil = performance.now() + context.options.busyTimeoutMs;
  let deadlocks = 0;
  let suspectsCleared = false;
  for (let waits = 0; ;) {
    const attempt = await attemptOnce(dataSource, body);
    if (!('error' in attempt)) return attempt.prepared;
    const { error } = attempt;
    if (error instanceof RowInPrepare) {
      await waitUntilFree(error.context, error.key, busyUntil, waits++);
    } else if (isDeadlock(error) && deadlocks++ < MAX_DEADLOCK_RETRIES) {
      await sleep(Math.random() * FIRST_PAUSE_MS * 2 ** deadlocks);
    } else if (isDuplicateKey(error) && !suspectsCleared) {
      suspectsCleared = true;
      if (!(await clearSuspects(context, error, busyUntil))) throw error;
    } else {
      throw error;
    }
  }
}

async function attemptOnce(dataSource: DataSource, body: (runner: QueryRunner) => Promise<PreparedWrite[]>) {
  const runner = dataSource.createQueryRunner('master');
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
      prepared[0]?.context.logger.error(`a subscriber failed after the commit: ${(error as Error).message}`);
      return;
    }
    const first = prepared[0];
    if (!first || isServerAnswer(error) || !isDriverError(error)) throw error;
    throw outcomeUnknown(first, CONNECTION_BROKE, error);
  }
}

function isDriverError(error: unknown): boolean {
  return (error as { driverError?: unknown }).driverError !== undefined;
}

/**
 * Settles the row, or waits for its writer. Throws `RowBusyError` or `RowParkedError`; also for a row that was free
 * `waits` times already, each time to be taken by somebody else: a writer without luck must not try for ever.
 */
export async function waitUntilFree(context: EntityContext, key: RowKey, busyUntil: number, waits = 0): Promise<void> {
  const { name } = context.binding;
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
 * Waits for rows in `prepare`, one of which may hold the key that MySQL calls a duplicate. False if there are none, or if
 * they stay: an error must not name a row that the caller has nothing to do with, so MySQL's own is all there is to say.
 * Throws only where the undecided row has the very primary key that is being inserted.
 */
async function clearSuspects(context: EntityContext, duplicate: unknown, busyUntil: number): Promise<boolean> {
  const own = PRIMARY_DUPLICATE.exec((duplicate as Error).message)?.[1];
  const suspects = (await context.store.undecided(MAX_SUSPECTS, false)).map(({ key }) => key);
  suspects.sort((a, b) => Number(b.id === own) - Number(a.id === own));
  for (const key of suspects) {
    try {
      await waitUntilFree(context, key, busyUntil);
    } catch (error) {
      const stays = error instanceof RowBusyError || error instanceof RowParkedError;
      if (!stays || key.id === own) throw error;
      return false;
    }
  }
  return suspects.length > 0;
}
