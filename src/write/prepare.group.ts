import type { ObjectLiteral } from 'typeorm';
import type { BoundColumn } from '../entity/entity.binding.js';
import type { EntityContext } from '../entity/entity.context.js';
import { keyOfEntity, keyOfImage, type RowKey } from '../entity/row.key.js';
import { OverloadedError } from '../errors.js';
import { isSpatial } from '../mysql/driver.codec.js';
import { GroupStatements } from '../mysql/group.statements.js';
import { primaryRunner } from '../mysql/statement.timeout.js';
import { insertValues, NOT_PLAIN } from './column.values.js';
import { GroupBatcher } from './group.batcher.js';
import { type PrepareAnswer as Answer, SINGLY } from './prepare.answer.js';
import { keyImageOf, type Placed, prepareDividing } from './prepare.dividing.js';
import { type Change, type Insert, query } from './prepare.plan.js';
import { SharedPrepare } from './prepare.shared.js';
import type { PrepareOptions } from './write.options.js';
import type { WriteKind } from './writer.js';

const LIMITS = { maxItems: 64, maxBytes: 4 * 1024 * 1024, maxInFlight: 2, slowFactor: 8, maxQueued: 100_000 };

/**
 * Finds a way for each prepare: concurrent writers share a transaction, one that finds nobody to share with goes alone. What neither does
 * exactly as TypeORM would (listeners, subscribers, `when`, spatial columns, SQL expressions as values) goes singly; so does every member
 * of a batch that MySQL refused, so that one row's error is never another's.
 */
export class PrepareGroup {
  private readonly statements: GroupStatements;
  private readonly numbered: GroupBatcher<Insert, Answer>;
  private readonly keyed: GroupBatcher<Insert, Answer>;
  private readonly changes: GroupBatcher<Change, Answer>;
  private readonly shared: SharedPrepare;
  private readonly plainEntity: boolean;

  constructor(
    private readonly context: EntityContext,
    private readonly ownSubscribers: ReadonlySet<object>,
  ) {
    this.statements = new GroupStatements(context.binding, context.store.statements);
    this.shared = new SharedPrepare(context, this.statements, LIMITS.maxItems);
    const refuse = (queued: number) =>
      new OverloadedError(`${context.binding.name}: ${queued} writes are already waiting for MySQL. Write slower.`, {
        queued,
      });
    const leaves = (rows: number) => context.instruments.batch('prepare', context.binding, rows);
    const alike = { refuse, leaves };
    const insert = async (items: readonly Insert[]) => (await this.shared.insert(items)).answers;
    const change = async (items: readonly Change[]) => (await this.shared.change(items)).answers;
    this.numbered = new GroupBatcher(LIMITS, { run: insert, ...alike });
    this.keyed = new GroupBatcher(LIMITS, { run: insert, keyOf: ({ key }) => key!.id, ...alike });
    this.changes = new GroupBatcher(LIMITS, { run: change, keyOf: ({ key }) => key.id, ...alike });
    this.plainEntity = context.options.groupCommit && isPlainEntity(context);
  }

  /** Writes that wait for a shared transaction. */
  get queued(): number {
    return this.numbered.queued + this.keyed.queued + this.changes.queued;
  }

  /** The prepared write, or `SINGLY`. `OutcomeUnknownError` where the shared COMMIT's outcome is unknown. */
  prepare(kind: WriteKind, entity: ObjectLiteral, options: PrepareOptions): Promise<Answer> {
    if (!this.plainEntity || this.isWatched() || kind === 'softRemove' || kind === 'recover')
      return Promise.resolve(SINGLY);
    const { binding } = this.context;
    const key = keyOfEntity(binding, entity);
    if (kind === 'remove') {
      if (!key || binding.shape.referencedBy.length > 0) return Promise.resolve(SINGLY);
      return this.changes.add({ kind, entity, key, expectedVersion: options.expectedVersion });
    }
    if (kind !== 'insert' && key) {
      return this.changes.add({ kind: 'update', entity, key, expectedVersion: options.expectedVersion });
    }
    if (kind === 'update' || options.expectedVersion !== undefined) return Promise.resolve(SINGLY);
    return this.addInsert(entity, key);
  }

