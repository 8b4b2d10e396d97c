import type { ObjectLiteral, QueryRunner } from 'typeorm';
import type { BoundColumn } from '../entity/entity.binding.js';
import type { EntityContext } from '../entity/entity.context.js';
import { keyOfEntity, keyOfImage, type RowKey } from '../entity/row.key.js';
import { OutcomeUnknownError, OverloadedError } from '../errors.js';
import { isSpatial } from '../mysql/driver.codec.js';
import { type ClockReading, GroupStatements, type PlannedUpdate, type Statement } from '../mysql/group.statements.js';
import { versionOf } from '../mysql/row.values.js';
import { primaryRunner } from '../mysql/statement.timeout.js';
import type { PendingWrite } from '../protocol/row.js';
import { insertValues, NOT_PLAIN } from './column.values.js';
import { GroupBatcher } from './group.batcher.js';
import { LonePrepare } from './prepare.alone.js';
import { type PrepareAnswer as Answer, SINGLY } from './prepare.answer.js';
import { type Attempt, keyImageOf, type Placed, prepareDividing } from './prepare.dividing.js';
import {
  type Change,
  type Insert,
  pendingInsert,
  planChange,
  preparedFrom,
  query,
  type RawRow,
  type ReadRow,
  readRow,
} from './prepare.plan.js';
import { CONNECTION_BROKE, commitPrepare } from './prepare.transaction.js';
import type { PreparedWrite } from './prepared.write.js';
import type { PrepareOptions } from './write.options.js';
import { outcomeUnknown } from './write.errors.js';
import type { WriteKind } from './writer.js';

export { SINGLY } from './prepare.answer.js';

const LIMITS = { maxItems: 64, maxBytes: 4 * 1024 * 1024, maxInFlight: 2, slowFactor: 8, maxQueued: 100_000 };
const MICROS_PER_MS = 1_000;
/** From so many rows on one look at MySQL's clock is cheaper than a look for each row. */
const MIN_CLOCKED = 100;

/**
 * Prepares of concurrent writers share a transaction: inserts one statement, updates and removes one for each set of
 * columns, with one COMMIT and so one sync of MySQL's logs. What the shared path cannot do exactly as TypeORM would (listeners,
 * subscribers, `when`, spatial columns, SQL expressions as values) goes singly; so does every member of a batch that MySQL refused, so
 * that one row's error is never another's.
 */
export class PrepareGroup {
  private readonly statements: GroupStatements;
  private readonly numbered: GroupBatcher<Insert, Answer>;
  private readonly keyed: GroupBatcher<Insert, Answer>;
  private readonly changes: GroupBatcher<Change, Answer>;
  private readonly alone: LonePrepare;
  private readonly plainEntity: boolean;

