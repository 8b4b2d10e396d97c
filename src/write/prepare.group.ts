import type { ObjectLiteral, QueryRunner } from 'typeorm';
import { documentIdOf, documentTextOf } from '../entity/document.builder.js';
import type { BoundColumn } from '../entity/entity.binding.js';
import type { EntityContext } from '../entity/entity.context.js';
import type { RowImage } from '../entity/row.image.js';
import { keyOfEntity, keyOfImage, type RowKey } from '../entity/row.key.js';
import { OutcomeUnknownError, OverloadedError } from '../errors.js';
import { isSpatial } from '../mysql/driver.codec.js';
import { GroupStatements, type PlannedUpdate, type Statement } from '../mysql/group.statements.js';
import { versionOf } from '../mysql/row.values.js';
import type { PendingWrite, Presence } from '../protocol/row.js';
import { changedValues, insertValues, NOT_PLAIN } from './column.values.js';
import { GroupBatcher } from './group.batcher.js';
import { commitPrepare } from './prepare.transaction.js';
import type { PreparedWrite } from './prepared.write.js';
import type { PrepareOptions } from './preparer.js';
import { outcomeUnknown } from './write.errors.js';
import type { WriteKind } from './writer.js';

/** The write must be prepared in a transaction of its own: its row is busy, or needs what only TypeORM does. */
export const SINGLY = Symbol('singly');

type Answer = PreparedWrite | typeof SINGLY | OutcomeUnknownError;
type RawRow = Record<string, unknown>;

interface Insert {
  readonly entity: ObjectLiteral;
  readonly values: ReadonlyMap<string, unknown>;
  /** Undefined while MySQL is to give the id. */
  readonly key: RowKey | undefined;
}

interface Change {
  readonly kind: 'update' | 'remove';
  readonly entity: ObjectLiteral;
  readonly key: RowKey;
  readonly expectedVersion: number | undefined;
}

