import type { EntityManager, FindManyOptions, FindOneOptions, ObjectLiteral, QueryRunner } from 'typeorm';
import type { ConsistentRepositoryClass } from '../consistent.decorator.js';
import type { EntityContext } from '../entity/entity.context.js';
import { keyOfEntity } from '../entity/row.key.js';
import { PartialWriteError, UnsupportedOperationError } from '../errors.js';
import type { ReadRepairer } from '../settle/read.repairer.js';
import type { Completion } from './completer.js';
import { copyBack, copyForWrite } from './entity.copy.js';
import { PREPARE_ISOLATION, commitPrepare, waitUntilFree } from './prepare.transaction.js';
import { type PreparedWrite, RowInPrepare } from './prepared.write.js';
import { type PrepareOptions, Preparer } from './preparer.js';
import { prepareOne, type Writer, type WriteKind } from './writer.js';

/** One row of a unit of work, in `PartialWriteError.data.outcomes`. */
export interface UnitOutcome {
  readonly entity: string;
  readonly key: string;
  readonly operation: string;
  readonly status: 'committed' | 'deferred' | 'failed';
  readonly code?: string;
}

export type FindContext = (target: ConsistentRepositoryClass) => EntityContext;

/** What a callback of `consistent.transaction()` works with. Usable only until the callback ends. */
export class UnitOfWork {
  private readonly writes: { write: PreparedWrite; given: ObjectLiteral }[] = [];
  private open = true;

  /** @internal */
  constructor(
    private readonly runner: QueryRunner,
    private readonly find: FindContext,
    private readonly repairer: ReadRepairer,
  ) {}

  /** TypeORM's manager on this transaction, for entities that are not consistent ones. */
  get manager(): EntityManager {
    this.assertOpen();
    return this.runner.manager;
  }

  /** Plain SQL in the same MySQL transaction. It is durable once the transaction commits, whatever the index says then. */
  async query<T = unknown>(sql: string, parameters?: unknown[]): Promise<T> {
    this.assertOpen();
    return (await this.runner.query(sql, parameters)) as T;
  }

  /** The repository of a consistent entity, inside this transaction. */
  getRepository<Entity extends ObjectLiteral>(target: ConsistentRepositoryClass<Entity>): UnitRepository<Entity> {
    this.assertOpen();
    return new UnitRepository<Entity>(this, this.find(target));
  }

  /** @internal */
  async write<Entity extends ObjectLiteral>(
    context: EntityContext,
    kind: WriteKind,
    given: Entity,
    options: PrepareOptions,
  ): Promise<Entity> {
    this.assertOpen();
    const busyUntil = performance.now() + context.options.busyTimeoutMs;
    const own = this.ownWrite(context, given);
    if (own) return this.writeAgain(own, kind, given);
    for (;;) {
      try {
        const copy = copyForWrite(context.binding, given);
        const write = await prepareOne(context, this.runner, kind, copy, options);
        this.writes.push({ write, given });
        if (kind !== 'remove') copyBack(context.binding, write.entity as Entity, given);
        return given;
      } catch (error) {
        if (!(error instanceof RowInPrepare)) throw error;
        await waitUntilFree(context, error.key, busyUntil);
      }
    }
  }

  /** @internal A second write of a row that this unit has prepared: the undo image and the version stay. */
  private async writeAgain<Entity extends ObjectLiteral>(
    own: PreparedWrite,
    kind: WriteKind,
    given: Entity,
  ): Promise<Entity> {
    const { context } = own;
    if (kind === 'insert' || kind === 'remove' || own.pending.operation === 'delete' || own.complete) {
      throw new UnsupportedOperationError(
        `${context.binding.name} ${own.key.id} was already written in this unit of work; only save, softRemove and recover ` +
          `may follow on the same row, not ${kind}. Do the ${kind} in a unit of work of its own.`,
        { entity: context.binding.name, key: own.key.id },
      );
    }
    const copy = copyForWrite(context.binding, given);
    const write = await new Preparer<Entity>(context).updateAgain(
      this.runner,
      copy,
      kind === 'update' ? 'save' : kind,
      own,
    );
    this.writes.splice(
      this.writes.findIndex((item) => item.write === own),
      1,
      { write, given },
    );
    copyBack(context.binding, write.entity, given);
    return given;
  }

  private ownWrite(context: EntityContext, given: object): PreparedWrite | undefined {
    const key = given instanceof context.binding.target ? keyOfEntity(context.binding, given) : undefined;
    if (!key) return undefined;
    return this.writes.find(({ write }) => write.context === context && write.key.id === key.id)?.write;
  }

