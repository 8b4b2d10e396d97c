import { InvalidSchemaError } from '../errors.js';

/** Runs one statement and resolves to its rows as objects: TypeORM's `dataSource.query` fits. */
export type SqlQuery = (sql: string, parameters?: unknown[]) => Promise<any[]>;

export interface ColumnShape {
  readonly name: string;
  /** The bare type in lower case, e.g. `bigint`, `varchar`, `geomcollection`. */
  readonly dataType: string;
  /** The whole type as MySQL prints it, e.g. `bigint unsigned zerofill`, `enum('a','b')`. */
  readonly columnType: string;
  readonly nullable: boolean;
  /** Character set of text, ENUM and SET columns, else null. */
  readonly charset: string | null;
  readonly generated: boolean;
  /** `ON UPDATE CURRENT_TIMESTAMP`. */
  readonly onUpdate: boolean;
  readonly autoIncrement: boolean;
  /** An explicit DEFAULT, also an expression or `DEFAULT CURRENT_TIMESTAMP`; `DEFAULT NULL` does not count. */
  readonly hasDefault: boolean;
  /** Digits after the second of TIME, DATETIME and TIMESTAMP (0 … 6), else null. */
  readonly fractionDigits: number | null;
}

export interface TriggerShape {
  readonly name: string;
  readonly timing: 'BEFORE' | 'AFTER';
  readonly event: 'INSERT' | 'UPDATE' | 'DELETE';
}

export interface UniqueKeyShape {
  readonly name: string;
  /** Empty for a functional key part: it has no column of its own. */
  readonly columns: readonly string[];
}

export interface ForeignKeyShape {
  readonly name: string;
  /** The table that carries the constraint. */
  readonly database: string;
  readonly table: string;
  readonly columns: readonly string[];
  readonly referencedDatabase: string;
  readonly referencedTable: string;
  readonly referencedColumns: readonly string[];
  /** `NO ACTION`, `RESTRICT`, `CASCADE`, `SET NULL` or `SET DEFAULT`. */
  readonly deleteRule: string;
  readonly updateRule: string;
}

/** A real table as information_schema describes it. */
export interface TableShape {
  readonly database: string;
  readonly table: string;
  readonly engine: string;
  readonly columns: readonly ColumnShape[];
  readonly primaryKey: readonly string[];
  /** Unique keys other than the primary one. */
  readonly uniqueKeys: readonly UniqueKeyShape[];
  readonly triggers: readonly TriggerShape[];
  /** Foreign keys of this table. */
  readonly foreignKeys: readonly ForeignKeyShape[];
  /** Foreign keys that point at this table; one of its own to itself is in both lists. */
  readonly referencedBy: readonly ForeignKeyShape[];
}

// Every column is aliased: information_schema prints its names in upper case, and a driver may be told otherwise.
const TABLE = `SELECT TABLE_SCHEMA AS \`database\`, TABLE_NAME AS name, TABLE_TYPE AS type, ENGINE AS engine FROM information_schema.TABLES
 WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?`;
const COLUMNS = `SELECT COLUMN_NAME AS name, DATA_TYPE AS dataType, CAST(COLUMN_TYPE AS CHAR) AS columnType,
 IS_NULLABLE = 'YES' AS nullable, CHARACTER_SET_NAME AS charset, EXTRA AS extra, COLUMN_DEFAULT IS NOT NULL AS hasDefault,
 DATETIME_PRECISION AS fractionDigits FROM information_schema.COLUMNS
 WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION`;
const KEYS = `SELECT INDEX_NAME AS name, COLUMN_NAME AS columnName FROM information_schema.STATISTICS
 WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND NON_UNIQUE = 0 ORDER BY INDEX_NAME, SEQ_IN_INDEX`;
const TRIGGERS = `SELECT TRIGGER_NAME AS name, ACTION_TIMING AS timing, EVENT_MANIPULATION AS event
 FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = ? AND EVENT_OBJECT_TABLE = ? ORDER BY name`;
