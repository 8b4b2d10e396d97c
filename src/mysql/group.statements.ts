import type { BoundColumn, EntityBinding } from '../entity/entity.binding.js';
import type { RowKey } from '../entity/row.key.js';
import type { PendingWrite } from '../protocol/row.js';
import { undoObject } from './column.codec.js';
import { DEADLINE, NOW_MICROS, quote, type RowStatements } from './row.statements.js';

/** A column and the value that MySQL gets for it; undefined is DEFAULT. */
export interface ColumnValue {
  readonly column: BoundColumn;
  readonly value: unknown;
}

/** SQL text with its values, before escaping. */
export interface Statement {
  readonly sql: string;
  readonly values: readonly unknown[];
}

/** The statements of a shared prepare: as in row.statements, with the entity's own columns in the same statement. */
export class GroupStatements {
  private readonly names: string[];
  private readonly always: readonly BoundColumn[];

  constructor(
    private readonly binding: EntityBinding,
    private readonly rows: RowStatements,
  ) {
    const { state, version, deadline, pending } = binding.names;
    this.names = [state, version, deadline, pending].map(quote);
    this.always = binding.columns.filter(({ codec, name }) => codec.generated || this.changesByItself(name));
  }

  /** One statement for all rows; a row's missing columns take their defaults. */
  insert(
    columns: readonly BoundColumn[],
    rows: readonly ReadonlyMap<string, unknown>[],
    deadlineMicros: number,
  ): Statement {
    const { decider } = this.binding;
    const pending = JSON.stringify({ operation: 'insert', next: 'present', before: 'absent', decider, previous: null });
    const values: unknown[] = [];
    const tuples = rows.map((row) => {
      const own = columns.map(({ name }) => {
        const value = row.get(name);
        if (value === undefined) return 'DEFAULT';
        values.push(value);
        return '?';
      });
      values.push(deadlineMicros, pending);
      return `(${[...own, `'prepare', CAST(${NOW_MICROS} AS UNSIGNED), ${DEADLINE}, ?`].join(', ')})`;
    });
    const names = [...columns.map(({ name }) => quote(name)), ...this.names].join(', ');
    return { sql: `INSERT INTO ${this.binding.table} (${names}) VALUES ${tuples.join(', ')}`, values };
  }

  /** The images of the rows that the INSERT before it has just given their ids. */
  insertedImages(rows: number): string {
    const id = quote(this.binding.key[0]!.name);
    const range = `${id} >= LAST_INSERT_ID() AND ${id} < LAST_INSERT_ID() + ${rows}`;
    return `${this.rows.imageColumns()} WHERE ${range} ORDER BY ${id}`;
  }

  /** Images, locked, in key order: two batches that share rows cannot wait for each other in a circle. */
  lock(keys: readonly RowKey[]): Statement {
    const order = this.binding.key.map(({ name }) => quote(name)).join(', ');
    return {
      sql: `${this.rows.lockColumns()} WHERE ${this.rows.keyIs(keys.length)} ORDER BY ${order} FOR UPDATE`,
      values: keys.flatMap((key) => key.parameters),
    };
  }

  images(keys: readonly RowKey[]): Statement {
    return {
      sql: `${this.rows.imageColumns()} WHERE ${this.rows.keyIs(keys.length)}`,
      values: keys.flatMap((key) => key.parameters),
    };
  }

  /**
   * prepare of one locked row. The undo image holds the columns that change and those that MySQL changes by itself; a
   * column that is not in it is restored, and read back, as it is.
   */
  update(
    key: RowKey,
    version: number,
    pending: PendingWrite,
    changes: readonly ColumnValue[],
    deadlineMicros: number,
  ): Statement {
    const { metadata, names, table } = this.binding;
    const [state, versionName, deadline, pendingName] = this.names;
    const changed = new Set(changes.map(({ column }) => column.name));
    const values: unknown[] = [pending.operation, pending.next, pending.before, pending.decider];
    const image =
      pending.operation === 'update'
        ? undoObject([...this.imageColumns(changed, changes.length > 0)].map(({ codec }) => codec))
        : 'NULL';
    const sets = [
      `${pendingName} = JSON_OBJECT('operation', ?, 'next', ?, 'before', ?, 'decider', ?, 'version', ${versionName}, 'previous', ${image})`,
    ];
    for (const { column, value } of changes) {
      sets.push(`${quote(column.name)} = ?`);
      values.push(value);
    }
    for (const column of this.binding.columns) {
      if (changed.has(column.name)) continue;
      if (changes.length > 0 && column.metadata === metadata.versionColumn && column.metadata) {
        sets.push(`${quote(column.name)} = ${quote(column.name)} + 1`);
      } else if (changes.length > 0 && column.metadata === metadata.updateDateColumn && column.metadata) {
        sets.push(`${quote(column.name)} = CURRENT_TIMESTAMP`);
      } else if (changes.length === 0 && this.onUpdate(column.name)) {
        sets.push(`${quote(column.name)} = ${quote(column.name)}`);
      }
    }
    sets.push(`${state} = 'prepare'`, `${versionName} = ${this.rows.nextVersion}`, `${deadline} = ${DEADLINE}`);
    values.push(deadlineMicros, ...key.parameters, version);
    void names;
    return {
      sql: `UPDATE ${table} SET ${sets.join(', ')} WHERE ${this.rows.keyIs(1)} AND ${versionName} = ?`,
      values,
    };
  }

  private imageColumns(changed: ReadonlySet<string>, any: boolean): readonly BoundColumn[] {
    if (!any) return [];
    return this.binding.columns.filter((column) => changed.has(column.name) || this.always.includes(column));
  }

  private onUpdate(name: string): boolean {
    return this.binding.shape.columns.some((column) => column.name === name && column.onUpdate);
  }

  private changesByItself(name: string): boolean {
    const { metadata } = this.binding;
    const own = [metadata.versionColumn, metadata.updateDateColumn].some((column) => column?.databaseName === name);
    return own || this.onUpdate(name);
  }
}
