import { documentIdOf, documentTextOf, markRestored } from '../entity/document.builder.js';
import type { EntityBinding } from '../entity/entity.binding.js';
import type { RowKey } from '../entity/row.key.js';
import type { DocumentStore } from '../elasticsearch/document.store.js';
import { classifyMysqlError } from '../mysql/mysql.errors.js';
import type { ParkedStore, ParkReason } from '../mysql/parked.store.js';
import type { LoadedRow, RowStore } from '../mysql/row.store.js';
import type { ConsistentEvents, SettlePurpose } from '../observe/consistent.events.js';
import type { DocumentWrite, IndexOutcome } from '../protocol/outcome.js';
import type { PreparedRow, SlotView } from '../protocol/row.js';
import { decideSettle } from '../protocol/settle.decision.js';
import { decideForward } from '../protocol/write.decision.js';
import { imageAfter, imageBefore, type Resolution, Unsettled } from './resolution.js';

/** Rounds of read → look → act before a row counts as unsettled. Each but the last two is a concurrent change. */
const MAX_ROUNDS = 8;
/** How often the same version may look superseded, or lose its slot to nothing we can see, before it is lifted. */
const LIFT_AFTER = 2;

export interface ResolveOptions {
  readonly purpose: SettlePurpose;
  readonly timeoutMs: number;
  /** The rows were claimed past their deadline: treat them as expired although the claim moved the deadline. */
  readonly claimed?: boolean;
  /** Settle parked rows too: an operator asked for it. */
  readonly retryParked?: boolean;
  /** Our own request at this version was answered 409. Only with a single key. */
  readonly conflictedAt?: number;
}

/** What is known of one key while it is being settled. Everything is about `version` and forgotten with it. */
interface Case {
  readonly key: RowKey;
  version: number;
  conflicted: boolean;
  reread: boolean;
  superseded: number;
  fenced: number;
  acted: Resolution['acted'];
  actedAt: number | null;
  slot: SlotView | null;
}

interface Prepared {
  readonly state: Case;
  readonly row: LoadedRow & PreparedRow;
  readonly documentId: string;
}

export type ResolveResult = Map<string, Resolution | Unsettled>;

/**
 * Settles rows of one entity: the one place where a row in `prepare` is committed or restored by anybody but its
 * writer. Read repair, the sweeper, a writer that meets a busy row and the operator all come here.
 *
 * Works in rounds over a whole batch: read the rows (one statement), look at their slots (one `_mget`), decide each by
 * the pure tables of protocol/, act (one statement, or one bulk). A row that changed meanwhile goes into the next round.
 */
export class Settler {
  constructor(
    private readonly store: RowStore,
    private readonly documents: DocumentStore,
    private readonly parked: ParkedStore,
    private readonly events: ConsistentEvents,
  ) {}

  private get binding(): EntityBinding {
    return this.store.binding;
  }

  /** One resolution, or the reason why there is none, for every key. Never throws. */
  async resolve(keys: readonly RowKey[], options: ResolveOptions): Promise<ResolveResult> {
    const open = new Map<string, Case>(keys.map((key) => [key.id, newCase(key, options.conflictedAt)]));
    const done: ResolveResult = new Map();
    const endsAt = performance.now() + options.timeoutMs;
    try {
      for (let round = 0; round < MAX_ROUNDS && open.size > 0; round++) {
        const leftMs = endsAt - performance.now();
        if (leftMs <= 0) break;
        await this.round(open, done, { ...options, timeoutMs: leftMs });
      }
    } catch (error) {
      for (const id of open.keys()) done.set(id, new Unsettled((error as Error).message, error));
      return done;
    }
    for (const id of open.keys()) done.set(id, new Unsettled('the row kept changing, or time was up'));
    return done;
  }

  private async round(open: Map<string, Case>, done: ResolveResult, options: ResolveOptions): Promise<void> {
    const turn = new Round(open, done);
    const rows = await this.store.load([...open.values()].map((state) => state.key));
    const prepared: Prepared[] = [];
    for (const state of open.values()) {
      const row = rows.get(state.key.id);
      if (!row) turn.finish(state, null, null, true);
      else if (row.state === 'commit') turn.finish(state, row, row.image, true);
      else if (isPrepared(row)) prepared.push(this.examine(state, row, options));
      else turn.fail(state, new Unsettled('the row is in prepare but its pending column is unreadable'));
    }
    const strict = prepared.filter(({ row }) => row.pending.decider !== 'mysql');
    await this.roundForward(
      prepared.filter(({ row }) => row.pending.decider === 'mysql'),
      turn,
      options,
    );
    await this.roundStrict(strict, turn, options);
  }

  private examine(state: Case, row: LoadedRow & PreparedRow, options: ResolveOptions): Prepared {
    if (state.version !== row.version) {
      Object.assign(state, { ...fresh(row.version), conflicted: options.conflictedAt === row.version });
    }
    const expired = row.parked ? options.retryParked === true : row.expired || options.claimed === true;
    return { state, row: { ...row, expired }, documentId: documentIdOf(this.binding, row.image) };
  }

  // --- decider: 'elasticsearch' ---------------------------------------------------------------------------------------

