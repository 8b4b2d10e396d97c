import type { EntityTarget, QueryRunner } from 'typeorm';
import { Consistency, CONSISTENCY_DEADLINE_INDEX } from '../consistency.columns.js';
import { InvalidSchemaError } from '../errors.js';
import { quote, quotePath } from './identifier.js';
import { errnoOf } from './mysql.errors.js';

/** The protocol's columns by their names in the table, and the name of the index on the deadline. */
export interface ConsistencyColumnNames {
  readonly state: string;
  readonly version: string;
  readonly deadline: string;
  readonly pending: string;
  readonly deadlineIndex: string;
}

/** What TypeORM's default naming strategy makes of `@Column(() => Consistency) consistency`. */
export const CONSISTENCY_NAMES: ConsistencyColumnNames = {
  state: 'consistency_state',
  version: 'consistency_version',
  deadline: 'consistency_deadline',
  pending: 'consistency_pending',
  deadlineIndex: CONSISTENCY_DEADLINE_INDEX,
};

export interface ConsistencyColumnsOptions {
  /** Names that differ from the entity's, or from the default ones where only a table name is given. */
  readonly names?: Partial<ConsistencyColumnNames>;
}

export interface DropConsistencyOptions extends ConsistencyColumnsOptions {
  /** Drops the columns even while rows are in `prepare`: their undo images are lost. Default false. */
  readonly evenIfPending?: boolean;
}

/** TypeORM prints the same: `synchronize` finds nothing to change after the migration, nor the other way round. */
const DEFINITIONS = {
  state: `enum ('commit', 'prepare') NOT NULL DEFAULT 'commit'`,
  version: `bigint UNSIGNED NOT NULL DEFAULT '0'`,
  deadline: 'datetime(6) NULL',
  pending: 'json NULL',
} as const;
/** As information_schema prints these types. */
const TYPES = {
  state: `enum('commit','prepare')`,
  version: 'bigint unsigned',
  deadline: 'datetime(6)',
  pending: 'json',
} as const;
type ColumnKey = keyof typeof DEFINITIONS;
const COLUMN_KEYS = Object.keys(DEFINITIONS) as ColumnKey[];

/** Refusals of the wished ALGORITHM: not supported here, not with this reason, too many instant changes so far. */
const ALGORITHM_REFUSED = new Set([1845, 1846, 4092]);

/** The statements that add the columns and the index to a table that has none of them. Existing rows become `commit` at version 0. */
export function consistentColumnsUp(table: string, names: Partial<ConsistencyColumnNames> = {}): string[] {
  const all = { ...CONSISTENCY_NAMES, ...names };
  return [`${addColumns(table, all, COLUMN_KEYS)}, ALGORITHM=INSTANT`, addIndex(table, all)];
}

/** The statements that take the columns away again, and the index with them. Rows in `prepare` lose their undo image. */
export function consistentColumnsDown(table: string, names: Partial<ConsistencyColumnNames> = {}): string[] {
  const all = { ...CONSISTENCY_NAMES, ...names };
  return [dropIndex(table, all), `${dropColumns(table, all, COLUMN_KEYS)}, ALGORITHM=INSTANT`];
}

/**
 * For a migration's `up`: adds what is missing of the protocol's columns and of the index on the deadline. Existing rows
 * become `commit` at version 0, without a rebuild of the table where MySQL can (`ALGORITHM=INSTANT`). Doing it twice changes nothing.
 * `target` is an entity (its own naming strategy counts) or a table's name, `database.table` for another database.
 * Throws `InvalidSchemaError` when the table is missing, or has a column of such a name and another type.
 */
export async function addConsistencyColumns(
  queryRunner: QueryRunner,
  target: EntityTarget<any> | string,
  options: ConsistencyColumnsOptions = {},
): Promise<void> {
  const { table, names } = resolveTarget(queryRunner, target, options);
  const present = await presentParts(queryRunner, table, names);
  const missing = COLUMN_KEYS.filter((key) => !present.columns.includes(key));
  if (missing.length > 0) await alter(queryRunner, addColumns(table, names, missing));
  if (!present.index) await queryRunner.query(addIndex(table, names));
}

/**
 * For a migration's `down`. Doing it twice changes nothing. Throws `InvalidSchemaError` while rows are in `prepare`:
 * let the sweeper settle them, or say `evenIfPending`.
 */
export async function dropConsistencyColumns(
  queryRunner: QueryRunner,
  target: EntityTarget<any> | string,
  options: DropConsistencyOptions = {},
): Promise<void> {
  const { table, names } = resolveTarget(queryRunner, target, options);
  const present = await presentParts(queryRunner, table, names);
  if (present.columns.includes('state') && !options.evenIfPending) await refuseWhilePending(queryRunner, table, names);
  if (present.index) await queryRunner.query(dropIndex(table, names));
  if (present.columns.length > 0) await alter(queryRunner, dropColumns(table, names, present.columns));
}

/** The table of rows that wait for a person; one per database. `table_name` and `key_hash` name a row once. */
export function parkedTableSql(): string {
  return `CREATE TABLE IF NOT EXISTS consistent_parked (
  id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
  entity varchar(255) NOT NULL,
  table_name varchar(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  row_key json NOT NULL,
  key_hash char(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  document_id varchar(512) NOT NULL,
  version bigint unsigned NOT NULL,
  reason varchar(64) NOT NULL,
  attempts int unsigned NOT NULL DEFAULT 0,
  last_error text NULL,
  parked_at datetime(6) NOT NULL,
  updated_at datetime(6) NOT NULL,
  UNIQUE KEY consistent_parked_row (table_name, key_hash)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`;
}