  constructor(
    private readonly context: EntityContext,
    private readonly ownSubscribers: ReadonlySet<object>,
  ) {
    this.statements = new GroupStatements(context.binding, context.store.statements);
    this.alone = new LonePrepare(context, this.statements);
    const refuse = (queued: number) =>
      new OverloadedError(`${context.binding.name}: ${queued} writes are already waiting for MySQL. Write slower.`, {
        queued,
      });
    const leaves = (rows: number) => context.instruments.batch('prepare', context.binding, rows);
    const shared = { refuse, leaves };
    this.numbered = new GroupBatcher(LIMITS, { run: (items) => this.insert(items), ...shared });
    this.keyed = new GroupBatcher(LIMITS, {
      run: (items) => this.insert(items),
      keyOf: ({ key }) => key!.id,
      ...shared,
    });
    this.changes = new GroupBatcher(LIMITS, {
      run: (items) => this.change(items),
      keyOf: ({ key }) => key.id,
      ...shared,
    });
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
    await prepareDividing(numbered, (items) => this.tryInsert(items), answers, divideUntil);
    await prepareDividing(keyed, (items) => this.tryInsert(items), answers, divideUntil);
    await prepareDividing(changes, (items) => this.tryChange(items), answers, divideUntil);
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

  /** Under decider 'mysql' a prepared write is decided: what cannot become a document could no longer be taken back. */
  private goesAlone<Item>(items: readonly Item[]): items is readonly [Item] {
    return items.length === 1 && this.context.binding.decider === 'elasticsearch';
  }

  private async insert(items: readonly Insert[]): Promise<Answer[]> {
    return (await this.tryInsert(items)).answers;
  }

  private async change(items: readonly Change[]): Promise<Answer[]> {
    return (await this.tryChange(items)).answers;
  }

  private tryInsert(items: readonly Insert[]): Promise<Attempt> {
    const { binding, options } = this.context;
    const columns = binding.columns.filter(({ name }) => items.some(({ values }) => values.has(name)));
    const rows = items.map(({ values }) => values);
    if (this.goesAlone(items)) return byItself(this.alone.insert(columns, items[0]));
    const pending = pendingInsert(this.context);
    return this.inTransaction(items.length, async (runner) => {
      const deadlineMicros = options.deadlineMs * MICROS_PER_MS;
      const clock = items.length < MIN_CLOCKED ? undefined : await this.readClock(runner, deadlineMicros);
      await query(runner, this.statements.insert(columns, rows, deadlineMicros, undefined, clock));
      if (items[0]!.key) {
        const images = this.byKey(await query(runner, this.statements.images(items.map(({ key }) => key!))));
        return this.preparedAll(
          items.map(({ key }) => images.get(key!.id)),
          pending,
        );
      }
      const images = await query(runner, this.statements.insertedImages(items.length));
      return this.preparedAll(
        items.map((_, at) => images[at] && readRow(this.context, images[at])),
        pending,
      );
    });
  }

  private async readClock(runner: QueryRunner, deadlineMicros: number): Promise<ClockReading> {
    const [row] = await query(runner, this.statements.clock(deadlineMicros));
    return { version: versionOf(row!['version']), deadline: String(row!['deadline'] as string) };
  }

  private tryChange(items: readonly Change[]): Promise<Attempt> {
    if (this.goesAlone(items)) return byItself(this.alone.change(items[0]));
    return this.inTransaction(items.length, async (runner) => {
      const answers = items.map((): PreparedWrite | typeof SINGLY => SINGLY);
      const locked = this.byKey(await query(runner, this.statements.lock(items.map(({ key }) => key))));
      const plans: (PlannedUpdate & { at: number })[] = [];
      items.forEach((item, at) => {
        const row = locked.get(item.key.id);
        const plan = row?.raw['state'] === 'commit' ? planChange(this.context, item, row) : null;
        if (plan) plans.push({ at, ...plan });
      });
      if (plans.length === 0) return answers;
      for (const update of this.updates(plans)) await query(runner, update);
      const images = this.byKey(await query(runner, this.statements.images(plans.map(({ key }) => key))));
      await Promise.all(
        plans.map(async ({ at, key, pending }) => {
          answers[at] = await this.prepared(images.get(key.id), pending);
        }),
      );
      return answers;
    });
  }

  /** One statement for all rows of one shape. */
  private updates(plans: readonly PlannedUpdate[]): Statement[] {
    const shapes = new Map<string, PlannedUpdate[]>();
    for (const plan of plans) {
      const shape = this.statements.shapeOf(plan);
      const alike = shapes.get(shape);
      if (alike) alike.push(plan);
      else shapes.set(shape, [plan]);
    }
    const deadlineMicros = this.context.options.deadlineMs * MICROS_PER_MS;
    return [...shapes.values()]
      .flatMap((alike) => slices(alike, LIMITS.maxItems))
      .map((alike) => this.statements.update(alike, deadlineMicros));
  }

  /**
   * Runs a batch. Where MySQL refuses any of it, nothing of it happened and every member is to be tried by itself; where
   * the COMMIT's outcome is unknown, it is unknown for each.
   */
  private async inTransaction(
    size: number,
    body: (runner: QueryRunner) => Promise<(PreparedWrite | typeof SINGLY)[]>,
  ): Promise<Attempt> {
    const runner = primaryRunner(this.context.binding.dataSource);
    let answers: (PreparedWrite | typeof SINGLY)[] = [];
    try {
      await runner.startTransaction();
      answers = await body(runner);
      const prepared = answers.filter((answer): answer is PreparedWrite => answer !== SINGLY);
      if (prepared.length > 0) await commitPrepare(runner, prepared);
      else await runner.rollbackTransaction();
      return { answers };
    } catch (error) {
      if (runner.isTransactionActive) await runner.rollbackTransaction().catch(() => undefined);
      if (!(error instanceof OutcomeUnknownError)) {
        return { answers: Array.from({ length: size }, () => SINGLY), error };
      }
      const { cause } = error;
      const unknown = (answer: PreparedWrite) => outcomeUnknown(answer, CONNECTION_BROKE, cause);
      return { answers: answers.map((answer) => (answer === SINGLY ? SINGLY : unknown(answer))) };
    } finally {
      await runner.release();
    }
  }

  /** Throws where the row cannot become a document: then the batch comes to nothing and its members go singly. */
  private prepared(row: ReadRow | undefined, pending: PendingWrite): PreparedWrite | Promise<PreparedWrite> {
    if (!row) throw new Error('a prepared row could not be read back');
    return preparedFrom(this.context, row, pending);
  }

  /** Waits only where an entity has listeners. */
  private async preparedAll(rows: readonly (ReadRow | undefined)[], pending: PendingWrite): Promise<PreparedWrite[]> {
    const made: PreparedWrite[] = [];
    for (const row of rows) {
      const prepared = this.prepared(row, pending);
      made.push(prepared instanceof Promise ? await prepared : prepared);
    }
    return made;
  }

  private byKey(rows: readonly RawRow[]): Map<string, ReadRow> {
    const found = new Map<string, ReadRow>();
    for (const raw of rows) {
      const row = readRow(this.context, raw);
      found.set(row.key.id, row);
    }
    return found;
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

/** Its error is its answer: rows of the same caller may be prepared already, and must not be prepared twice. */
function byItself(answer: Promise<Answer>): Promise<Attempt> {
  return answer.then(
    (one) => ({ answers: [one] }),
    (error: unknown) => ({ answers: [error as Error] }),
  );
}

/** A row's value is found by trying the keys one by one: a long statement costs the square of its rows. */
function slices<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, at) => items.slice(at * size, (at + 1) * size));
}
