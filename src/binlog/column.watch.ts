import { setTimeout as sleep } from 'node:timers/promises';
import type { EntityContext } from '../entity/entity.context.js';
import type { SqlQuery } from '../mysql/table.introspection.js';

export interface ColumnWatchParts {
  readonly intervalMs: number;
  readonly contexts: () => readonly EntityContext[];
  readonly query: SqlQuery;
  /** The table has other columns than the entity is bound to. */
  readonly changed: (context: EntityContext) => Promise<void>;
}

/**
 * Looks again and again whether the tables still have the columns that this instance writes by. Who leads reads it in the log; the
 * others, whose repositories write all the same, would know no more than at their start.
 */
export class ColumnWatch {
  constructor(private readonly parts: ColumnWatchParts) {}

  /** Until the signal is aborted. Never throws: where MySQL cannot be reached, others say so. */
  async run(signal: AbortSignal): Promise<void> {
    for (;;) {
      await sleep(this.parts.intervalMs, undefined, { signal, ref: false }).catch(() => undefined);
      if (signal.aborted) return;
      await this.look().catch(() => undefined);
    }
  }

  private async look(): Promise<void> {
    const { query, contexts, changed } = this.parts;
    for (const context of await changedColumns(query, contexts())) await changed(context);
  }
}

const COLUMNS = `SELECT TABLE_NAME AS \`table\`, COLUMN_NAME AS name, CAST(COLUMN_TYPE AS CHAR) AS columnType,
 CHARACTER_SET_NAME AS charset FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME IN (?)
 ORDER BY TABLE_NAME, ORDINAL_POSITION`;

/** Those whose tables have other columns than they are bound to. A table that is gone is not among them. */
export async function changedColumns(query: SqlQuery, contexts: readonly EntityContext[]): Promise<EntityContext[]> {
  const found = new Map<string, string[]>();
  for (const database of new Set(contexts.map(({ binding }) => binding.shape.database))) {
    const here = contexts.filter(({ binding }) => binding.shape.database === database);
    for (const row of await query(COLUMNS, [database, here.map(({ binding }) => binding.shape.table)])) {
      const name = `${database}.${row.table}`;
      found.set(name, [...(found.get(name) ?? []), JSON.stringify([row.name, row.columnType, row.charset])]);
    }
  }
  return contexts.filter(({ binding: { shape } }) => {
    const now = found.get(`${shape.database}.${shape.table}`);
    const known = shape.columns.map(({ name, columnType, charset }) => JSON.stringify([name, columnType, charset]));
    return now !== undefined && now.join() !== known.join();
  });
}
