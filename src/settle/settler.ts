import { documentIdOf } from '../entity/document.builder.js';
import type { EntityBinding } from '../entity/entity.binding.js';
import type { RowKey } from '../entity/row.key.js';
import type { DocumentStore } from '../elasticsearch/document.store.js';
import type { ParkedStore } from '../mysql/parked.store.js';
import type { LoadedRow, RowStore } from '../mysql/row.store.js';
import { within } from '../mysql/time.watch.js';
import type { ConsistentEvents } from '../observe/consistent.events.js';
import type { Instruments } from '../observe/instruments.js';
import type { DocumentWrite } from '../protocol/outcome.js';
import type { PreparedRow } from '../protocol/row.js';
import { decideSettle } from '../protocol/settle.decision.js';
import { decideForward } from '../protocol/write.decision.js';
import { imageAfter, imageBefore, type ResolveOptions, type ResolveResult, Unsettled } from './resolution.js';
import { SettleActions } from './settle.actions.js';
import { type Case, fresh, isPrepared, newCase, type Prepared, Round } from './settle.case.js';
import { writeAfter, writeBefore } from './settle.documents.js';

/**
 * Rounds of read → look → act before a row counts as unsettled. Nine end a race that a foreign tombstone won: seven until
 * it is taken for one, two at the lifted version. The others are for concurrent changes.
 */
const MAX_ROUNDS = 12;
/** How often the same version may look superseded, or lose its slot to nothing we can see, before it is lifted. */
const LIFT_AFTER = 2;

/**
 * Settles rows of one entity: the one place where a row in `prepare` is committed or restored by anybody but its
 * writer. Read repair, the sweeper, a writer that meets a busy row and the operator all come here.
 *
 * Works in rounds over a whole batch: read the rows (one statement), look at their slots (one `_mget`), decide each by
 * the pure tables of protocol/, act (one statement, or one bulk). A row that changed meanwhile goes into the next round.
 */
export class Settler {
  private readonly actions: SettleActions;

  constructor(
    private readonly store: RowStore,
    private readonly documents: DocumentStore,
    parked: ParkedStore,
    events: ConsistentEvents,
    private readonly instruments: Instruments,
  ) {
    this.actions = new SettleActions(store, documents, parked, events);
  }

  private get binding(): EntityBinding {
    return this.store.binding;
  }

  /** One resolution, or the reason why there is none, for every key. Never throws, and ends within twice `timeoutMs`. */
  resolve(keys: readonly RowKey[], options: ResolveOptions): Promise<ResolveResult> {
    return this.instruments.active ? this.observed(keys, options) : this.resolveAll(keys, options);
  }

  private observed(keys: readonly RowKey[], options: ResolveOptions): Promise<ResolveResult> {
    const { purpose } = options;
    return this.instruments.run('settle', this.binding, keys.length, () => this.resolveAll(keys, options), {
      purpose,
      outcomeOf: (results) => ([...results.values()].some((each) => each instanceof Unsettled) ? 'unsettled' : 'ok'),
    });
  }

  private async resolveAll(keys: readonly RowKey[], options: ResolveOptions): Promise<ResolveResult> {
    const open = new Map<string, Case>(keys.map((key) => [key.id, newCase(key, options.conflictedAt)]));
    const done: ResolveResult = new Map();
    // MySQL may be silent, or its pool held by units of work that wait for this very answer.
    await within(this.rounds(open, done, options), 2 * options.timeoutMs, () => undefined);
    // A copy: rounds that were too late may still end, and do what anybody may do.
    return new Map(
      keys.map(({ id }) => [id, done.get(id) ?? new Unsettled(`no answer within ${options.timeoutMs} ms`)]),
    );
  }

  private async rounds(open: Map<string, Case>, done: ResolveResult, options: ResolveOptions): Promise<void> {
    const endsAt = performance.now() + options.timeoutMs;
    try {
      for (let round = 0; round < MAX_ROUNDS && open.size > 0; round++) {
        const leftMs = endsAt - performance.now();
        if (leftMs <= 0) break;
        await this.round(open, done, { ...options, timeoutMs: leftMs });
      }
    } catch (error) {
      for (const id of open.keys()) done.set(id, new Unsettled((error as Error).message, error));
      return;
    }
    for (const id of open.keys()) done.set(id, new Unsettled('the row kept changing, or time was up'));
  }

