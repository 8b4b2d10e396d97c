import { OverloadedError, StatementTimeoutError } from '../errors.js';
import { abandonedEnded } from '../mysql/abandoned.connections.js';
import { classifyMysqlError } from '../mysql/mysql.errors.js';
import { actOnUnlocked } from '../mysql/unlocked.rows.js';
import type { RowStore, VersionedKey } from '../mysql/row.store.js';
import type { Instruments } from '../observe/instruments.js';
import type { Operation } from '../protocol/row.js';
import { GroupBatcher } from './group.batcher.js';

export type Flip = VersionedKey & { readonly operation: Operation };
/** Resolves once the flip was carried out, or with the reason why it was not. */
export type FlipGroup = GroupBatcher<Flip, Error | null>;

const SHARED = { maxItems: 1_024, maxInFlight: 1, slowFactor: 3 };
const ALONE = { maxItems: 1, maxInFlight: 64, slowFactor: 1 };
const MAX_QUEUED = 100_000;
/**
 * A flip that nobody waits for costs as many flushes of MySQL's logs as the prepare did, and a caller who goes on at once meets
 * them. Gathered for so long, those of many writes share a statement. No longer: whoever reads the row meanwhile settles it.
 */
const LINGER_MS = 20;
/** Of the deadline: after it, settlers come. */
const LINGER_SHARE = 0.25;

/**
 * Commits of one table share a statement, one at a time: two at once would only wait for each other's pages. A statement
 * that waits for somebody's row lock lets others go first, but only two of them: each holds a connection of the pool. None
 * waits longer than `timeoutMs`, the deadline: then anybody may settle the rows, and settlers never wait for locks. So
 * foreign locks cannot keep a table's flips up.
 */
export function makeFlipGroup(
  store: RowStore,
  shared: boolean,
  timeoutMs: number,
  lazy: boolean,
  instruments: Instruments,
): FlipGroup {
  return new GroupBatcher<Flip, Error | null>(
    {
      ...(shared ? SHARED : ALONE),
      maxBytes: Number.MAX_SAFE_INTEGER,
      maxQueued: MAX_QUEUED,
      lingerMs: lazy ? Math.min(LINGER_MS, timeoutMs * LINGER_SHARE) : 0,
    },
    {
      refuse: (queued) =>
        new OverloadedError(`${queued} rows of ${store.binding.name} are already waiting to be flipped.`),
      leaves: (rows) => instruments.batch('flip', store.binding, rows),
      run: (flips) => flipTogether(store, flips, timeoutMs),
    },
  );
}

async function flipTogether(store: RowStore, flips: readonly Flip[], timeoutMs: number): Promise<(Error | null)[]> {
  try {
    await store.commit(flips, store.primary(timeoutMs));
    return flips.map(() => null);
  } catch (error) {
    if (error instanceof StatementTimeoutError && flips.length > 1) return flipUnlocked(store, flips, error);
    // One row that MySQL refuses must not keep its neighbours in prepare.
    if (flips.length === 1 || classifyMysqlError(error) !== 'refused') return flips.map(() => error as Error);
    const results: (Error | null)[] = [];
    for (const flip of flips) results.push(...(await flipTogether(store, [flip], timeoutMs)));
    return results;
  }
}

/** One locked row must not keep its neighbours in prepare: their locks are free once the statement is ended. */
async function flipUnlocked(store: RowStore, flips: readonly Flip[], error: Error): Promise<(Error | null)[]> {
  await abandonedEnded(store.binding.dataSource);
  const { locked } = await actOnUnlocked(store, flips, (rows, runner) => store.commit(rows, runner));
  return flips.map((flip) => (locked.includes(flip) ? error : null));
}
