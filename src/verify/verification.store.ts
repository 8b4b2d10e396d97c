import type { DataSource } from 'typeorm';
import type { EntityBinding } from '../entity/entity.binding.js';
import { queryPrimary } from '../mysql/statement.timeout.js';
import { type Ask, tableExists } from '../mysql/table.facts.js';
import type { VerifyResult } from './verify.types.js';

export type VerificationState = 'running' | 'complete' | 'interrupted';

/** The last verification of one entity. A run that died stays `running`; its cursor is where another one goes on. */
export interface KeptVerification {
  readonly entity: string;
  readonly state: VerificationState;
  /** UTC, by MySQL's clock. */
  readonly startedAt: string;
  readonly updatedAt: string;
  /** Null once it is complete. */
  readonly cursor: string | null;
  /** The last complete result, of this run or an earlier one. */
  readonly result: VerifyResult | null;
}

const TABLE = 'consistent_verification';
const TABLE_SQL =
  `CREATE TABLE IF NOT EXISTS ${TABLE} (entity VARCHAR(255) NOT NULL, table_name VARCHAR(255) NOT NULL, ` +
  `state ENUM('running', 'complete', 'interrupted') NOT NULL, progress JSON NULL, result JSON NULL, ` +
  'started_at DATETIME(6) NOT NULL, updated_at DATETIME(6) NOT NULL, PRIMARY KEY (table_name)) ' +
  'CHARACTER SET utf8mb4 COLLATE utf8mb4_bin';

/** The statement that makes the table, for users who may not create one. */
export function verificationTableSql(): string {
  return TABLE_SQL;
}

/** The table `consistent_verification`: a run's place and result survive a crash, and others can show them. */
export class VerificationStore {
  constructor(private readonly dataSource: DataSource) {}

  /** Makes the table where it is missing. */
  async ensureTable(): Promise<void> {
    const ask: Ask = (sql, values) => queryPrimary(this.dataSource, sql, values);
    if (!(await tableExists(ask, TABLE))) await queryPrimary(this.dataSource, TABLE_SQL);
  }

  async begin({ name, metadata }: EntityBinding, cursor: string): Promise<void> {
    await queryPrimary(
      this.dataSource,
      `INSERT INTO ${TABLE} (entity, table_name, state, progress, started_at, updated_at)
       VALUES (?, ?, 'running', ?, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6)) AS fresh
       ON DUPLICATE KEY UPDATE entity = fresh.entity, state = 'running', progress = fresh.progress,
         started_at = fresh.started_at, updated_at = fresh.updated_at`,
      [name, metadata.tablePath, cursor],
    );
  }

  async save({ metadata }: EntityBinding, state: VerificationState, cursor: string): Promise<void> {
    const sql = `UPDATE ${TABLE} SET state = ?, progress = ?, updated_at = UTC_TIMESTAMP(6) WHERE table_name = ?`;
    await queryPrimary(this.dataSource, sql, [state, cursor, metadata.tablePath]);
  }

  async end({ metadata }: EntityBinding, result: VerifyResult): Promise<void> {
    const sql = `UPDATE ${TABLE} SET state = 'complete', progress = NULL, result = ?, updated_at = UTC_TIMESTAMP(6) WHERE table_name = ?`;
    await queryPrimary(this.dataSource, sql, [JSON.stringify(result), metadata.tablePath]);
  }

  /** By MySQL's clock. */
  async endedWithin({ metadata }: EntityBinding, withinMs: number): Promise<boolean> {
    const sql =
      `SELECT 1 FROM ${TABLE} WHERE table_name = ? AND state = 'complete' ` +
      'AND updated_at > UTC_TIMESTAMP(6) - INTERVAL ? MICROSECOND';
    const parameters = [metadata.tablePath, Math.round(withinMs * 1_000)];
    return ((await queryPrimary(this.dataSource, sql, parameters)) as unknown[]).length > 0;
  }

  async last({ metadata }: EntityBinding): Promise<KeptVerification | null> {
    const sql =
      'SELECT entity, state, CAST(progress AS CHAR) AS progress, CAST(result AS CHAR) AS result, ' +
      `CAST(started_at AS CHAR) AS started, CAST(updated_at AS CHAR) AS updated FROM ${TABLE} WHERE table_name = ?`;
    const [row] = (await queryPrimary(this.dataSource, sql, [metadata.tablePath])) as Record<string, string | null>[];
    if (!row) return null;
    return {
      entity: row['entity']!,
      state: row['state'] as VerificationState,
      startedAt: row['started']!,
      updatedAt: row['updated']!,
      cursor: row['progress'] ?? null,
      result: row['result'] ? (JSON.parse(row['result']) as VerifyResult) : null,
    };
  }
}
