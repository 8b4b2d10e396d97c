import type { BoundColumn, EntityBinding } from '../entity/entity.binding.js';
import type { RowImage } from '../entity/row.image.js';
import { keyOfImage, type RowKey } from '../entity/row.key.js';
import { type Decider, type Operation, type PendingWrite, type Presence, type RowState } from '../protocol/row.js';
import { RowStatements } from './row.statements.js';
import { primaryRunner, queryPrimary } from './statement.timeout.js';
import { textOf, versionOf } from './row.values.js';

/** A connection or a pool: both take statements. */
export interface SqlRunner {
  query(sql: string, parameters?: any[]): Promise<any>;
}

/** One row as one reading saw it. `pending` is set exactly when `state` is `prepare`. */
export interface LoadedRow {
  readonly key: RowKey;
  readonly state: RowState;
  readonly version: number;
  readonly expired: boolean;
  /** In `prepare` without a deadline: waits for a person. */
  readonly parked: boolean;
  readonly deadline: string | null;
  readonly pending: PendingWrite | null;
  readonly image: RowImage;
  readonly previous: RowImage | null;
  /** The version of the image before the pending write; 0 before an insert. */
  readonly previousVersion: number;
}

/** What a writer needs to know of a row before it writes. */
export interface ProbedRow {
  readonly state: RowState;
  readonly version: number;
  readonly parked: boolean;
  /** The key's columns, as the row itself spells them. */
  readonly keyImage: RowImage;
}

export interface VersionedKey {
  readonly key: RowKey;
  readonly version: number;
}

interface Header {
  affectedRows: number;
  insertId: number | string;
}

const MICROS_PER_MS = 1_000;

/** The protocol's steps on one table, as SQL. Knows nothing of Elasticsearch, decides nothing. */
export class RowStore {
  /** Exchanged by `rebind`. */
  statements: RowStatements;

  constructor(readonly binding: EntityBinding) {
    this.statements = new RowStatements(binding);
  }

  /** The binding was given other columns. */
  rebind(): void {
    this.statements = new RowStatements(this.binding);
  }

  /** Takes single statements, each on a connection of its own and within the statements' limit, or this shorter one. */
  primary(timeoutMs?: number): SqlRunner {
    const { dataSource } = this.binding;
    return { query: (sql, parameters) => queryPrimary(dataSource, sql, parameters, timeoutMs) };
  }

  // --- inside the transaction that prepares -------------------------------------------------------------------------

  /** Moves an existing `commit` row to `prepare`; its new version, or null when it is not there as expected. */
  async prepareExisting(
    runner: SqlRunner,
    key: RowKey,
    pending: PendingWrite,
    deadlineMs: number,
    expectedVersion?: number,
  ): Promise<number | null> {
    const withImage = pending.operation === 'update';
    const header = await this.change(
      runner,
      this.statements.prepareExisting(withImage, expectedVersion !== undefined),
      [pending.operation, pending.next, pending.before, pending.decider, deadlineMs * MICROS_PER_MS, ...key.parameters],
      expectedVersion === undefined ? [] : [expectedVersion],
    );
    return header.affectedRows === 1 ? versionOf(header.insertId) : null;
  }

  async prepareInserted(runner: SqlRunner, key: RowKey, next: Presence, deadlineMs: number): Promise<number | null> {
    const parameters = [next, this.binding.decider, deadlineMs * MICROS_PER_MS, ...key.parameters];
    const header = await this.change(runner, this.statements.prepareInserted(), parameters);
    return header.affectedRows === 1 ? versionOf(header.insertId) : null;
  }

  async setPresence(runner: SqlRunner, key: RowKey, next: Presence, before: Presence): Promise<void> {
    await this.change(runner, this.statements.setPresence(), [next, before, ...key.parameters]);
  }

  /** Gives rows of a long transaction their full time again, just before it commits. */
  async renewDeadlines(
    runner: SqlRunner,
    rows: readonly { key: RowKey; complete: boolean }[],
    deadlineMs: number,
  ): Promise<void> {
    const pending = rows.filter((row) => !row.complete);
    if (pending.length === 0) return;
    const parameters = [deadlineMs * MICROS_PER_MS, ...pending.flatMap((row) => row.key.parameters)];
    await this.change(runner, this.statements.lease(pending.length), parameters);
  }

