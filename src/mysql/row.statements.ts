import type { BoundColumn, EntityBinding } from '../entity/entity.binding.js';
import { restoreAssignments, restoreHint, undoObject } from './column.codec.js';
import { quote } from './identifier.js';

/** MySQL's clock in µs since 1970, whatever the session's time zone: `UNIX_TIMESTAMP(NOW(6))` repeats an hour a year. */
export const NOW_MICROS = `TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))`;
export const DEADLINE = 'UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND';

/**
 * The SQL of one entity's protocol steps, built once. Every statement that changes a row in `prepare` names the
 * version it read, so a step that comes late changes nothing.
 *
 * Single-table UPDATE evaluates SET from left to right: the undo image is captured before any column changes.
 * Columns with ON UPDATE CURRENT_TIMESTAMP are set to themselves, or the flip would make the row differ from its document.
 */
export class RowStatements {
  private readonly state: string;
  private readonly version: string;
  private readonly deadline: string;
  private readonly pending: string;
  private readonly table: string;
  private readonly keepOnUpdate: string;
  private readonly previous: string;

  constructor(private readonly binding: EntityBinding) {
    const { names } = binding;
    this.state = quote(names.state);
    this.version = quote(names.version);
    this.deadline = quote(names.deadline);
    this.pending = quote(names.pending);
    this.table = binding.table;
    this.previous = `JSON_EXTRACT(${this.pending}, '$.previous')`;
    this.keepOnUpdate = binding.shape.columns
      .filter((column) => column.onUpdate)
      .map((column) => `, ${quote(column.name)} = ${quote(column.name)}`)
      .join('');
  }

  get nextVersion(): string {
    return `LAST_INSERT_ID(GREATEST(${this.version} + 1, CAST(${NOW_MICROS} AS UNSIGNED)))`;
  }

  /** `(a = ? AND b = ?)`, or `a IN (?, ?)` for several rows of a single-column key. */
  keyIs(rows: number): string {
    const columns = this.binding.key.map((column) => quote(column.name));
    if (columns.length === 1 && rows > 1) return `${columns[0]} IN (${Array(rows).fill('?').join(', ')})`;
    const one = `(${columns.map((column) => `${column} = ?`).join(' AND ')})`;
    return rows === 1 ? one : `(${Array(rows).fill(one).join(' OR ')})`;
  }

  /**
   * prepare of an update or a delete: captures the undo image, takes the next version, sets the deadline.
   * Under `decider: 'mysql'` a pending write is decided already, so the next one may go over it: that is what keeps a
   * row writable while Elasticsearch is away. A pending delete must be carried out first.
   * Parameters: operation, next, before, decider, deadline µs, key …, [expected version].
   */
  prepareExisting(withImage: boolean, expectVersion: boolean): string {
    const image = withImage ? undoObject(this.binding.columns.map((column) => column.codec)) : 'NULL';
    return (
      `UPDATE ${this.table} SET ${this.pending} = JSON_OBJECT('operation', ?, 'next', ?, 'before', ?, 'decider', ?, 'version', ${this.version}, 'previous', ${image})` +
      `${this.keepOnUpdate}, ${this.state} = 'prepare', ${this.version} = ${this.nextVersion}, ${this.deadline} = ${DEADLINE}` +
      ` WHERE ${this.keyIs(1)} AND ${this.free()}${expectVersion ? ` AND ${this.version} = ?` : ''}`
    );
  }

  private free(): string {
    if (this.binding.decider === 'elasticsearch') return `${this.state} = 'commit'`;
    const decided = ['decider', 'operation'].map((name) => `JSON_UNQUOTE(JSON_EXTRACT(${this.pending}, '$.${name}'))`);
    return `(${this.state} = 'commit' OR (${decided[0]} = 'mysql' AND ${decided[1]} <> 'delete'))`;
  }

  /** prepare of a row that this transaction has just inserted. Parameters: next, decider, deadline µs, key … */
  prepareInserted(): string {
    return (
      `UPDATE ${this.table} SET ${this.pending} = JSON_OBJECT('operation', 'insert', 'next', ?, 'before', 'absent', 'decider', ?, 'previous', NULL)` +
      `${this.keepOnUpdate}, ${this.state} = 'prepare', ${this.version} = ${this.nextVersion}, ${this.deadline} = ${DEADLINE}` +
      ` WHERE ${this.keyIs(1)}`
    );
  }