/** Creates the table of parked rows where it is missing. The module does it at start-up too, if its user may. */
export async function createParkedTable(queryRunner: QueryRunner): Promise<void> {
  await queryRunner.query(parkedTableSql());
}

export async function dropParkedTable(queryRunner: QueryRunner): Promise<void> {
  await queryRunner.query('DROP TABLE IF EXISTS consistent_parked');
}

/** The table of the binlog backstop's places in the log; one per database. `epoch` fences off a former leader. */
export function checkpointTableSql(): string {
  return `CREATE TABLE IF NOT EXISTS consistent_checkpoint (
  name varchar(190) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY,
  gtid_set mediumtext CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  file varchar(512) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  position bigint unsigned NOT NULL,
  server_uuid varchar(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  leader varchar(255) NOT NULL,
  epoch bigint unsigned NOT NULL,
  index_uuids json NOT NULL,
  to_verify json NOT NULL,
  updated_at datetime(6) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`;
}

/** Creates the table of checkpoints where it is missing. The backstop does it at start-up too, if its user may. */
export async function createCheckpointTable(queryRunner: QueryRunner): Promise<void> {
  await queryRunner.query(checkpointTableSql());
}

/** The backstop then begins as if it was new. */
export async function dropCheckpointTable(queryRunner: QueryRunner): Promise<void> {
  await queryRunner.query('DROP TABLE IF EXISTS consistent_checkpoint');
}

// --- what is asked for ----------------------------------------------------------------------------------------------

function resolveTarget(
  { dataSource }: QueryRunner,
  target: EntityTarget<any> | string,
  options: ConsistencyColumnsOptions,
): { table: string; names: ConsistencyColumnNames } {
  const metadata =
    typeof target === 'string'
      ? dataSource.entityMetadatas.find((one) => one.tablePath === target || one.tableName === target)
      : dataSource.getMetadata(target);
  const embedded = metadata?.embeddeds.find((one) => one.type === Consistency);
  const named = Object.fromEntries(
    (embedded?.columns ?? []).map((column) => [column.propertyName, column.databaseName]),
  ) as Partial<ConsistencyColumnNames>;
  const table = typeof target === 'string' ? target : metadata!.tablePath;
  return { table, names: { ...CONSISTENCY_NAMES, ...named, ...options.names } };
}

// --- what is there --------------------------------------------------------------------------------------------------

async function presentParts(queryRunner: QueryRunner, table: string, names: ConsistencyColumnNames) {
  const [name, database] = table.split('.').toReversed() as [string, string | undefined];
  const here = 'WHERE TABLE_SCHEMA = COALESCE(?, DATABASE()) AND TABLE_NAME = ?';
  const parameters = [database ?? null, name];
  const found = (await queryRunner.query(
    `SELECT COLUMN_NAME AS name, CAST(COLUMN_TYPE AS CHAR) AS type FROM information_schema.COLUMNS ${here}`,
    parameters,
  )) as { name: string; type: string }[];
  if (found.length === 0) {
    throw new InvalidSchemaError(
      `There is no table ${table} to give the consistency columns to. Create it in an earlier migration.`,
      { table },
    );
  }
  const columns = COLUMN_KEYS.filter((key) => {
    const column = found.find((one) => one.name === names[key]);
    if (column && column.type.toLowerCase() !== TYPES[key]) {
      throw new InvalidSchemaError(
        `${table}.${names[key]} is ${column.type}, and the protocol needs ${TYPES[key]}. Rename or drop that column.`,
        { table, column: names[key], type: column.type },
      );
    }
    return column !== undefined;
  });
  const index = (await queryRunner.query(
    `SELECT 1 FROM information_schema.STATISTICS ${here} AND INDEX_NAME = ? LIMIT 1`,
    [...parameters, names.deadlineIndex],
  )) as unknown[];
  return { columns, index: index.length > 0 };
}

async function refuseWhilePending(queryRunner: QueryRunner, table: string, names: ConsistencyColumnNames) {
  const pending = (await queryRunner.query(
    `SELECT 1 FROM ${quotePath(table)} WHERE ${quote(names.state)} = 'prepare' LIMIT 1`,
  )) as unknown[];
  if (pending.length === 0) return;
  throw new InvalidSchemaError(
    `${table} has rows in \`prepare\`, whose undo image would be lost. Let the sweeper settle them first, ` +
      'or pass { evenIfPending: true }.',
    { table },
  );
}

// --- statements -----------------------------------------------------------------------------------------------------

async function alter(queryRunner: QueryRunner, statement: string): Promise<void> {
  try {
    await queryRunner.query(`${statement}, ALGORITHM=INSTANT`);
  } catch (error) {
    if (!ALGORITHM_REFUSED.has(errnoOf(error) ?? 0)) throw error;
    await queryRunner.query(statement);
  }
}

function addColumns(table: string, names: ConsistencyColumnNames, keys: readonly ColumnKey[]): string {
  const parts = keys.map((key) => `ADD COLUMN ${quote(names[key])} ${DEFINITIONS[key]}`);
  return `ALTER TABLE ${quotePath(table)} ${parts.join(', ')}`;
}

function dropColumns(table: string, names: ConsistencyColumnNames, keys: readonly ColumnKey[]): string {
  return `ALTER TABLE ${quotePath(table)} ${keys.map((key) => `DROP COLUMN ${quote(names[key])}`).join(', ')}`;
}

function addIndex(table: string, names: ConsistencyColumnNames): string {
  return `CREATE INDEX ${quote(names.deadlineIndex)} ON ${quotePath(table)} (${quote(names.deadline)})`;
}

function dropIndex(table: string, names: ConsistencyColumnNames): string {
  return `DROP INDEX ${quote(names.deadlineIndex)} ON ${quotePath(table)}`;
}
