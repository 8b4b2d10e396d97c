/** Sends one statement, by whatever connection and limit its caller has. */
export type Ask = (sql: string, values: unknown[]) => Promise<unknown>;

/**
 * Whether the connection's own database has this table. Asks information_schema: a table that is missing is no error in anybody's log, and
 * `CREATE TABLE IF NOT EXISTS` wants the privilege also where it is there. A user without rights on the table does not see it.
 */
export async function tableExists(ask: Ask, table: string): Promise<boolean> {
  const sql = 'SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?';
  return ((await ask(sql, [table])) as unknown[]).length > 0;
}

/** About how many rows a table has, as InnoDB estimates it: counting would read them all. */
export async function estimateRows(ask: Ask, database: string, table: string): Promise<number> {
  const sql = 'SELECT TABLE_ROWS AS n FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?';
  const [row] = (await ask(sql, [database, table])) as { n: number | string | null }[];
  return Number(row?.n ?? 0);
}
