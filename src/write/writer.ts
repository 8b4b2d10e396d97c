import type { ObjectLiteral, QueryRunner } from 'typeorm';
import type { EntityContext } from '../entity/entity.context.js';
import { keyOfEntity } from '../entity/row.key.js';
import { ShuttingDownError } from '../errors.js';
import { within } from '../mysql/time.watch.js';
import { Completer, type Completion } from './completer.js';
import { copyBack, copyForWrite } from './entity.copy.js';
import { awaitRelations } from './lazy.relations.js';
import { SINGLY } from './prepare.answer.js';
import { prepareInTransaction } from './prepare.transaction.js';
import type { PreparedWrite } from './prepared.write.js';
import { Preparer } from './preparer.js';
import { checkWriteOptions, type PrepareOptions } from './write.options.js';

/*
 * The write, as a state machine. Left: what MySQL holds. Right: what may follow.
 *
 *   (nothing written)
 *        │ prepare: one short MySQL transaction: new columns, state = prepare, version v, deadline, undo image
 *        │   fails ──────────────────────────────► (nothing written), the database's error
 *        │   row already in prepare ─────────────► settle it first, or RowBusy / RowParked
 *        │   connection breaks in COMMIT ────────► (nothing written) or PREPARE(v), OutcomeUnknown
 *        ▼
 *   PREPARE(v)   no connection, no lock is held from here on; anybody may settle the row after its deadline
 *        │ index: PUT or DELETE the document at external version v
 *        │   refused for certain ────────────────► restore the undo image at v ─► COMMIT(v), IndexRejected / IndexUnavailable
 *        │   unknown ────────────────────────────► PREPARE(v), OutcomeUnknown
 *        │   409, the slot was lost ─────────────► restored by whoever won ────► COMMIT(v), WriteAborted
 *        ▼
 *   PREPARE(v), decided
 *        │ commit: state = commit where version = v and state = prepare (a delete removes the row)
 *        │   fails ──────────────────────────────► PREPARE(v), decided; settled later; the caller gets success
 *        ▼
 *   COMMIT(v)
 *
 * `decider: 'mysql'`: PREPARE(v) is decided at once; what the index says only tells when the flip may follow.
 */

/** The fate of one item of `saveMany` or `removeMany`. */
export type WriteOutcome<Entity extends ObjectLiteral> =
  /** In both stores. */
  | { readonly status: 'committed'; readonly entity: Entity }
  /** `decider: 'mysql'`: durable in MySQL, the index follows. */
  | { readonly status: 'deferred'; readonly entity: Entity }
  /** See the error's `code`. With OUTCOME_UNKNOWN the write may still have happened. */
  | { readonly status: 'failed'; readonly entity: Entity; readonly error: Error };

export type WriteKind = 'save' | 'insert' | 'update' | 'remove' | 'softRemove' | 'recover';

/** Carries writes of any entity through the protocol, and knows which are under way. */
export class Writer {
  readonly completer = new Completer();
  private readonly active = new Set<Promise<unknown>>();
  private closed = false;

  /** One row. Resolves with the caller's object, completed; throws what the failure table says. */
  write<Entity extends ObjectLiteral>(
    context: EntityContext,
    kind: WriteKind,
    given: Entity,
    options: PrepareOptions = {},
  ): Promise<Entity> {
    return context.instruments.active
      ? this.writeObserved(context, kind, given, options)
      : this.writeTracked(context, kind, given, options);
  }

  private writeObserved<Entity extends ObjectLiteral>(
    context: EntityContext,
    kind: WriteKind,
    given: Entity,
    options: PrepareOptions,
  ): Promise<Entity> {
    const { instruments, binding } = context;
    return instruments.run('write', binding, 1, () => this.writeTracked(context, kind, given, options));
  }

