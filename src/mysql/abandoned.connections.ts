import type { DataSource } from 'typeorm';

/** How a connection that was given up can be known again on the server. */
export interface AbandonedConnection {
  readonly threadId: number;
  /** Of our end. Behind a proxy or NAT the server sees another one, and then the connection is left alone. */
  readonly localPort: number;
}

/** One statement on a connection of its own. */
export type RunStatement = (sql: string, parameters: unknown[]) => Promise<unknown>;

/** More than these at once mean that the server is silent as a whole: then it cannot be told either. */
const MAX_WAITING = 100;
const FIND =
  'SELECT ID AS id FROM information_schema.PROCESSLIST ' +
  "WHERE ID = ? AND USER = SUBSTRING_INDEX(USER(), '@', 1) AND SUBSTRING_INDEX(HOST, ':', -1) = ?";

const ending = new WeakMap<DataSource, { waiting: number; last: Promise<void> }>();

/**
 * Tells MySQL that nobody waits for a statement any more. Without it a statement that waits for a row lock goes on
 * waiting, up to 50 s, and keeps the locks that it has; a transaction whose client fell silent keeps its locks for hours.
 * At best effort, one at a time; thread and port must both be ours, so that no other connection can be meant.
 */
export function endOnServer(
  dataSource: DataSource,
  { threadId, localPort }: AbandonedConnection,
  run: RunStatement,
): void {
  const state = ending.get(dataSource) ?? { waiting: 0, last: Promise.resolve() };
  ending.set(dataSource, state);
  if (state.waiting >= MAX_WAITING) return;
  state.waiting++;
  state.last = state.last
    .then(async () => {
      const found = (await run(FIND, [threadId, String(localPort)])) as { id: number | string }[];
      if (found.length === 1) await run(`KILL ${Number(found[0]!.id)}`, []);
    })
    // It ended by itself meanwhile, or the server is silent to us as a whole: then it notices some time.
    .catch(() => undefined)
    .finally(() => {
      state.waiting--;
    });
}

/** Resolves once every connection that was given up until now is ended, as far as it can be. */
export async function abandonedEnded(dataSource: DataSource): Promise<void> {
  await ending.get(dataSource)?.last;
}