  /** @internal Reads inside the transaction: own writes as they are, others' undecided ones settled or waited for. */
  async read<Entity extends ObjectLiteral>(
    context: EntityContext,
    run: (manager: EntityManager) => Promise<Entity[]>,
  ): Promise<Entity[]> {
    this.assertOpen();
    const entities = await run(this.runner.manager);
    const others = entities.filter((entity) => !this.ownWrite(context, entity));
    const repaired = new Set(await this.repairer.repairEntities(context, others));
    return entities.filter((entity) => this.ownWrite(context, entity) || repaired.has(entity));
  }

  /** @internal */
  async prepare(): Promise<PreparedWrite[]> {
    this.open = false;
    for (const [context, rows] of groupByContext(this.writes.map(({ write }) => write))) {
      await context.store.renewDeadlines(this.runner, rows, context.options.deadlineMs);
    }
    const prepared = this.writes.map(({ write }) => write);
    await commitPrepare(this.runner, prepared);
    return prepared;
  }

  /** @internal */
  conclude(completions: readonly Completion[]): void {
    this.writes.forEach(({ write, given }, at) => {
      const completion = completions[at]!;
      if (completion.status === 'failed') return;
      write.context.binding.setConsistency(given, {
        state: completion.status === 'deferred' ? 'prepare' : 'commit',
        version: write.version,
      });
    });
    raiseFailures(
      this.writes.map(({ write }) => write),
      completions,
    );
  }

  private assertOpen(): void {
    if (this.open) return;
    throw new UnsupportedOperationError(
      'This unit of work has ended. Await everything inside the callback of consistent.transaction().',
    );
  }
}

/** The writes and reads of one entity inside a unit of work. */
export class UnitRepository<Entity extends ObjectLiteral> {
  /** @internal */
  constructor(
    private readonly unit: UnitOfWork,
    private readonly context: EntityContext,
  ) {}

  /** Inserts or updates. The caller's object gets its id, defaults and dates at once. */
  save(entity: Entity, options: PrepareOptions = {}): Promise<Entity> {
    return this.unit.write(this.context, 'save', entity, options);
  }

  insert(entity: Entity): Promise<Entity> {
    return this.unit.write(this.context, 'insert', entity, {});
  }

  remove(entity: Entity, options: PrepareOptions = {}): Promise<Entity> {
    return this.unit.write(this.context, 'remove', entity, options);
  }

  softRemove(entity: Entity, options: PrepareOptions = {}): Promise<Entity> {
    return this.unit.write(this.context, 'softRemove', entity, options);
  }

  recover(entity: Entity, options: PrepareOptions = {}): Promise<Entity> {
    return this.unit.write(this.context, 'recover', entity, options);
  }

  find(options?: FindManyOptions<Entity>): Promise<Entity[]> {
    return this.unit.read(this.context, (manager) =>
      manager.find(this.context.binding.target as never, options as never),
    );
  }

  async findOne(options: FindOneOptions<Entity>): Promise<Entity | null> {
    return (await this.find({ ...options, take: 1 }))[0] ?? null;
  }
}

/** Runs a callback as one MySQL transaction, then indexes, then commits what it prepared. */
export async function runUnitOfWork<T>(
  writer: Writer,
  runner: QueryRunner,
  unit: UnitOfWork,
  body: (unit: UnitOfWork) => Promise<T>,
): Promise<T> {
  return writer.track(async () => {
    let result: T;
    let prepared: PreparedWrite[];
    try {
      await runner.startTransaction(PREPARE_ISOLATION);
      result = await body(unit);
      prepared = await unit.prepare();
    } catch (error) {
      if (runner.isTransactionActive) await runner.rollbackTransaction().catch(() => undefined);
      throw error;
    } finally {
      await runner.release();
    }
    unit.conclude(await writer.completer.complete(prepared));
    return result;
  });
}

function groupByContext(writes: readonly PreparedWrite[]): Map<EntityContext, PreparedWrite[]> {
  const groups = new Map<EntityContext, PreparedWrite[]>();
  for (const write of writes) groups.set(write.context, [...(groups.get(write.context) ?? []), write]);
  return groups;
}

/** One row: its own error. Several: `PartialWriteError`, which tells the fate of each. */
function raiseFailures(writes: readonly PreparedWrite[], completions: readonly Completion[]): void {
  const errors = completions.flatMap((completion) => (completion.status === 'failed' ? [completion.error] : []));
  if (errors.length === 0) return;
  if (writes.length === 1) throw errors[0]!;
  const outcomes: UnitOutcome[] = writes.map((write, at) => {
    const completion = completions[at]!;
    return {
      entity: write.context.binding.name,
      key: write.key.id,
      operation: write.pending.operation,
      status: completion.status,
      ...(completion.status === 'failed' ? { code: completion.error.code } : {}),
    };
  });
  throw new PartialWriteError(
    `${errors.length} of ${writes.length} rows of this unit of work were not taken by Elasticsearch. Those rows are as they ` +
      'were before, or still undecided; the others, and plain SQL, are committed. See data.outcomes.',
    { outcomes },
    errors[0],
  );
}
