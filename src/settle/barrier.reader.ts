import { setTimeout as sleep } from 'node:timers/promises';
import type { EntityManager, ObjectLiteral, SelectQueryBuilder } from 'typeorm';
import type { EntityContext } from '../entity/entity.context.js';
import type { RowImage } from '../entity/row.image.js';
import { keyOfEntity, type RowKey } from '../entity/row.key.js';
import { BarrierTimeoutError } from '../errors.js';
import { plainTransaction } from '../mysql/plain.transaction.js';
import type { LoadedRow } from '../mysql/row.store.js';
import type { OwnRows } from './read.repairer.js';
import type { Resolution } from './resolution.js';

/** Makes the query; called once for each snapshot. */
export type MakeQuery<Entity extends ObjectLiteral> = (manager: EntityManager) => SelectQueryBuilder<Entity>;
export type RunQuery<Entity extends ObjectLiteral, T> = (query: SelectQueryBuilder<Entity>) => Promise<T>;

/** A result, and which of its rows need no repair although MySQL held them in `prepare`. */
export interface ReadResult<T> {
  readonly value: T;
  readonly own?: OwnRows;
}

interface Snapshot<T> {
  readonly value: T | null;
  readonly undecided: readonly LoadedRow[];
  /** Whether rows with a pending delete were left out of the result. */
  readonly hidden: boolean;
}

const SNAPSHOT = {
  isolation: 'REPEATABLE READ',
  start: 'START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY',
} as const;
const POLL_MS = 2;
const MAX_POLL_MS = 50;
/** More undecided rows than this at once are waited for in several turns. */
const BARRIER_ROWS = 1_000;

/**
 * Reads in one snapshot both the rows that are undecided and what the query finds, then waits until those rows are
 * decided. The result stands if all of them committed as the snapshot saw them; else the read is repeated. A write that
 * is prepared after the snapshot is not in it, so no write that comes to nothing can make a row match, or miss.
 */
export class BarrierReader<Entity extends ObjectLiteral> {
  constructor(private readonly context: EntityContext) {}

  /** @throws BarrierTimeoutError after `busyTimeoutMs` */
  async read<T>(make: MakeQuery<Entity>, run: RunQuery<Entity, T>): Promise<ReadResult<T>> {
    const { busyTimeoutMs } = this.context.options;
    const until = performance.now() + busyTimeoutMs;
    for (;;) {
      const { value, undecided, hidden } = await this.snapshot(make, run);
      if (undecided.length === 0) return { value: value as T };
      const decided = await this.decided(undecided, until);
      const fallen = undecided.filter((row) => !stands(row, decided.get(row.key.id)!, hidden));
      if (fallen.length === 0 && value !== null) return { value, own: this.asSeen(undecided) };
      if (performance.now() + POLL_MS > until) throw this.timeout(fallen.length);
      await sleep(POLL_MS);
    }
  }

  /** No value where more rows are undecided than one turn takes. */
  private async snapshot<T>(make: MakeQuery<Entity>, run: RunQuery<Entity, T>): Promise<Snapshot<T>> {
    const { binding, store } = this.context;
    return plainTransaction(binding.dataSource, SNAPSHOT, async (runner) => {
      const open = await store.undecided(BARRIER_ROWS, binding.decider === 'mysql', runner);
      const keys = open.map(({ key }) => key);
      const undecided = [...new Set((await store.load(keys, runner)).values())];
      if (open.length === BARRIER_ROWS) return { value: null, undecided, hidden: false };
      const query = make(runner.manager);
      const deletes = undecided.filter(({ pending }) => pending?.operation === 'delete');
      const hidden = this.leaveOut(
        query,
        deletes.map(({ key }) => key),
      );
      return { value: await run(query), undecided, hidden };
    });
  }

  /** Most deletes commit: rows with one are left out at once, or a table with a steady flow of them could not be read. */
  private leaveOut(query: SelectQueryBuilder<Entity>, keys: readonly RowKey[]): boolean {
    const { mainAlias } = query.expressionMap;
    if (!mainAlias?.hasMetadata || mainAlias.metadata !== this.context.binding.metadata) return false;
    if (keys.length === 0) return true;
    const parameters: Record<string, unknown> = {};
    const conditions = keys.map((key, row) => {
      const parts = this.context.binding.key.map(({ metadata }, at) => {
        const name = `consistent_deleted_${row}_${at}`;
        parameters[name] = key.parameters[at];
        return `${mainAlias.name}.${metadata!.propertyPath} = :${name}`;
      });
      return `NOT (${parts.join(' AND ')})`;
    });
    // As one condition: an OR of the caller's own must not let the rows in again.
    const { wheres } = query.expressionMap;
    if (wheres.length > 0) query.expressionMap.wheres = [{ type: 'simple', condition: [...wheres, ALWAYS] }];
    query.andWhere(conditions.join(' AND '), parameters);
    return true;
  }

  /** Waits until each of these rows is decided, or has moved on. */
  private async decided(rows: readonly LoadedRow[], until: number): Promise<Map<string, Resolution>> {
    const { binding, options, settler } = this.context;
    const decided = new Map<string, Resolution>();
    const purpose = binding.decider === 'mysql' ? 'write' : 'read';
    let open = rows;
    for (let pollMs = POLL_MS; ; pollMs = Math.min(2 * pollMs, MAX_POLL_MS)) {
      const { timeoutMs } = options.readRepair;
      const results = await settler.resolve(
        open.map(({ key }) => key),
        { purpose, timeoutMs },
      );
      open = open.filter(({ key, version }) => {
        const result = results.get(key.id);
        if (result === undefined || result instanceof Error) return true;
        // A later write of a busy row is not what this read waits for.
        if (!result.settled && !result.parked && result.pendingVersion === version) return true;
        decided.set(key.id, result);
        return false;
      });
      if (open.length === 0) return decided;
      if (performance.now() + pollMs > until) throw this.timeout(open.length);
      await sleep(pollMs);
    }
  }

  private timeout(rows: number): BarrierTimeoutError {
    const { binding, options } = this.context;
    return new BarrierTimeoutError(
      `${binding.name}: ${rows} rows were still undecided, or had moved on once more, after ${options.busyTimeoutMs} ms. Try again.`,
      { entity: binding.name, rows },
    );
  }

  /** The rows' writes are committed by now: repairing them could only bring what was written after the snapshot. */
  private asSeen(rows: readonly LoadedRow[]): OwnRows {
    const { context } = this;
    const versions = new Map(rows.map(({ key, version }) => [key.id, version]));
    return ({ context: of, entity }) => {
      const key = of === context ? keyOfEntity(of.binding, entity) : undefined;
      const version = key && versions.get(key.id);
      if (version === undefined) return undefined;
      of.binding.setConsistency(entity, { state: 'commit', version });
      return 'as-is';
    };
  }
}

const ALWAYS = { type: 'and', condition: '1 = 1' } as const;

/** Whether the write provably ended as the snapshot's result takes it. */
function stands({ version, pending, image }: LoadedRow, result: Resolution, hidden: boolean): boolean {
  const committed = result.acted === 'committed' && result.actedAt === version;
  if (pending?.operation === 'delete' && hidden) return committed || result.visible === null;
  const unchanged = result.version === version && sameImage(result.visible, image);
  return pending?.operation === 'delete' ? unchanged : committed || unchanged;
}

function sameImage(seen: RowImage | null, image: RowImage): boolean {
  return seen !== null && Object.keys(image).every((name) => seen[name] === image[name]);
}
