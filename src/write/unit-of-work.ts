import type { EntityManager, ObjectLiteral, QueryRunner } from 'typeorm';
import type { ConsistentRepositoryClass } from '../consistent.decorator.js';
import type { EntityContext } from '../entity/entity.context.js';
import { keyOfEntity, type RowKey } from '../entity/row.key.js';
import { PartialWriteError, UnsupportedOperationError } from '../errors.js';
import { isServerAnswer } from '../mysql/mysql.errors.js';
import type { ReadRepairer } from '../settle/read.repairer.js';
import type { Completion } from './completer.js';
import { copyBack, copyForWrite } from './entity.copy.js';
import { awaitRelations } from './lazy.relations.js';
import { PREPARE_ISOLATION, commitPrepare, waitUntilFree } from './prepare.transaction.js';
import { type PreparedWrite, RowInPrepare } from './prepared.write.js';
import { Preparer } from './preparer.js';
import { UnitRepository } from './unit.repository.js';
import { checkWriteOptions, type PrepareOptions } from './write.options.js';
import { prepareOne, type Writer, type WriteKind } from './writer.js';

export { UnitRepository } from './unit.repository.js';

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
  private last: Promise<unknown> = Promise.resolve();
  private underWay = 0;

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
    return this.inTurn(async () => (await this.runner.query(sql, parameters)) as T);
  }

  /** The repository of a consistent entity, inside this transaction. */
  getRepository<Entity extends ObjectLiteral>(target: ConsistentRepositoryClass<Entity>): UnitRepository<Entity> {
    this.assertOpen();
    return new UnitRepository<Entity>(this, this.find(target));
  }

  /** @internal */
  async begin(): Promise<void> {
    await this.runner.startTransaction(PREPARE_ISOLATION);
    await this.runner.query('SAVEPOINT consistent_unit');
  }

  /** @internal */
  write<Entity extends ObjectLiteral>(
    context: EntityContext,
    kind: WriteKind,
    given: Entity,
    options: PrepareOptions,
  ): Promise<Entity> {
    return this.inTurn(async () => {
      checkWriteOptions(options);
      const busyUntil = performance.now() + context.options.busyTimeoutMs;
      await awaitRelations(context.binding.metadata, [given]);
      for (let attempt = 0; ; attempt++) {
        try {
          return await this.wholly(() => this.writeOnce(context, kind, given, options));
        } catch (error) {
          if (!(error instanceof RowInPrepare)) throw error;
          const own = await this.ownRow(context, error.key);
          if (own) return this.wholly(() => this.writeAgain(own, kind, given));
          await waitUntilFree(context, error.key, busyUntil, attempt);
        }
      }
    });
  }

  private async writeOnce<Entity extends ObjectLiteral>(
    context: EntityContext,
    kind: WriteKind,
    given: Entity,
    options: PrepareOptions,
  ): Promise<Entity> {
    const own = this.ownWrite(context, given);
    if (own) return this.writeAgain(own, kind, given);
    const copy = copyForWrite(context.binding, given);
    const write = await prepareOne(context, this.runner, kind, copy, options);
    this.writes.push({ write, given });
    if (kind !== 'remove') copyBack(context.binding, write.entity as Entity, given);
    return given;
  }

  /** A write is several statements: one that fails, and whose error the callback catches, must leave none of them behind. */
  private async wholly<T>(write: () => Promise<T>): Promise<T> {
    await this.runner.query('SAVEPOINT consistent_write');
    try {
      return await write();
    } catch (error) {
      await this.runner.query('ROLLBACK TO SAVEPOINT consistent_write').catch(() => {
        // The transaction itself is gone, as after a deadlock: what follows would be committed statement by statement.
        this.open = false;
      });
      throw error;
    }
  }

  /** One at a time, also under `Promise.all`: they share a connection, and a savepoint would undo a neighbour's work. */
  private async inTurn<T>(operation: () => Promise<T>): Promise<T> {
    this.assertOpen();
    this.underWay++;
    const turn = this.last.then(() => {
      this.assertOpen();
      return operation();
    });
    this.last = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      this.underWay--;
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
    const key = keyOfEntity(context.binding, given);
    if (!key) return undefined;
    return this.writes.find(({ write }) => write.context === context && write.key.id === key.id)?.write;
  }

  /** The same, where MySQL takes another spelling of the key for a row that this unit has written. */
  private async ownRow(context: EntityContext, key: RowKey): Promise<PreparedWrite | undefined> {
    const row = (await context.store.load([key], this.runner)).get(key.id);
    return row && this.writes.find(({ write }) => write.context === context && write.key.id === row.key.id)?.write;
  }

  /** @internal Reads inside the transaction: own writes as they are, others' undecided ones settled or waited for. */
  read<Entity extends ObjectLiteral>(
    context: EntityContext,
    run: (manager: EntityManager) => Promise<Entity[]>,
  ): Promise<Entity[]> {
    return this.inTurn(async () => {
      const entities = await run(this.runner.manager);
      return this.repairer.repairEntities(context, entities, (site) => {
        const own = this.ownWrite(site.context, site.entity);
        return own && (own.pending.operation === 'delete' ? 'gone' : 'as-is');
      });
    });
  }

  /** @internal */
  async prepare(): Promise<PreparedWrite[]> {
    if (this.underWay > 0) {
      this.open = false;
      await this.last;
      throw new UnsupportedOperationError(
        'The callback of consistent.transaction() ended before something that it began. Await everything inside it. Nothing was written.',
      );
    }
    this.open = false;
    await this.assertWhole();
    for (const [context, rows] of groupByContext(this.writes.map(({ write }) => write))) {
      await context.store.renewDeadlines(this.runner, rows, context.options.deadlineMs);
    }
    const prepared = this.writes.map(({ write }) => write);
    await commitPrepare(this.runner, prepared);
    return prepared;
  }

  /** A unit whose transaction ended on the way holds writes that MySQL no longer knows: their documents must not be sent. */
  private async assertWhole(): Promise<void> {
    try {
      await this.runner.query('RELEASE SAVEPOINT consistent_unit');
    } catch (error) {
      // Without an answer nothing is known of the savepoint; nothing was committed either.
      if (!isServerAnswer(error)) throw error;
      throw new UnsupportedOperationError(
        'The MySQL transaction of this unit of work ended inside the callback: by DDL, COMMIT or ROLLBACK, or by a deadlock whose ' +
          'error was caught. Leave those out, and let such errors leave the callback.',
        {},
        error,
      );
    }
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
      'This unit of work has ended, or its MySQL transaction was rolled back by an error that was caught. Await everything ' +
        'inside the callback of consistent.transaction(), and let errors leave it.',
    );
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
      await unit.begin();
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
