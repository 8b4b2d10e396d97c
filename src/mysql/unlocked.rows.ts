import type { SqlRunner, RowStore, VersionedKey } from './row.store.js';
import { plainTransaction } from './plain.transaction.js';

export interface Acted<Row> {
  /** Rows that the action was carried out on. */
  readonly done: readonly Row[];
  /** Rows that another transaction has locked: still in `prepare` at their version, so what was found out about them holds. */
  readonly locked: readonly Row[];
}

/**
 * Acts on those of the rows that are in `prepare` at their version and that nobody has locked. Waiting for a lock would
 * keep a connection for as long as a foreign transaction pleases, and every reader of the row would take one more.
 */
export async function actOnUnlocked<Row extends VersionedKey>(
  store: RowStore,
  rows: readonly Row[],
  act: (rows: readonly Row[], runner: SqlRunner) => Promise<unknown>,
): Promise<Acted<Row>> {
  const transaction = { isolation: 'READ COMMITTED', start: 'START TRANSACTION' } as const;
  const done = await plainTransaction(store.binding.dataSource, transaction, async (runner) => {
    const taken = await store.lockFree(rows, runner);
    if (taken.length > 0) await act(taken, runner);
    return taken;
  });
  const others = rows.filter((row) => !done.includes(row));
  if (others.length === 0) return { done, locked: [] };
  const held = await store.load(others.map(({ key }) => key));
  const locked = others.filter(({ key, version }) => {
    const row = held.get(key.id);
    return row?.state === 'prepare' && row.version === version;
  });
  return { done, locked };
}
