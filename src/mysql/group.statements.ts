import { raw as rawSql } from 'mysql2';
import type { BoundColumn, EntityBinding } from '../entity/entity.binding.js';
import type { RowKey } from '../entity/row.key.js';
import type { PendingWrite, Presence } from '../protocol/row.js';
import { undoObject } from './column.codec.js';
import { quote } from './identifier.js';
import { DEADLINE, NOW_MICROS, type RowStatements } from './row.statements.js';

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

/** What is to become of one locked row. */
export interface PlannedUpdate {
  readonly key: RowKey;
  readonly pending: PendingWrite;
  readonly changes: readonly ColumnValue[];
}

/**
 * What makes a prepare that is one autocommitted statement safe: it finds its own row again by the token, and changes a
 * row only as it was read.
 */
export interface AloneMark {
  /** Unique to this prepare. */
  readonly token: string;
  /** The version that the row was read at. */
  readonly version: number;
}

/** One look at MySQL's clock. */
export interface ClockReading {
  readonly version: number;
  /** `2026-01-02 03:04:05.123456`, UTC. */
  readonly deadline: string;
}

const INTEGERS = new Set(['tinyint', 'smallint', 'mediumint', 'int', 'bigint']);
const STRINGS = new Set(['char', 'varchar', 'binary', 'varbinary']);

/** The statements of a shared prepare: as in row.statements, with the entity's own columns in the same statement. */
export class GroupStatements {
  private readonly names: string[];
  private readonly always: readonly BoundColumn[];
  private readonly integerKey: boolean;
  private readonly comparable: boolean;

  constructor(
    private readonly binding: EntityBinding,
    private readonly rows: RowStatements,
  ) {
    const { state, version, deadline, pending } = binding.names;
    this.names = [state, version, deadline, pending].map(quote);
    const keyTypes = binding.key.map(
      ({ name }) => binding.shape.columns.find((column) => column.name === name)!.dataType,
    );
    this.integerKey = keyTypes.every((type) => INTEGERS.has(type));
    this.comparable = this.integerKey || keyTypes.every((type) => STRINGS.has(type));
    this.always = binding.columns.filter(({ codec, name }) => codec.generated || this.changesByItself(name));
  }

  /**
   * The version and the deadline that a row prepared now gets, by MySQL's clock. As literals they cost MySQL 0.005 ms less of
   * each row than as expressions, which pays for the round trip from about a hundred rows on.
   */
  clock(deadlineMicros: number): Statement {
    const sql = `SELECT CAST(${NOW_MICROS} AS UNSIGNED) AS version, CAST(${DEADLINE} AS CHAR) AS deadline`;
    return { sql, values: [deadlineMicros] };
  }

  /** Those of the rows that are there, their keys as `k0` …. */
  present(keys: readonly RowKey[]): Statement {
    const columns = this.binding.key.map(({ codec }, at) => `${codec.text} AS k${at}`).join(', ');
    return {
      sql: `SELECT ${columns} FROM ${this.binding.table} WHERE ${this.rows.keyIs(keys.length)}`,
      values: keys.flatMap((key) => key.parameters),
    };
  }

  /** One statement for all rows; a row's missing columns take their defaults. `clock`: what `clock` answered. */
  insert(
    columns: readonly BoundColumn[],
    rows: readonly ReadonlyMap<string, unknown>[],
    deadlineMicros: number,
    token?: string,
    clock?: ClockReading,
  ): Statement {
    const { decider } = this.binding;
    const fields = { operation: 'insert', next: 'present', before: 'absent', decider, token, previous: null };
    const version = clock ? clock.version : `CAST(${NOW_MICROS} AS UNSIGNED)`;
    const deadline = clock ? `'${clock.deadline}'` : DEADLINE.replace('?', String(deadlineMicros));
    // No quote and no backslash in it: the same for every row, so it is not escaped for each.
    const ours = `'prepare', ${version}, ${deadline}, '${JSON.stringify(fields)}'`;
    const values: unknown[] = [];
    const tuples = rows.map((row) => {
      const own: string[] = columns.map(({ name }) => {
        const value = row.get(name);
        if (value === undefined) return 'DEFAULT';
        values.push(value);
        return '?';
      });
      own.push(ours);
      return `(${own.join(', ')})`;
    });
    const names = [...columns.map(({ name }) => quote(name)), ...this.names].join(', ');
    return { sql: `INSERT INTO ${this.binding.table} (${names}) VALUES ${tuples.join(', ')}`, values };
  }

