import type { SqlQuery } from '../mysql/table.introspection.js';
import type { CascadeRule } from './cascade.watch.js';

interface ForeignKey {
  readonly child: string;
  readonly parent: string;
  readonly onDelete: boolean;
  readonly onUpdateOf: readonly string[];
}

// Aliased, as a driver may be told to change the case of names.
const ACTING_KEYS = `SELECT r.CONSTRAINT_SCHEMA AS childDatabase, r.TABLE_NAME AS childTable,
 k.REFERENCED_TABLE_SCHEMA AS parentDatabase, k.REFERENCED_TABLE_NAME AS parentTable, r.CONSTRAINT_NAME AS name,
 k.REFERENCED_COLUMN_NAME AS columnName, r.DELETE_RULE AS deleteRule, r.UPDATE_RULE AS updateRule
 FROM information_schema.REFERENTIAL_CONSTRAINTS r JOIN information_schema.KEY_COLUMN_USAGE k
 ON k.CONSTRAINT_SCHEMA = r.CONSTRAINT_SCHEMA AND k.CONSTRAINT_NAME = r.CONSTRAINT_NAME AND k.TABLE_NAME = r.TABLE_NAME
 WHERE k.REFERENCED_TABLE_NAME IS NOT NULL
 AND (r.DELETE_RULE NOT IN ('NO ACTION', 'RESTRICT') OR r.UPDATE_RULE NOT IN ('NO ACTION', 'RESTRICT'))`;

/** The foreign keys by which other tables' changes reach these tables (`database.table`), as far as the user may see them. */
export async function readCascades(query: SqlQuery, watched: Iterable<string>): Promise<CascadeRule[]> {
  return cascadesInto(watched, keysOf(await query(ACTING_KEYS)));
}

/** Whether the server leaves cascades to InnoDB in every session: then none of them is in its log. */
export async function logsNoCascades(query: SqlQuery): Promise<boolean> {
  const [row] = await query(`SHOW GLOBAL VARIABLES LIKE 'innodb_native_foreign_keys'`);
  // Servers before 9.6 do not know it.
  return row === undefined || String(row.Value).toUpperCase() === 'ON';
}

/** Pure. Through any number of tables: what is deleted from one can delete from the next. */
function cascadesInto(watched: Iterable<string>, keys: readonly ForeignKey[]): CascadeRule[] {
  const rules: CascadeRule[] = [];
  for (const child of watched) {
    const reached = new Set([child]);
    // Grows while it is gone through.
    for (const table of reached) {
      for (const { parent, onDelete, onUpdateOf } of keys.filter((key) => key.child === table)) {
        rules.push({ parent, child, onDelete, onUpdateOf });
        reached.add(parent);
      }
    }
  }
  return rules;
}

function keysOf(rows: readonly any[]): ForeignKey[] {
  const keys = new Map<string, { -readonly [Field in keyof ForeignKey]: ForeignKey[Field] }>();
  for (const row of rows) {
    const id = JSON.stringify([row.childDatabase, row.childTable, row.name]);
    const key = keys.get(id) ?? {
      child: `${row.childDatabase}.${row.childTable}`,
      parent: `${row.parentDatabase}.${row.parentTable}`,
      onDelete: acts(row.deleteRule),
      onUpdateOf: [],
    };
    if (acts(row.updateRule)) key.onUpdateOf = [...key.onUpdateOf, row.columnName];
    keys.set(id, key);
  }
  return [...keys.values()];
}

const acts = (rule: string): boolean => rule !== 'NO ACTION' && rule !== 'RESTRICT';