  /** State, version and key of a row, without locking. */
  async probe(runner: SqlRunner, key: RowKey): Promise<ProbedRow | null> {
    const rows = await this.select(runner, this.statements.probe(), key.parameters);
    const row = rows[0];
    if (!row) return null;
    const state = row.state as RowState;
    return {
      state,
      version: versionOf(row.version),
      parked: state === 'prepare' && Number(row.parked) === 1,
      keyImage: this.keyImageOf(row),
    };
  }

  // --- settling -----------------------------------------------------------------------------------------------------

  /** Reads rows by key, on the primary. Rows that are gone are missing from the answer. */
  async load(keys: readonly RowKey[], runner: SqlRunner = this.primary()): Promise<Map<string, LoadedRow>> {
    const found = new Map<string, LoadedRow>();
    if (keys.length === 0) return found;
    const parameters = keys.flatMap((key) => key.parameters);
    const { columns } = this.binding;
    const rows = await this.select(runner, this.statements.load(keys.length), parameters);
    for (const raw of rows) {
      const row = this.loaded(raw, columns);
      found.set(row.key.id, row);
    }
    // A case-insensitive key may be asked for in another spelling than the row's own.
    if (keys.length === 1 && rows.length === 1) found.set(keys[0]!.id, [...found.values()][0]!);
    const missing = keys.filter((key) => !found.has(key.id));
    if (missing.length === 0 || found.size === keys.length - missing.length) return found;
    for (const key of missing) {
      const row = (await this.load([key], runner)).get(key.id);
      if (row) found.set(key.id, row);
    }
    return found;
  }

  /** Locks those of the rows that are in `prepare` at their version and that nobody else has locked. */
  async lockFree<Row extends VersionedKey>(rows: readonly Row[], runner: SqlRunner): Promise<Row[]> {
    const taken = await this.select(runner, this.statements.lockFree(rows.length), pairs(rows));
    const ids = new Set(taken.map((row) => this.keyOf(row).id));
    return rows.filter(({ key }) => ids.has(key.id));
  }

  /** Flips rows to `commit`, or removes them where that is what their write does. Answers how many were flipped. */
  async commit(rows: readonly (VersionedKey & { operation: Operation })[], runner: SqlRunner = this.primary()) {
    const removals = rows.filter((row) => row.operation === 'delete');
    const flips = rows.filter((row) => row.operation !== 'delete');
    let affected = 0;
    for (const [operation, group] of [
      ['commit', flips],
      ['remove', removals],
    ] as const) {
      if (group.length === 0) continue;
      const [sql, parameters] = this.flipOf(operation, group);
      affected += (await this.change(runner, sql, parameters)).affectedRows;
    }
    return affected;
  }

  private flipOf(operation: 'commit' | 'remove', rows: readonly VersionedKey[]): [sql: string, parameters: unknown[]] {
    const { statements, binding } = this;
    if (rows.length === 1 || binding.key.length > 1) return [statements[operation](rows.length), pairs(rows)];
    const versions = new Map<number, unknown[]>();
    for (const { key, version } of rows) {
      const alike = versions.get(version);
      if (alike) alike.push(...key.parameters);
      else versions.set(version, [...key.parameters]);
    }
    const groups = [...versions.values()];
    const parameters =
      groups.length === 1 ? [...versions.keys()] : [...versions].flatMap(([version, keys]) => [version, ...keys]);
    const sizes = groups.map(({ length }) => length);
    const sql = operation === 'commit' ? statements.commitGroups(sizes) : statements.removeGroups(sizes);
    return [sql, [...groups.flat(), ...parameters]];
  }

  /** Puts the undo image back at the same version. False when the row is no longer in `prepare` at it. */
  async restore(row: VersionedKey & { operation: Operation }, runner: SqlRunner = this.primary()): Promise<boolean> {
    const sql =
      row.operation === 'insert'
        ? this.statements.remove(1)
        : row.operation === 'update'
          ? this.statements.restore()
          : this.statements.commit(1);
    return (await this.change(runner, sql, pairs([row]))).affectedRows === 1;
  }

  /** Lifts a pending row above `theirs`, a version that came from outside the protocol. */
  async lift(row: VersionedKey, theirs: number): Promise<boolean> {
    return (await this.change(this.primary(), this.statements.lift(), [theirs, ...pairs([row])])).affectedRows === 1;
  }

  async park(row: VersionedKey, runner: SqlRunner = this.primary()): Promise<boolean> {
    return (await this.change(runner, this.statements.park(), pairs([row]))).affectedRows === 1;
  }