  /**
   * Prepares the rows of one caller: those that are new by one statement, those that are there by another. Where MySQL refuses one
   * of them, halves of them are tried, so that a poisoned row costs its neighbours little. Null where they do not go together
   * (a key is there twice, the entity is not plain); then none was prepared.
   */
  async prepareMany(kind: WriteKind, entities: readonly ObjectLiteral[]): Promise<Answer[] | null> {
    if (!this.plainEntity || this.isWatched() || (kind !== 'save' && kind !== 'remove')) return null;
    const { binding, options } = this.context;
    if (kind === 'remove' && binding.shape.referencedBy.length > 0) return null;
    const keys = entities.map((entity) => keyOfEntity(binding, entity));
    const there = await this.present(keys.filter((key) => key !== undefined));
    if (!there) return null;
    const answers = entities.map((): Answer => SINGLY);
    const [numbered, keyed, changes]: [Placed<Insert>[], Placed<Insert>[], Placed<Change>[]] = [[], [], []];
    entities.forEach((entity, at) => {
      const key = keys[at];
      if (key && there.has(key.id)) {
        const change = kind === 'save' ? 'update' : 'remove';
        changes.push({ at, item: { kind: change, entity, key, expectedVersion: undefined } });
      } else if (kind === 'save') {
        const item = this.insertOf(entity, key);
        if (item) (item.key ? keyed : numbered).push({ at, item });
      }
    });
    // Rows that were prepared first must not wait for their index request until their deadline has passed.
    const divideUntil = performance.now() + options.deadlineMs / 4;
    await prepareDividing(numbered, (items) => this.shared.insert(items), answers, divideUntil);
    await prepareDividing(keyed, (items) => this.shared.insert(items), answers, divideUntil);
    await prepareDividing(changes, (items) => this.shared.change(items), answers, divideUntil);
    return answers;
  }

  /** The ids of those of the keys that are there. Null where two of them are one row, also by the table's collation. */
  private async present(keys: readonly RowKey[]): Promise<Set<string> | null> {
    const asked = new Set(keys.map(({ id }) => id));
    if (asked.size < keys.length) return null;
    if (keys.length === 0) return asked;
    const { binding } = this.context;
    const runner = primaryRunner(binding.dataSource);
    try {
      const rows = await query(runner, this.statements.present(keys));
      const found = rows.map((row) => keyOfImage(binding, keyImageOf(binding, row)).id);
      return found.every((id) => asked.has(id)) ? new Set(found) : null;
    } finally {
      await runner.release();
    }
  }

  private addInsert(entity: ObjectLiteral, given: RowKey | undefined): Promise<Answer> {
    const insert = this.insertOf(entity, given);
    if (!insert) return Promise.resolve(SINGLY);
    return insert.key ? this.keyed.add(insert) : this.numbered.add(insert);
  }

  /** Null where only TypeORM can insert it. Puts a uuid that is made here on the entity. */
  private insertOf(entity: ObjectLiteral, given: RowKey | undefined): Insert | null {
    const { binding } = this.context;
    const values = insertValues(binding, entity);
    const deleted = binding.metadata.deleteDateColumn?.databaseName;
    // A row that is born soft-deleted has no document: rare enough to go singly.
    if (values === NOT_PLAIN || (deleted && (values.get(deleted) ?? null) !== null)) return null;
    if (given) return { entity, values, key: given };
    const [only] = binding.key;
    if (binding.key.length !== 1) return null;
    const uuid = values.get(only!.name);
    if (uuid === undefined) {
      const numbered = binding.shape.columns.some((column) => column.name === only!.name && column.autoIncrement);
      return numbered ? { entity, values, key: undefined } : null;
    }
    only!.metadata!.setEntityValue(entity, uuid);
    return { entity, values, key: keyOfEntity(binding, entity)! };
  }

  /** Subscribers of the application's own want TypeORM's events. */
  private isWatched(): boolean {
    const { subscribers } = this.context.binding.dataSource;
    return subscribers.some((each) => !this.ownSubscribers.has(each));
  }
}

function isPlainEntity({ binding }: EntityContext): boolean {
  const { metadata, options, columns } = binding;
  const listeners = [
    metadata.beforeInsertListeners,
    metadata.afterInsertListeners,
    metadata.beforeUpdateListeners,
    metadata.afterUpdateListeners,
    metadata.beforeRemoveListeners,
    metadata.afterRemoveListeners,
  ];
  const special = (column: BoundColumn) => {
    const shape = binding.shape.columns.find(({ name }) => name === column.name)!;
    return column.metadata !== undefined && (isSpatial(shape) || shape.dataType === 'vector');
  };
  return !options.when && listeners.every((each) => each.length === 0) && !columns.some(special);
}