  /** The images of the rows that the INSERT before it has just given their ids. */
  insertedImages(rows: number): Statement {
    const id = quote(this.binding.key[0]!.name);
    // With another increment other servers' rows may lie between ours: no rows, and the batch's members go singly.
    const range = `${id} >= LAST_INSERT_ID() AND ${id} < LAST_INSERT_ID() + ${rows} AND @@auto_increment_increment = 1`;
    return { sql: `${this.rows.imageColumns()} WHERE ${range} ORDER BY ${id}`, values: [] };
  }

  /**
   * Images, locked in key order. A row that a foreign transaction holds is left out, and its writer waits for it singly:
   * the others must not.
   */
  lock(keys: readonly RowKey[]): Statement {
    const order = this.binding.key.map(({ name }) => quote(name)).join(', ');
    return {
      sql: `${this.rows.lockColumns()} WHERE ${this.rows.keyIs(keys.length)} ORDER BY ${order} FOR UPDATE SKIP LOCKED`,
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
   * prepare of locked rows that change the same columns, as one statement: several times cheaper for MySQL than one
   * each. It stays a single-table UPDATE, whose SET list is evaluated from left to right, so the undo image comes first.
   * The image holds the columns that change and those that MySQL changes by itself; a column that is not in it is
   * restored, and read back, as it is.
   */
  update(rows: readonly PlannedUpdate[], deadlineMicros: number, alone?: AloneMark): Statement {
    const { table } = this.binding;
    const [state, version, deadline, pendingName] = this.names;
    const { pending, changes } = rows[0]!;
    const changed = new Set(changes.map(({ column }) => column.name));
    const image =
      pending.operation === 'update' ? undoObject(this.imageColumns(changed).map(({ codec }) => codec)) : 'NULL';
    const sets = [
      `${pendingName} = JSON_OBJECT('operation', ?, 'next', ?, 'before', ?, 'decider', ?${alone ? ", 'token', ?" : ''}, 'version', ${version}, 'previous', ${image})`,
    ];
    const values: unknown[] = [pending.operation, pending.next, pending.before, pending.decider];
    if (alone) values.push(alone.token);
    changes.forEach(({ column }, at) => {
      sets.push(`${quote(column.name)} = ${this.valueByKey(rows, at, values)}`);
    });
    sets.push(...this.bookkeeping(changed));
    sets.push(`${state} = 'prepare'`, `${version} = ${this.rows.nextVersion}`, `${deadline} = ${DEADLINE}`);
    values.push(deadlineMicros, ...rows.flatMap(({ key }) => key.parameters));
    let where = this.rows.keyIs(rows.length);
    if (alone) {
      where += ` AND ${state} = 'commit' AND ${version} = ?${this.hasDocument(pending.before)}`;
      values.push(alone.version);
    }
    return { sql: `UPDATE ${table} SET ${sets.join(', ')} WHERE ${where}`, values };
  }

  /** The row may have been soft-deleted, or recovered, around the library since it was read. */
  private hasDocument(before: Presence): string {
    const deleted = this.binding.metadata.deleteDateColumn;
    return deleted ? ` AND ${quote(deleted.databaseName)} IS ${before === 'present' ? '' : 'NOT '}NULL` : '';
  }

  /** The image of the row that was prepared with this token, while it is so. Without a key it is looked for. */
  own(token: string, key?: RowKey): Statement {
    const where = key ? this.rows.keyIs(1) : this.inPrepare();
    return {
      sql: `${this.rows.imageColumns()} WHERE ${where} AND ${this.hasToken()}`,
      values: [...(key?.parameters ?? []), token],
    };
  }

  /** Version and key (`k0` …) of that row, where the image cannot be read. */
  ownVersion(token: string): Statement {
    const keys = this.binding.key.map(({ codec }, at) => `${codec.text} AS k${at}`).join(', ');
    const from = `FROM ${this.binding.table} WHERE ${this.inPrepare()} AND ${this.hasToken()}`;
    return { sql: `SELECT ${this.names[1]} AS version, ${keys} ${from}`, values: [token] };
  }

  /** By the index on the deadline: few rows are in `prepare`. */
  private inPrepare(): string {
    return `${this.names[2]} IS NOT NULL`;
  }

  private hasToken(): string {
    const [state, , , pending] = this.names;
    return `${state} = 'prepare' AND JSON_UNQUOTE(JSON_EXTRACT(${pending}, '$.token')) = ?`;
  }

  /** Rows that one statement may prepare: same columns, same operation, a key that CASE compares exactly. */
  shapeOf({ key, pending, changes }: PlannedUpdate): string {
    const columns = changes.map(({ column }) => column.name).join('\u0000');
    const own = this.comparable ? '' : key.id;
    return [pending.operation, pending.next, pending.before, own, columns].join('\u0001');
  }

  private valueByKey(rows: readonly PlannedUpdate[], at: number, values: unknown[]): string {
    if (rows.length === 1) {
      values.push(rows[0]!.changes[at]!.value);
      return '?';
    }
    const columns = this.binding.key.map(({ name }) => quote(name));
    const cases = rows.map(({ key, changes }) => {
      const { column, value } = changes[at]!;
      // CASE gives all its branches one type: numbers of a text column would all get the longest one's decimals.
      const own = typeof value === 'number' && this.isText(column) ? String(value) : value;
      values.push(...key.parameters.map((parameter) => this.exact(parameter)), own);
      return columns.length === 1
        ? 'WHEN ? THEN ?'
        : `WHEN ${columns.map((name) => `${name} = ?`).join(' AND ')} THEN ?`;
    });
    return `CASE ${columns.length === 1 ? columns[0]! : ''} ${cases.join(' ')} END`;
  }

  /** A bigint compared with a string is compared as a double; as a bare number it is not. */
  private exact(parameter: unknown): unknown {
    return typeof parameter === 'string' && this.integerKey ? raw(parameter) : parameter;
  }

  /** Version and date columns as TypeORM's `save` keeps them: touched only when something else changes. */
  private bookkeeping(changed: ReadonlySet<string>): string[] {
    const { metadata, columns } = this.binding;
    const sets: string[] = [];
    for (const { name, metadata: column } of columns) {
      if (changed.has(name)) continue;
      if (changed.size === 0) {
        if (this.onUpdate(name)) sets.push(`${quote(name)} = ${quote(name)}`);
      } else if (column && column === metadata.versionColumn) sets.push(`${quote(name)} = ${quote(name)} + 1`);
      else if (column && column === metadata.updateDateColumn) sets.push(`${quote(name)} = CURRENT_TIMESTAMP`);
    }
    return sets;
  }

  private imageColumns(changed: ReadonlySet<string>): readonly BoundColumn[] {
    if (changed.size === 0) return [];
    return this.binding.columns.filter((column) => changed.has(column.name) || this.always.includes(column));
  }

  private isText({ name }: BoundColumn): boolean {
    return this.binding.shape.columns.some((column) => column.name === name && column.charset !== null);
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

/** Digits only: nothing to escape. */
function raw(digits: string): unknown {
  return /^-?\d+$/.test(digits) ? rawSql(digits) : digits;
}