  /** The new version, or null when the row is no longer parked at this one. */
  async acceptPending(row: VersionedKey, next: Presence): Promise<number | null> {
    const header = await this.change(this.primary(), this.statements.acceptPending(), [next, ...pairs([row])]);
    return header.affectedRows === 1 ? versionOf(header.insertId) : null;
  }

  /**
   * Takes up to `limit` rows whose deadline has passed for `leaseMs`. Two sweepers never get the same row: the claim
   * skips locked rows, and the lease is a later deadline. A deadline is never a matter of safety.
   */
  async claim(limit: number, leaseMs: number): Promise<VersionedKey[]> {
    const runner = primaryRunner(this.binding.dataSource);
    try {
      await runner.startTransaction('READ COMMITTED');
      const rows = await this.select(runner, this.statements.claim(), [limit]);
      const claimed = rows.map((row) => ({ key: this.keyOf(row), version: versionOf(row.version) }));
      if (claimed.length > 0) {
        const parameters = [leaseMs * MICROS_PER_MS, ...claimed.flatMap(({ key }) => key.parameters)];
        await this.change(runner, this.statements.lease(claimed.length), parameters);
      }
      await runner.commitTransaction();
      return claimed;
    } finally {
      if (runner.isTransactionActive) await runner.rollbackTransaction().catch(() => undefined);
      await runner.release();
    }
  }

  /** Rows that are in `prepare` now and are not parked. */
  async undecided(limit: number, onlyDeletes: boolean, runner: SqlRunner = this.primary()): Promise<VersionedKey[]> {
    const rows = await this.select(runner, this.statements.undecided(onlyDeletes), [limit]);
    return rows.map((row) => ({ key: this.keyOf(row), version: versionOf(row.version) }));
  }

  // --- reading answers ----------------------------------------------------------------------------------------------

  private loaded(row: Record<string, unknown>, columns: readonly BoundColumn[]): LoadedRow {
    const image = this.imageOf(row, 'c', columns);
    const state = row.state as RowState;
    const prepared = state === 'prepare';
    return {
      key: keyOfImage(this.binding, image),
      state,
      version: versionOf(row.version),
      expired: Number(row.expired) === 1,
      parked: prepared && Number(row.parked) === 1,
      deadline: row.deadline as string | null,
      pending: prepared
        ? {
            operation: row.pending_operation as Operation,
            next: row.pending_next as Presence,
            before: row.pending_before as Presence,
            decider: row.pending_decider as Decider,
          }
        : null,
      image,
      previous: Number(row.has_previous) === 1 ? this.imageOf(row, 'p', columns) : null,
      previousVersion: versionOf(row.pending_version ?? 0),
    };
  }

  /** `columns`: those that the statement asked for; they can be others by the time of its answer. */
  imageOf(row: Record<string, unknown>, prefix: 'c' | 'p', columns = this.binding.columns): RowImage {
    const image: Record<string, string | null> = {};
    const places = placesOf(prefix, columns.length);
    for (let at = 0; at < columns.length; at++) image[columns[at]!.name] = textOf(row[places[at]!]);
    return image;
  }

  private keyOf(row: Record<string, unknown>): RowKey {
    return keyOfImage(this.binding, this.keyImageOf(row));
  }

  private keyImageOf(row: Record<string, unknown>): RowImage {
    return Object.fromEntries(this.binding.key.map((column, at) => [column.name, textOf(row[`k${at}`])]));
  }

  private async select(
    runner: SqlRunner,
    sql: string,
    parameters: readonly unknown[],
  ): Promise<Record<string, unknown>[]> {
    return (await runner.query(sql, [...parameters])) as Record<string, unknown>[];
  }

  private async change(runner: SqlRunner, sql: string, ...parameters: (readonly unknown[])[]): Promise<Header> {
    return (await runner.query(sql, parameters.flat(1))) as Header;
  }
}

/** `c0`, `c1` …: made once, not for each value of each row. */
const places: Record<'c' | 'p', string[]> = { c: [], p: [] };

function placesOf(prefix: 'c' | 'p', columns: number): readonly string[] {
  const known = places[prefix];
  while (known.length < columns) known.push(`${prefix}${known.length}`);
  return known;
}

function pairs(rows: readonly VersionedKey[]): unknown[] {
  const keys = rows.length === 1 ? [] : rows.flatMap((row) => row.key.parameters);
  return [...keys, ...rows.flatMap((row) => [...row.key.parameters, row.version])];
}
