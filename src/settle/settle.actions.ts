import type { EntityBinding } from '../entity/entity.binding.js';
import type { DocumentStore } from '../elasticsearch/document.store.js';
import { notForMissingIndex } from '../elasticsearch/outcome.classifier.js';
import { classifyMysqlError } from '../mysql/mysql.errors.js';
import type { ParkedStore, ParkReason } from '../mysql/parked.store.js';
import type { RowStore, SqlRunner, VersionedKey } from '../mysql/row.store.js';
import { type Acted, actOnUnlocked } from '../mysql/unlocked.rows.js';
import type { ConsistentEvents } from '../observe/consistent.events.js';
import type { DocumentWrite, IndexOutcome } from '../protocol/outcome.js';
import type { Operation } from '../protocol/row.js';
import { imageAfter, imageBefore, type ResolveOptions } from './resolution.js';
import type { Prepared, Round } from './settle.case.js';
import { writeAfter } from './settle.documents.js';

type Pending = VersionedKey & { readonly operation: Operation; readonly item: Prepared };

function pendingOf(item: Prepared): Pending {
  const { key, version, pending } = item.row;
  return { key, version, operation: pending.operation, item };
}

/**
 * What a settler does once a verdict stands. Every step names the version it is about, so a late one changes nothing. A row
 * that a foreign transaction has locked stays in `prepare` for now; its fate is known all the same, and readers are served by it.
 */
export class SettleActions {
  constructor(
    private readonly store: RowStore,
    private readonly documents: DocumentStore,
    private readonly parked: ParkedStore,
    private readonly events: ConsistentEvents,
  ) {}

  private get binding(): EntityBinding {
    return this.store.binding;
  }

  private get named(): { entity: string; dataSource: string } {
    return { entity: this.binding.name, dataSource: this.binding.dataSourceName };
  }

  async write(writes: readonly DocumentWrite[], options: ResolveOptions): Promise<IndexOutcome[]> {
    const outcomes = await this.documents.write(this.binding.alias, writes, { timeoutMs: options.timeoutMs });
    return outcomes.map(notForMissingIndex);
  }

  async commit(items: readonly Prepared[], turn: Round, options: ResolveOptions): Promise<void> {
    const followed = items.length > 0 ? await this.followed(items, turn, options) : [];
    if (followed.length > 0) await this.commitFollowed(followed, turn, options);
  }

  private async commitFollowed(items: readonly Prepared[], turn: Round, options: ResolveOptions): Promise<void> {
    let ended: Acted<Pending>;
    try {
      ended = await actOnUnlocked(this.store, items.map(pendingOf), (rows, runner) => this.store.commit(rows, runner));
    } catch (error) {
      if (classifyMysqlError(error) !== 'refused') throw error;
      if (items.length === 1) return this.park(items[0]!, 'commit-refused', error, turn);
      for (const item of items) await this.commitFollowed([item], turn, options);
      return;
    }
    // Neither done nor locked: somebody else has flipped them. The next round tells how.
    for (const { item } of ended.done) await this.acted(item, 'committed', turn, options);
    for (const { item } of ended.locked) turn.finish(item.state, item.row, imageAfter(item.row), false);
  }

  /**
   * While the index is being exchanged: the second one may lack what the first one holds, where its writer died between the two. Those
   * that could be brought there, or remembered; the others stay in `prepare`, and are decided all the same.
   */
  private async followed(items: readonly Prepared[], turn: Round, { timeoutMs }: ResolveOptions): Promise<Prepared[]> {
    if (!(await this.documents.isFollowed(this.binding.alias))) return [...items];
    const carried: { readonly item: Prepared; readonly write: DocumentWrite }[] = [];
    const left = ({ state, row }: Prepared): void => turn.finish(state, row, imageAfter(row), false);
    for (const item of items) {
      try {
        carried.push({ item, write: await writeAfter(this.binding, item) });
      } catch {
        left(item);
      }
    }
    const writes = carried.map(({ write }) => write);
    try {
      await this.documents.follow(this.binding.alias, writes, { timeoutMs });
    } catch {
      for (const { item } of carried) left(item);
      return [];
    }
    return carried.map(({ item }) => item);
  }

  /** One transaction for all; where MySQL refuses one of them, each is tried by itself. */
  async restore(items: readonly Prepared[], turn: Round, options: ResolveOptions): Promise<void> {
    if (items.length === 0) return;
    const restoreAll = async (rows: readonly Pending[], runner: SqlRunner) => {
      for (const row of rows) await this.store.restore(row, runner);
    };
    let ended: Acted<Pending>;
    try {
      ended = await actOnUnlocked(this.store, items.map(pendingOf), restoreAll);
    } catch (error) {
      if (classifyMysqlError(error) !== 'refused') throw error;
      if (items.length === 1) return this.park(items[0]!, 'restore-refused', error, turn);
      for (const item of items) await this.restore([item], turn, options);
      return;
    }
    for (const { item } of ended.done) await this.acted(item, 'restored', turn, options);
    for (const { item } of ended.locked) turn.finish(item.state, item.row, imageBefore(item.row), false);
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
      ...this.named,
      verdict: acted === 'committed' ? 'commit' : 'restore',
      by: options.purpose,
    });
    turn.finish(state, row, acted === 'committed' ? imageAfter(row) : imageBefore(row), true);
  }

  async lift({ state, row }: Prepared): Promise<void> {
    const theirs = state.slot?.found && state.slot.version > row.version ? state.slot.version : null;
    await this.store.lift(row, theirs ?? row.version);
    this.events.emit('foreignVersion', { ...this.named, key: row.key.id, version: row.version, theirs });
  }

  async park(item: Prepared, reason: ParkReason, error: unknown, turn: Round): Promise<void> {
    const { state, row, documentId } = item;
    // Settled by somebody else meanwhile: the next round tells how.
    if (!(await this.parked.park(this.store, { ...row, documentId }, reason, error))) return;
    this.events.emit('parked', { ...this.named, key: row.key.id, version: row.version, reason });
    const forward = reason === 'commit-refused' || reason === 'document-refused';
    turn.finish(state, { ...row, parked: true }, forward ? imageAfter(row) : imageBefore(row), false);
  }
}