  /** Corrects whether the images have a document. Parameters: next, before, key … */
  setPresence(): string {
    return (
      `UPDATE ${this.table} SET ${this.pending} = JSON_SET(${this.pending}, '$.next', ?, '$.before', ?)${this.keepOnUpdate}` +
      ` WHERE ${this.keyIs(1)}`
    );
  }

  /** State, version and the key as the row spells it: what a writer looks at before it decides between insert and update. */
  probe(): string {
    return (
      `SELECT ${this.state} AS state, ${this.version} AS version, ${this.deadline} IS NULL AS parked, ${this.keyColumns()}` +
      ` FROM ${this.table} WHERE ${this.keyIs(1)}`
    );
  }

  /** The exact images of rows, and what is pending on them. Parameters: keys … */
  load(rows: number): string {
    const columns = this.binding.columns.map((column, at) => `${column.codec.text} AS c${at}`);
    const previous = this.binding.columns.map((column, at) => `${this.previousText(column)} AS p${at}`);
    return (
      `SELECT ${this.state} AS state, ${this.version} AS version, ${this.deadline} IS NULL AS parked, ` +
      `COALESCE(${this.deadline} < UTC_TIMESTAMP(6), 0) AS expired, ` +
      `CAST(${this.deadline} AS CHAR) AS deadline, ` +
      ['operation', 'next', 'before', 'decider', 'version']
        .map((name) => `JSON_UNQUOTE(JSON_EXTRACT(${this.pending}, '$.${name}')) AS ${quote(`pending_${name}`)}`)
        .join(', ') +
      `, JSON_TYPE(${this.previous}) = 'OBJECT' AS has_previous, ${[...columns, ...previous].join(', ')}` +
      ` FROM ${this.table} WHERE ${this.keyIs(rows)}`
    );
  }

  private previousText(column: BoundColumn): string {
    return column.codec.previousText(this.previous);
  }

  /** The current image of rows, up to WHERE. */
  imageColumns(): string {
    const columns = this.binding.columns.map((column, at) => `${column.codec.text} AS c${at}`);
    return `SELECT ${this.version} AS version, CAST(${this.deadline} AS CHAR) AS deadline, ${columns.join(', ')} FROM ${this.table}`;
  }

  /** As `imageColumns`, with the state and who may decide. */
  lockColumns(): string {
    const columns = this.binding.columns.map((column, at) => `${column.codec.text} AS c${at}`);
    return `SELECT ${this.state} AS state, ${this.version} AS version, ${columns.join(', ')} FROM ${this.table}`;
  }

  /** The flip of inserts and updates. Parameters: [keys … if several,] then key …, version per row. */
  commit(rows: number): string {
    return `${this.flip()} WHERE ${this.inPrepare(rows)}`;
  }

  /**
   * `commit` for many rows of a single-column key: rows prepared together share their version, and lists of keys are
   * searched, where a list of conditions is tried one by one. Parameters: all keys, then each group's version and keys; of a
   * lone group only the version.
   */
  commitGroups(sizes: readonly number[]): string {
    return `${this.flip()} WHERE ${this.groupsInPrepare(sizes)}`;
  }

  removeGroups(sizes: readonly number[]): string {
    return `DELETE FROM ${this.table} WHERE ${this.groupsInPrepare(sizes)}`;
  }

  private groupsInPrepare(sizes: readonly number[]): string {
    const rows = sizes.reduce((sum, size) => sum + size, 0);
    const groups = sizes.map((size) => `(${this.version} = ? AND ${this.keyIs(size)})`).join(' OR ');
    const versions = sizes.length === 1 ? `${this.version} = ?` : `(${groups})`;
    return `${this.keyIs(rows)} AND ${versions} AND ${this.state} = 'prepare'`;
  }

  private flip(): string {
    return `UPDATE ${this.table} SET ${this.state} = 'commit', ${this.deadline} = NULL, ${this.pending} = NULL${this.keepOnUpdate}`;
  }