const LIMITS = { maxItems: 64, maxBytes: 4 * 1024 * 1024, maxInFlight: 2, slowFactor: 8, maxQueued: 100_000 };
const MICROS_PER_MS = 1_000;

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
  private readonly plainEntity: boolean;

  constructor(
    private readonly context: EntityContext,
    private readonly ownSubscribers: ReadonlySet<object>,
  ) {
    this.statements = new GroupStatements(context.binding, context.store.statements);
    const refuse = (queued: number) =>
      new OverloadedError(`${context.binding.name}: ${queued} writes are already waiting for MySQL. Write slower.`, {
        queued,
      });
    this.numbered = new GroupBatcher(LIMITS, { run: (items) => this.insert(items), refuse });
    this.keyed = new GroupBatcher(LIMITS, { run: (items) => this.insert(items), keyOf: ({ key }) => key!.id, refuse });
    this.changes = new GroupBatcher(LIMITS, { run: (items) => this.change(items), keyOf: ({ key }) => key.id, refuse });
    this.plainEntity = context.options.groupCommit && isPlainEntity(context);
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
   * Prepares the rows of one caller in a transaction of their own. Null where they do not go together: some are new and
   * some are not, a key is there twice, or one has to go singly. Then none was prepared.
   */
  async prepareMany(kind: WriteKind, entities: readonly ObjectLiteral[]): Promise<Answer[] | null> {
    if (!this.plainEntity || this.isWatched() || (kind !== 'save' && kind !== 'remove')) return null;
    const { binding } = this.context;
    const keys = entities.map((entity) => keyOfEntity(binding, entity));
    const given = keys.filter((key) => key !== undefined);
    if (new Set(given.map(({ id }) => id)).size < given.length) return null;
    if (kind === 'remove' && binding.shape.referencedBy.length > 0) return null;
    const there = given.length > 0 ? await this.countExisting(given) : 0;
    if (there === 0 && kind === 'save') {
      const inserts = entities.map((entity, at) => this.insertOf(entity, keys[at]));
      const whole = inserts.filter((insert) => insert !== null);
      const numbered = whole.filter(({ key }) => key === undefined).length;
      if (whole.length < inserts.length || (numbered > 0 && numbered < whole.length)) return null;
      return this.insert(whole);
    }
    if (there < entities.length) return null;
    const change = kind === 'save' ? 'update' : 'remove';
    return this.change(
      entities.map((entity, at) => ({ kind: change, entity, key: keys[at]!, expectedVersion: undefined })),
    );
  }

  private async countExisting(keys: readonly RowKey[]): Promise<number> {
    const runner = this.context.binding.dataSource.createQueryRunner('master');
    try {
      return (await query(runner, this.statements.images(keys))).length;
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

  private insert(items: readonly Insert[]): Promise<Answer[]> {
    const { binding, options } = this.context;
    const columns = binding.columns.filter(({ name }) => items.some(({ values }) => values.has(name)));
    const rows = items.map(({ values }) => values);
    const pending: PendingWrite = { operation: 'insert', next: 'present', before: 'absent', decider: binding.decider };
    return this.inTransaction(items.length, async (runner) => {
      await query(runner, this.statements.insert(columns, rows, options.deadlineMs * MICROS_PER_MS));
      const given = items[0]!.key !== undefined;
      const images = given
        ? await query(runner, this.statements.images(items.map(({ key }) => key!)))
        : await query(runner, this.statements.insertedImages(items.length));
      const byKey = given ? this.byKey(images) : undefined;
      return Promise.all(items.map(({ key }, at) => this.prepared(byKey ? byKey.get(key!.id) : images[at], pending)));
    });
  }

  private change(items: readonly Change[]): Promise<Answer[]> {
    return this.inTransaction(items.length, async (runner) => {
      const answers = items.map((): PreparedWrite | typeof SINGLY => SINGLY);
      const locked = this.byKey(await query(runner, this.statements.lock(items.map(({ key }) => key))));
      const plans: (PlannedUpdate & { at: number })[] = [];
      items.forEach((item, at) => {
        const row = locked.get(item.key.id);
        const plan = row && row['state'] === 'commit' ? this.plan(item, row) : null;
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

  private plan({ kind, entity, key, expectedVersion }: Change, row: RawRow): PlannedUpdate | null {
    const { binding, store } = this.context;
    const version = versionOf(row['version']);
    if (expectedVersion !== undefined && expectedVersion !== version) return null;
    const image = store.imageOf(row, 'c');
    const changes = kind === 'remove' ? [] : changedValues(binding, entity, image);
    if (changes === NOT_PLAIN) return null;
    const deleted = binding.metadata.deleteDateColumn;
    const before: Presence = deleted && image[deleted.databaseName] != null ? 'absent' : 'present';
    const moved = changes.find(({ column }) => column.metadata === deleted);
    const after: Presence = moved ? (moved.value === null ? 'present' : 'absent') : before;
    const next = kind === 'remove' ? 'absent' : after;
    // Neither image has a document: the write ends with its transaction, which the single path does.
    if (next === 'absent' && before === 'absent') return null;
    const operation = kind === 'remove' ? 'delete' : 'update';
    const pending: PendingWrite = { operation, next, before, decider: binding.decider };
    return { key, pending, changes };
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
  ): Promise<Answer[]> {
    const runner = this.context.binding.dataSource.createQueryRunner('master');
    let answers: (PreparedWrite | typeof SINGLY)[] = [];
    try {
      await runner.startTransaction();
      answers = await body(runner);
      const prepared = answers.filter((answer): answer is PreparedWrite => answer !== SINGLY);
      if (prepared.length > 0) await commitPrepare(runner, prepared);
      else await runner.rollbackTransaction();
      return answers;
    } catch (error) {
      if (runner.isTransactionActive) await runner.rollbackTransaction().catch(() => undefined);
      if (!(error instanceof OutcomeUnknownError)) return Array.from({ length: size }, () => SINGLY);
      const reason = 'the connection to MySQL broke while the prepare was committed';
      return answers.map((answer) => (answer === SINGLY ? SINGLY : outcomeUnknown(answer, reason, error.cause)));
    } finally {
      await runner.release();
    }
  }

  /** Throws where the row cannot become a document: then the batch comes to nothing and its members go singly. */
  private async prepared(row: RawRow | undefined, pending: PendingWrite): Promise<PreparedWrite> {
    const { context } = this;
    const { binding, store } = context;
    if (!row) throw new Error('a prepared row could not be read back');
    const image: RowImage = store.imageOf(row, 'c');
    const entity = await binding.hydrate(image);
    return {
      context,
      key: keyOfImage(binding, image),
      documentId: documentIdOf(binding, image),
      version: versionOf(row['version']),
      deadline: row['deadline'] as string | null,
      pending,
      body: pending.next === 'present' ? documentTextOf(binding, image, entity) : null,
      image,
      entity,
      complete: false,
    };
  }

  private byKey(rows: readonly RawRow[]): Map<string, RawRow> {
    return new Map(rows.map((row) => [this.keyOf(row).id, row]));
  }

  private keyOf(row: RawRow): RowKey {
    return keyOfImage(this.context.binding, this.context.store.imageOf(row, 'c'));
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

/** A row's value is found by trying the keys one by one: a long statement costs the square of its rows. */
function slices<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, at) => items.slice(at * size, (at + 1) * size));
}

async function query(runner: QueryRunner, { sql, values }: Statement): Promise<RawRow[]> {
  return (await runner.query(sql, [...values])) as RawRow[];
}
