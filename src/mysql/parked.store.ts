import type { DataSource } from 'typeorm';
import type { EntityBinding } from '../entity/entity.binding.js';
import type { RowImage } from '../entity/row.image.js';
import { keyTexts } from '../entity/row.key.js';
import { InvalidSchemaError } from '../errors.js';
import { plainTransaction } from './plain.transaction.js';
import { queryPrimary } from './statement.timeout.js';
import type { RowStore, SqlRunner, VersionedKey } from './row.store.js';
import { parkedTableSql } from './consistent.migration.js';
import { errnoOf } from './mysql.errors.js';
import { tableExists } from './table.facts.js';

/** Why a pending write waits for a person. */
export type ParkReason =
  /** MySQL refuses the flip (a delete that a foreign key now forbids). */
  | 'commit-refused'
  /** MySQL refuses the undo image (a unique key was taken meanwhile, a foreign key points here). */
  | 'restore-refused'
  /** Elasticsearch refuses the previous image, so the slot cannot be won. */
  | 'previous-image-refused'
  /** `decider: 'mysql'`: Elasticsearch refuses the document of a write that is decided. */
  | 'document-refused';

/** What parking needs to know of a row. */
export interface RowToPark extends VersionedKey {
  readonly image: RowImage;
  readonly documentId: string;
  readonly parked?: boolean;
}

export interface ParkedRow {
  readonly id: string;
  readonly entity: string;
  readonly table: string;
  readonly key: Readonly<Record<string, string>>;
  readonly documentId: string;
  readonly version: number;
  readonly reason: ParkReason;
  readonly attempts: number;
  readonly lastError: string;
  readonly parkedAt: string;
}

const ER_TABLEACCESS_DENIED = 1142;
const PARKING = { isolation: 'REPEATABLE READ', start: 'START TRANSACTION' } as const;
const MAX_ERROR_LENGTH = 2_000;
const COLUMNS =
  'CAST(id AS CHAR) AS id, entity, table_name, CAST(row_key AS CHAR) AS row_key, document_id, version, reason, attempts, ' +
  'last_error, CAST(parked_at AS CHAR) AS parked_at';

/** The table `consistent_parked` of one DataSource. */
export class ParkedStore {
  constructor(private readonly dataSource: DataSource) {}

  /** Creates the table where it is missing. A user without the right to create needs it made by a migration. */
  async ensureTable(): Promise<void> {
    if (await tableExists((sql, values) => this.query(sql, values), 'consistent_parked')) return;
    await this.query(parkedTableSql()).catch((error: unknown) => {
      if (errnoOf(error) !== ER_TABLEACCESS_DENIED) throw error;
      throw new InvalidSchemaError(
        'The table consistent_parked is missing, or the database user may not see it, and may not create it. Run ' +
          'createParkedTable(queryRunner) in a migration, and grant SELECT, INSERT, UPDATE, DELETE on it.',
        { table: 'consistent_parked' },
        error,
      );
    });
  }

  /**
   * Parks a row and says why, both or neither: one without the other would be a row that nobody finds. For a row that is
   * parked already, one more attempt is counted. False when the row is no longer in `prepare` at this version.
   */
  async park(store: RowStore, row: RowToPark, reason: ParkReason, error: unknown): Promise<boolean> {
    return plainTransaction(this.dataSource, PARKING, async (runner) => {
      if (!row.parked && !(await store.park(row, runner))) return false;
      await this.record(runner, store.binding, row, reason, error);
      return true;
    });
  }

  private query(sql: string, parameters?: unknown[]): Promise<unknown> {
    return queryPrimary(this.dataSource, sql, parameters);
  }

  private async record(
    runner: SqlRunner,
    binding: EntityBinding,
    row: RowToPark,
    reason: ParkReason,
    error: unknown,
  ): Promise<void> {
    const key = JSON.stringify(keyTexts(binding, row.image));
    const message = String((error as Error)?.message ?? error).slice(0, MAX_ERROR_LENGTH);
    await runner.query(
      `INSERT INTO consistent_parked
         (entity, table_name, row_key, key_hash, document_id, version, reason, attempts, last_error, parked_at, updated_at)
       VALUES (?, ?, ?, SHA2(?, 256), ?, ?, ?, 1, ?, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6)) AS fresh
       ON DUPLICATE KEY UPDATE version = fresh.version, reason = fresh.reason, attempts = consistent_parked.attempts + 1,
         last_error = fresh.last_error, updated_at = UTC_TIMESTAMP(6)`,
      [binding.name, binding.metadata.tablePath, key, key, row.documentId, row.version, reason, message],
    );
  }

  async list(limit = 100): Promise<ParkedRow[]> {
    const rows = (await this.query(`SELECT ${COLUMNS} FROM consistent_parked ORDER BY id LIMIT ?`, [limit])) as Raw[];
    return rows.map(parkedRow);
  }

  async find(id: string): Promise<ParkedRow | null> {
    const rows = (await this.query(`SELECT ${COLUMNS} FROM consistent_parked WHERE id = ?`, [id])) as Raw[];
    return rows[0] ? parkedRow(rows[0]) : null;
  }

  async count(): Promise<number> {
    const rows = (await this.query('SELECT COUNT(*) AS n FROM consistent_parked')) as { n: number }[];
    return Number(rows[0]!.n);
  }

  async remove(id: string): Promise<void> {
    await this.query('DELETE FROM consistent_parked WHERE id = ?', [id]);
  }

  /** Forgets a row that is no longer in `prepare`. */
  async forget(binding: EntityBinding, image: RowImage): Promise<void> {
    const key = JSON.stringify(keyTexts(binding, image));
    await this.query('DELETE FROM consistent_parked WHERE table_name = ? AND key_hash = SHA2(?, 256)', [
      binding.metadata.tablePath,
      key,
    ]);
  }
}

interface Raw {
  id: string;
  entity: string;
  table_name: string;
  row_key: string;
  document_id: string;
  version: string | number;
  reason: string;
  attempts: number;
  last_error: string;
  parked_at: string;
}

function parkedRow(raw: Raw): ParkedRow {
  return {
    id: raw.id,
    entity: raw.entity,
    table: raw.table_name,
    key: JSON.parse(raw.row_key) as Record<string, string>,
    documentId: raw.document_id,
    version: Number(raw.version),
    reason: raw.reason as ParkReason,
    attempts: Number(raw.attempts),
    lastError: raw.last_error,
    parkedAt: raw.parked_at,
  };
}