const FOREIGN_KEYS = `SELECT k.CONSTRAINT_NAME AS name, k.TABLE_SCHEMA AS \`database\`, k.TABLE_NAME AS \`table\`,
 k.COLUMN_NAME AS columnName, k.REFERENCED_TABLE_SCHEMA AS referencedDatabase, k.REFERENCED_TABLE_NAME AS referencedTable,
 k.REFERENCED_COLUMN_NAME AS referencedColumn, r.DELETE_RULE AS deleteRule, r.UPDATE_RULE AS updateRule
 FROM information_schema.KEY_COLUMN_USAGE k JOIN information_schema.REFERENTIAL_CONSTRAINTS r
 ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME AND r.TABLE_NAME = k.TABLE_NAME
 WHERE k.REFERENCED_TABLE_NAME IS NOT NULL
 AND ((k.TABLE_SCHEMA = ? AND k.TABLE_NAME = ?) OR (k.REFERENCED_TABLE_SCHEMA = ? AND k.REFERENCED_TABLE_NAME = ?))
 ORDER BY k.TABLE_SCHEMA, k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION`;

/**
 * Reads the real table. Throws `InvalidSchemaError` when there is none by that name, or when it is a view: a view has no
 * rows of its own to keep a state in.
 */
export async function introspectTable(query: SqlQuery, givenDatabase: string, table: string): Promise<TableShape> {
  const [found] = await query(TABLE, [givenDatabase, table]);
  if (!found) {
    throw new InvalidSchemaError(
      `There is no table ${givenDatabase}.${table}, or the database user may not see it. Run the migrations first.`,
      { database: givenDatabase, table },
    );
  }
  if (found.type !== 'BASE TABLE') {
    throw new InvalidSchemaError(
      `${givenDatabase}.${table} is a ${String(found.type).toLowerCase()}: make the entity of the table behind it consistent.`,
      { database: givenDatabase, table },
    );
  }
  // MySQL may fold the names' case (lower_case_table_names); from here on its own spelling counts, which foreign keys and the log use too.
  const database = found.database as string;
  const name = found.name as string;
  const keys = uniqueKeys(await query(KEYS, [database, name]));
  const foreign = foreignKeys(await query(FOREIGN_KEYS, [database, name, database, name]));
  return {
    database,
    table: name,
    engine: found.engine as string,
    columns: (await query(COLUMNS, [database, name])).map(columnShape),
    primaryKey: keys.find((key) => key.name === 'PRIMARY')?.columns ?? [],
    uniqueKeys: keys.filter((key) => key.name !== 'PRIMARY'),
    triggers: (await query(TRIGGERS, [database, name])).map(({ name: trigger, timing, event }) => ({
      name: trigger,
      timing,
      event,
    })),
    foreignKeys: foreign.filter((key) => key.database === database && key.table === name),
    referencedBy: foreign.filter((key) => key.referencedDatabase === database && key.referencedTable === name),
  };
}

function columnShape(row: any): ColumnShape {
  const extra = String(row.extra).toLowerCase();
  return {
    name: row.name,
    dataType: String(row.dataType).toLowerCase(),
    columnType: String(row.columnType),
    nullable: Number(row.nullable) === 1,
    charset: row.charset,
    generated: /\b(virtual|stored) generated\b/.test(extra),
    onUpdate: extra.includes('on update'),
    autoIncrement: extra.includes('auto_increment'),
    hasDefault: Number(row.hasDefault) === 1,
    fractionDigits: row.fractionDigits === null ? null : Number(row.fractionDigits),
  };
}

function uniqueKeys(rows: any[]): UniqueKeyShape[] {
  return grouped(rows, (row) => row.name).map((parts) => ({
    name: parts[0].name,
    columns: parts.map((part) => part.columnName).filter((column) => column !== null),
  }));
}

function foreignKeys(rows: any[]): ForeignKeyShape[] {
  return grouped(rows, (row) => JSON.stringify([row.database, row.table, row.name])).map((parts) => {
    const { columnName: _column, referencedColumn: _referenced, ...shared } = parts[0];
    return {
      ...shared,
      columns: parts.map((part) => part.columnName),
      referencedColumns: parts.map((part) => part.referencedColumn),
    };
  });
}

function grouped(rows: any[], keyOf: (row: any) => string): any[][] {
  const groups = new Map<string, any[]>();
  for (const row of rows) {
    const key = keyOf(row);
    const group = groups.get(key);
    if (group) group.push(row);
    else groups.set(key, [row]);
  }
  return [...groups.values()];
}