  private async roundStrict(prepared: readonly Prepared[], turn: Round, options: ResolveOptions): Promise<void> {
    if (prepared.length === 0) return;
    await this.look(prepared, options);
    const todo = {
      commit: [] as Prepared[],
      restore: [] as Prepared[],
      race: [] as Prepared[],
      lift: [] as Prepared[],
    };
    for (const item of prepared) {
      const { state, row } = item;
      const verdict = decideSettle(row, state.slot!, state);
      if (row.parked && !options.retryParked) {
        turn.finish(state, row, verdict === 'commit' ? imageAfter(row) : imageBefore(row), false);
      } else if (verdict === 'in-flight') {
        turn.finish(state, row, imageBefore(row), false);
      } else if (verdict === 'superseded') {
        if (++state.superseded >= LIFT_AFTER) todo.lift.push(item);
      } else if (verdict === 'reread') {
        // Lost to something we cannot see (a tombstone from outside): after some rounds it is a foreign version.
        if (state.conflicted && state.fenced > LIFT_AFTER) todo.lift.push(item);
        else Object.assign(state, { reread: true, conflicted: false });
      } else {
        todo[verdict].push(item);
      }
    }
    await this.commit(todo.commit, turn, options);
    for (const item of todo.restore) await this.restore(item, turn, options);
    await this.race(todo.race, turn, options);
    for (const item of todo.lift) await this.lift(item);
  }

  private async look(prepared: readonly Prepared[], options: ResolveOptions): Promise<void> {
    const ids = prepared.map(({ documentId }) => documentId);
    const slots = await this.documents.look(this.binding.alias, ids, { timeoutMs: options.timeoutMs });
    prepared.forEach(({ state }, at) => {
      state.slot = slots[at]!;
    });
  }

  /** Puts the previous image, marked, at the pending version (or deletes at it), and restores where that wins. */
  private async race(items: readonly Prepared[], turn: Round, options: ResolveOptions): Promise<void> {
    const fences: { item: Prepared; write: DocumentWrite }[] = [];
    for (const item of items) {
      try {
        fences.push({ item, write: await this.fence(item) });
      } catch (error) {
        await this.park(item, 'previous-image-refused', error, turn);
      }
    }
    if (fences.length === 0) return;
    const outcomes = await this.write(
      fences.map(({ write }) => write),
      options,
    );
    for (const [at, { item }] of fences.entries()) {
      const outcome = outcomes[at]!;
      item.state.fenced++;
      if (outcome.kind === 'applied') await this.restore(item, turn, options);
      else if (outcome.kind === 'conflict') item.state.conflicted = true;
      else if (outcome.kind === 'refused')
        await this.park(item, 'previous-image-refused', new Error(outcome.reason), turn);
      else
        turn.fail(
          item.state,
          new Unsettled(`Elasticsearch did not take the previous image: ${outcome.reason}`, outcome.cause),
        );
    }
  }

  private async fence({ row, documentId }: Prepared): Promise<DocumentWrite> {
    const { version, pending } = row;
    if (pending.before === 'absent') return { id: documentId, version, body: null };
    const image = imageBefore(row);
    if (!image) throw new Error('the pending column holds no undo image');
    const body = documentTextOf(this.binding, image, await this.binding.hydrate(image));
    return { id: documentId, version, body: markRestored(body, version) };
  }

  // --- decider: 'mysql' -----------------------------------------------------------------------------------------------

  private async roundForward(prepared: readonly Prepared[], turn: Round, options: ResolveOptions): Promise<void> {
    const drive: Prepared[] = [];
    for (const item of prepared) {
      // Decided already: a reader needs no answer from the index.
      if (options.purpose === 'read' || (item.row.parked && !options.retryParked)) {
        turn.finish(item.state, item.row, imageAfter(item.row), false);
      } else drive.push(item);
    }
    if (drive.length === 0) return;
    await this.look(drive, options);
    const todo = { commit: [] as Prepared[], drive: [] as Prepared[], superseded: [] as Prepared[] };
    for (const item of drive) todo[decideForward(item.row.version, item.row.pending.next, item.state.slot!)].push(item);
    await this.commit(todo.commit, turn, options);
    for (const item of todo.superseded) if (++item.state.superseded >= LIFT_AFTER) await this.lift(item);
    await this.drive(todo.drive, turn, options);
  }

  private async drive(items: readonly Prepared[], turn: Round, options: ResolveOptions): Promise<void> {
    const writes: { item: Prepared; write: DocumentWrite }[] = [];
    for (const item of items) {
      const { row, documentId } = item;
      try {
        const absent = row.pending.next === 'absent';
        const body = absent ? null : documentTextOf(this.binding, row.image, await this.binding.hydrate(row.image));
        writes.push({ item, write: { id: documentId, version: row.version, body } });
      } catch (error) {
        await this.park(item, 'document-refused', error, turn);
      }
    }
    if (writes.length === 0) return;
    const outcomes = await this.write(
      writes.map(({ write }) => write),
      options,
    );
    const landed: Prepared[] = [];
    for (const [at, { item }] of writes.entries()) {
      const outcome = outcomes[at]!;
      if (outcome.kind === 'applied') landed.push(item);
      else if (outcome.kind === 'conflict') {
        // A tombstone at our own delete's version is our own delete; above a put it is a foreign version.
        if (item.row.pending.next === 'absent' && !item.state.slot!.found) landed.push(item);
        else if (++item.state.fenced > LIFT_AFTER) await this.lift(item);
      } else if (outcome.kind === 'refused') await this.park(item, 'document-refused', new Error(outcome.reason), turn);
      else
        turn.fail(
          item.state,
          new Unsettled(`Elasticsearch did not take the document: ${outcome.reason}`, outcome.cause),
        );
    }
    await this.commit(landed, turn, options);
  }