  private async round(open: Map<string, Case>, done: ResolveResult, options: ResolveOptions): Promise<void> {
    const turn = new Round(open, done);
    const rows = await this.store.load([...open.values()].map((state) => state.key));
    const prepared: Prepared[] = [];
    for (const state of open.values()) {
      const row = rows.get(state.key.id);
      if (!row) turn.finish(state, null, null, true);
      else if (row.state === 'commit') turn.finish(state, row, row.image, true);
      else if (isPrepared(row)) prepared.push(...this.examine(state, row, options, turn));
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

  /** Empty when the row has no document id: one such row must not keep its neighbours from being settled. */
  private examine(state: Case, row: LoadedRow & PreparedRow, options: ResolveOptions, turn: Round): Prepared[] {
    if (state.version !== row.version) {
      Object.assign(state, { ...fresh(row.version), conflicted: options.conflictedAt === row.version });
    }
    const expired = row.parked
      ? options.retryParked === true
      : row.expired || options.claimed?.get(row.key.id) === row.version;
    try {
      return [{ state, row: { ...row, expired }, documentId: documentIdOf(this.binding, row.image) }];
    } catch (error) {
      turn.fail(state, new Unsettled((error as Error).message, error));
      return [];
    }
  }

  // --- decider: 'elasticsearch' ---------------------------------------------------------------------------------------

  private async roundStrict(undecided: readonly Prepared[], turn: Round, options: ResolveOptions): Promise<void> {
    if (undecided.length === 0) return;
    const prepared = await this.look(undecided, turn, options);
    const todo = {
      commit: [] as Prepared[],
      restore: [] as Prepared[],
      race: [] as Prepared[],
      lift: [] as Prepared[],
    };
    for (const item of prepared) {
      const { state, row } = item;
      const verdict = decideSettle(row, state.slot!, state);
      // Superseded at the first look: most likely the row has moved on since it was read, and its images are both old.
      const stands = verdict !== 'reread' && (verdict !== 'superseded' || state.superseded + 1 >= LIFT_AFTER);
      if (row.parked && !options.retryParked && stands) {
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
    await this.actions.commit(todo.commit, turn, options);
    await this.actions.restore(todo.restore, turn, options);
    await this.race(todo.race, turn, options);
    for (const item of todo.lift) await this.actions.lift(item);
  }

  /** Answers those whose slots could be seen. */
  private async look(prepared: readonly Prepared[], turn: Round, options: ResolveOptions): Promise<Prepared[]> {
    const ids = prepared.map(({ documentId }) => documentId);
    const slots = await this.documents.lookEach(this.binding.alias, ids, { timeoutMs: options.timeoutMs });
    return prepared.filter(({ state }, at) => {
      const slot = slots[at]!;
      if (slot instanceof Error) turn.fail(state, new Unsettled(slot.message, slot));
      else state.slot = slot;
      return !(slot instanceof Error);
    });
  }

  /** Puts the previous image, marked, at the pending version (or deletes at it), and restores where that wins. */
  private async race(items: readonly Prepared[], turn: Round, options: ResolveOptions): Promise<void> {
    const fences: { item: Prepared; write: DocumentWrite }[] = [];
    for (const item of items) {
      try {
        fences.push({ item, write: await writeBefore(this.binding, item) });
      } catch (error) {
        await this.actions.park(item, 'previous-image-refused', error, turn);
      }
    }
    if (fences.length === 0) return;
    const outcomes = await this.actions.write(
      fences.map(({ write }) => write),
      options,
    );
    const won: Prepared[] = [];
    for (const [at, { item }] of fences.entries()) {
      const outcome = outcomes[at]!;
      item.state.fenced++;
      if (outcome.kind === 'applied') won.push(item);
      else if (outcome.kind === 'conflict') item.state.conflicted = true;
      else if (outcome.kind === 'refused')
        await this.actions.park(item, 'previous-image-refused', new Error(outcome.reason), turn);
      else
        turn.fail(
          item.state,
          new Unsettled(`Elasticsearch did not take the previous image: ${outcome.reason}`, outcome.cause),
        );
    }
    await this.actions.restore(won, turn, options);
  }

  // --- decider: 'mysql' -----------------------------------------------------------------------------------------------

  private async roundForward(prepared: readonly Prepared[], turn: Round, options: ResolveOptions): Promise<void> {
    const drive: Prepared[] = [];
    for (const item of prepared) {
      // Decided already: a reader needs no answer from the index; but readers of a lifted row of the strict decider do.
      const served = options.purpose === 'read' && this.binding.decider === 'mysql';
      if (served || (item.row.parked && !options.retryParked)) {
        turn.finish(item.state, item.row, imageAfter(item.row), false);
      } else drive.push(item);
    }
    if (drive.length === 0) return;
    const seen = await this.look(drive, turn, options);
    const todo = { commit: [] as Prepared[], drive: [] as Prepared[], superseded: [] as Prepared[] };
    for (const item of seen) todo[decideForward(item.row.version, item.row.pending.next, item.state.slot!)].push(item);
    await this.actions.commit(todo.commit, turn, options);
    for (const item of todo.superseded) if (++item.state.superseded >= LIFT_AFTER) await this.actions.lift(item);
    await this.drive(todo.drive, turn, options);
  }

  private async drive(items: readonly Prepared[], turn: Round, options: ResolveOptions): Promise<void> {
    const writes: { item: Prepared; write: DocumentWrite }[] = [];
    for (const item of items) {
      try {
        writes.push({ item, write: await writeAfter(this.binding, item) });
      } catch (error) {
        await this.actions.park(item, 'document-refused', error, turn);
      }
    }
    if (writes.length === 0) return;
    const outcomes = await this.actions.write(
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
        else if (++item.state.fenced > LIFT_AFTER) await this.actions.lift(item);
      } else if (outcome.kind === 'refused')
        await this.actions.park(item, 'document-refused', new Error(outcome.reason), turn);
      else
        turn.fail(
          item.state,
          new Unsettled(`Elasticsearch did not take the document: ${outcome.reason}`, outcome.cause),
        );
    }
    await this.actions.commit(landed, turn, options);
  }
}