  private writeTracked<Entity extends ObjectLiteral>(
    context: EntityContext,
    kind: WriteKind,
    given: Entity,
    options: PrepareOptions,
  ): Promise<Entity> {
    return this.track(async () => {
      const prepared = await (context.instruments.active
        ? this.prepareObserved(context, kind, given, options)
        : this.prepare(context, kind, given, options));
      const completion = await this.completer.completeOne(prepared as PreparedWrite<Entity>);
      return settleCaller(prepared as PreparedWrite<Entity>, completion, given);
    });
  }

  private prepareObserved(
    context: EntityContext,
    kind: WriteKind,
    given: ObjectLiteral,
    options: PrepareOptions,
  ): Promise<PreparedWrite> {
    const { instruments, binding } = context;
    return instruments.run('prepare', binding, 1, () => this.prepare(context, kind, given, options));
  }

  private async prepare(
    context: EntityContext,
    kind: WriteKind,
    given: ObjectLiteral,
    options: PrepareOptions,
  ): Promise<PreparedWrite> {
    checkWriteOptions(options);
    const relations = awaitRelations(context.binding.metadata, [given]);
    if (relations) await relations;
    const open = context.routes.barrier(context.binding.alias, context.options.busyTimeoutMs);
    if (open) await open;
    const shared = await context.prepares.prepare(kind, copyForWrite(context.binding, given), options);
    if (shared instanceof Error) throw shared;
    return shared === SINGLY ? this.prepareSingly(context, kind, given, options) : shared;
  }

  private async prepareSingly<Entity extends ObjectLiteral>(
    context: EntityContext,
    kind: WriteKind,
    given: Entity,
    options: PrepareOptions,
  ): Promise<PreparedWrite> {
    const [prepared] = await prepareInTransaction(
      context.binding.dataSource,
      context,
      async (runner) => [await prepareOne(context, runner, kind, copyForWrite(context.binding, given), options)],
      keyOfEntity(context.binding, given),
    );
    return prepared!;
  }

  /** Counts an operation as under way until it ends. Refused once shutdown has begun. */
  async track<T>(operation: () => Promise<T>): Promise<T> {
    if (this.closed) {
      throw new ShuttingDownError(
        'The application is shutting down and takes no new writes. Try again on another instance.',
      );
    }
    const running = operation();
    const ended = running.then(
      () => undefined,
      () => undefined,
    );
    this.active.add(ended);
    try {
      return await running;
    } finally {
      this.active.delete(ended);
    }
  }

  /** Takes no new writes and waits for those under way, at most `timeoutMs`. False if some were still running. */
  async drain(timeoutMs: number): Promise<boolean> {
    this.closed = true;
    const done = Promise.all(this.active)
      .then(() => this.completer.drain())
      .then(() => true);
    return within(done, timeoutMs, () => false);
  }
}

/** The MySQL half of one write of any kind. */
export async function prepareOne<Entity extends ObjectLiteral>(
  context: EntityContext,
  runner: QueryRunner,
  kind: WriteKind,
  entity: Entity,
  options: PrepareOptions,
): Promise<PreparedWrite<Entity>> {
  const preparer = new Preparer<Entity>(context);
  if (kind === 'save') return preparer.save(runner, entity, options);
  if (kind === 'insert') return preparer.insert(runner, entity);
  if (kind === 'remove') return preparer.remove(runner, entity, options);
  return preparer.update(runner, entity, kind === 'update' ? 'save' : kind, options);
}

/** Gives the caller's object what the database made of it, or throws the completion's error. */
export function settleCaller<Entity extends ObjectLiteral>(
  write: PreparedWrite<Entity>,
  completion: Completion,
  given: Entity,
): Entity {
  if (completion.status === 'failed') throw completion.error;
  applyToCaller(write, completion, given);
  return given;
}

export function applyToCaller<Entity extends ObjectLiteral>(
  write: PreparedWrite<Entity>,
  completion: Exclude<Completion, { status: 'failed' }>,
  given: Entity,
): void {
  const { binding } = write.context;
  if (write.pending.operation !== 'delete') copyBack(binding, write.entity, given);
  binding.setConsistency(given, {
    state: completion.status === 'deferred' ? 'prepare' : 'commit',
    version: write.version,
  });
}