  /** Those of the rows that nobody has locked, locked. Parameters as `commit`. */
  lockFree(rows: number): string {
    return (
      `SELECT ${this.keyColumns()}, ${this.version} AS version FROM ${this.table} WHERE ${this.inPrepare(rows)}` +
      ` FOR UPDATE SKIP LOCKED`
    );
  }

  /** The commit of a delete, and the restore of an insert. Parameters as `commit`. */
  remove(rows: number): string {
    return `DELETE FROM ${this.table} WHERE ${this.inPrepare(rows)}`;
  }

  /** Puts the undo image back at the same version. Parameters: key …, version. */
  restore(): string {
    const codecs = this.binding.columns.map((column) => column.codec);
    const columns = restoreAssignments(codecs, this.previous);
    return (
      `UPDATE ${restoreHint(codecs)} ${this.table} SET ${columns}, ${this.state} = 'commit', ${this.deadline} = NULL, ${this.pending} = NULL` +
      ` WHERE ${this.inPrepare(1)}`
    );
  }

  /**
   * Lifts a pending row above a version from outside the protocol. Where that is a tombstone its version cannot be seen,
   * but the clock has most likely passed it. The write counts as decided from then on: it may have landed, and been acknowledged, before
   * the other version came over it. Parameters: their version, key …, version.
   */
  lift(): string {
    return (
      `UPDATE ${this.table} SET ${this.pending} = JSON_SET(${this.pending}, '$.decider', 'mysql'), ${this.version} = GREATEST(? + 1, ${this.version} + 1, CAST(${NOW_MICROS} AS UNSIGNED))${this.keepOnUpdate}` +
      ` WHERE ${this.inPrepare(1)}`
    );
  }

  /** A parked row has no deadline: the sweeper and the barrier leave it alone. Parameters: key …, version. */
  park(): string {
    return `UPDATE ${this.table} SET ${this.deadline} = NULL${this.keepOnUpdate} WHERE ${this.inPrepare(1)}`;
  }

  /**
   * Turns a parked write into a decided update of the row as it is, at a version of its own: the index then follows.
   * Parameters: next, key …, version.
   */
  acceptPending(): string {
    return (
      `UPDATE ${this.table} SET ${this.pending} = JSON_SET(${this.pending}, '$.operation', 'update', '$.next', ?,` +
      ` '$.decider', 'mysql')${this.keepOnUpdate}, ${this.version} = ${this.nextVersion}` +
      ` WHERE ${this.inPrepare(1)} AND ${this.deadline} IS NULL`
    );
  }

  /** Rows for one sweep, locked for the claim only. Parameters: limit. */
  claim(): string {
    return (
      `SELECT ${this.keyColumns()}, ${this.version} AS version FROM ${this.table} WHERE ${this.deadline} < UTC_TIMESTAMP(6)` +
      ` ORDER BY ${this.deadline} LIMIT ? FOR UPDATE SKIP LOCKED`
    );
  }

  /** The lease: nobody else sweeps these rows until it ends. Parameters: lease µs, keys … */
  lease(rows: number): string {
    return `UPDATE ${this.table} SET ${this.deadline} = ${DEADLINE}${this.keepOnUpdate} WHERE ${this.keyIs(rows)}`;
  }

  /** Rows in `prepare` right now, for the barrier. Parameters: limit. */
  undecided(onlyDeletes: boolean): string {
    const filter = onlyDeletes ? ` AND JSON_UNQUOTE(JSON_EXTRACT(${this.pending}, '$.operation')) = 'delete'` : '';
    return (
      `SELECT ${this.keyColumns()}, ${this.version} AS version FROM ${this.table}` +
      ` WHERE ${this.deadline} IS NOT NULL${filter} ORDER BY ${this.deadline} LIMIT ?`
    );
  }

  private keyColumns(): string {
    return this.binding.key.map((column, at) => `${column.codec.text} AS k${at}`).join(', ');
  }

  /** With several rows the key is named by itself as well: `(key, version) IN (…)` alone scans the table. */
  private inPrepare(rows: number): string {
    const pair = `(${this.keyIs(1)} AND ${this.version} = ?)`;
    const pairs = rows === 1 ? pair : `${this.keyIs(rows)} AND (${Array(rows).fill(pair).join(' OR ')})`;
    return `${pairs} AND ${this.state} = 'prepare'`;
  }
}