  // --- acting -----------------------------------------------------------------------------------------------------------

  private write(writes: readonly DocumentWrite[], options: ResolveOptions): Promise<IndexOutcome[]> {
    return this.documents.write(this.binding.alias, writes, { timeoutMs: options.timeoutMs });
  }

  private async commit(items: readonly Prepared[], turn: Round, options: ResolveOptions): Promise<void> {
    if (items.length === 0) return;
    const rows = items.map(({ row }) => ({ key: row.key, version: row.version, operation: row.pending.operation }));
    try {
      // Fewer than asked: somebody else flipped some of them. The next round tells which.
      if ((await this.store.commit(rows)) !== rows.length) return;
    } catch (error) {
      if (classifyMysqlError(error) !== 'refused') throw error;
      if (items.length === 1) return this.park(items[0]!, 'commit-refused', error, turn);
      for (const item of items) await this.commit([item], turn, options);
      return;
    }
    for (const item of items) await this.acted(item, 'committed', turn, options);
  }

  private async restore(item: Prepared, turn: Round, options: ResolveOptions): Promise<void> {
    const { row } = item;
    try {
      const restored = await this.store.restore({
        key: row.key,
        version: row.version,
        operation: row.pending.operation,
      });
      if (restored) await this.acted(item, 'restored', turn, options);
    } catch (error) {
      if (classifyMysqlError(error) !== 'refused') throw error;
      await this.park(item, 'restore-refused', error, turn);
    }
  }

  private async acted(
    item: Prepared,
    acted: 'committed' | 'restored',
    turn: Round,
    options: ResolveOptions,
  ): Promise<void> {
    const { state, row } = item;
    Object.assign(state, { acted, actedAt: row.version });
    if (row.parked) await this.parked.forget(this.binding, row.image);
    this.events.emit('settled', {
      entity: this.binding.name,
      verdict: acted === 'committed' ? 'commit' : 'restore',
      by: options.purpose,
    });
    turn.finish(state, row, acted === 'committed' ? imageAfter(row) : imageBefore(row), true);
  }

  private async lift({ state, row }: Prepared): Promise<void> {
    const theirs = state.slot?.found && state.slot.version > row.version ? state.slot.version : null;
    await this.store.lift(row, theirs ?? row.version);
    this.events.emit('foreignVersion', { entity: this.binding.name, key: row.key.id, version: row.version, theirs });
  }

  private async park(item: Prepared, reason: ParkReason, error: unknown, turn: Round): Promise<void> {
    const { state, row, documentId } = item;
    await this.parked.record(this.binding, { image: row.image, version: row.version, documentId }, reason, error);
    if (!row.parked) await this.store.park(row);
    this.events.emit('parked', { entity: this.binding.name, key: row.key.id, version: row.version, reason });
    const forward = reason === 'commit-refused' || reason === 'document-refused';
    turn.finish(state, { ...row, parked: true }, forward ? imageAfter(row) : imageBefore(row), false);
  }
}

/** Where a round puts what it has finished. */
class Round {
  constructor(
    private readonly open: Map<string, Case>,
    private readonly done: ResolveResult,
  ) {}

  finish(state: Case, row: LoadedRow | null, visible: Resolution['visible'], settled: boolean): void {
    const { acted, actedAt, slot, key } = state;
    this.open.delete(key.id);
    this.done.set(key.id, {
      visible,
      // A writer that saw the image before a pending write must not pass for one that saw the write.
      version: row ? (!settled && visible !== row.image ? row.previousVersion : row.version) : 0,
      settled,
      pendingVersion: settled ? null : (row?.version ?? null),
      parked: !settled && (row?.parked ?? false),
      acted,
      actedAt,
      slot,
    });
  }

  fail(state: Case, reason: Unsettled): void {
    this.open.delete(state.key.id);
    this.done.set(state.key.id, reason);
  }
}

function newCase(key: RowKey, conflictedAt: number | undefined): Case {
  return {
    key,
    ...fresh(conflictedAt ?? -1),
    conflicted: conflictedAt !== undefined,
    acted: null,
    actedAt: null,
    slot: null,
  };
}

function fresh(version: number) {
  return { version, conflicted: false, reread: false, superseded: 0, fenced: 0 };
}

function isPrepared(row: LoadedRow): row is LoadedRow & PreparedRow {
  return row.state === 'prepare' && row.pending !== null && row.pending.operation !== null;
}
