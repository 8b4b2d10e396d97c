import type { ObjectLiteral, QueryRunner } from 'typeorm';
import type { EntityContext } from '../entity/entity.context.js';
import { StatementTimeoutError } from '../errors.js';
import { classifyMysqlError } from '../mysql/mysql.errors.js';
import { copyForWrite } from './entity.copy.js';
import { awaitRelations } from './lazy.relations.js';
import { SINGLY } from './prepare.answer.js';
import { CONNECTION_BROKE, prepareInTransaction } from './prepare.transaction.js';
import { type PreparedWrite, RowInPrepare } from './prepared.write.js';
import { outcomeUnknown } from './write.errors.js';
import { applyToCaller, prepareOne, type WriteKind, type WriteOutcome, type Writer } from './writer.js';

/** One chunk's rows while they are prepared, by their place in the chunk. */
interface Preparation<Entity extends ObjectLiteral> {
  readonly chunk: readonly Entity[];
  readonly prepared: Map<number, PreparedWrite<Entity>>;
  readonly refused: Map<number, Error>;
}

/** So many rows in a row met a MySQL that does not answer: the others are not made to wait for the same, one by one. */
const MAX_SILENCES = 3;

export interface ChunkOptions {
  /** Whether the caller's objects are completed from the database, as `save` does. */
  readonly completesGiven: boolean;
}

/**
 * Writes chunks of rows that share a prepare transaction, a bulk and a flip; every row has its own outcome. A row that
 * MySQL refuses is taken back to its savepoint and harms nobody; one that is busy, and every row of a transaction that
 * broke as a whole, is written by itself.
 */
export class ChunkWriter {
  constructor(
    private readonly writer: Writer,
    private readonly context: EntityContext,
    private readonly kind: WriteKind,
    private readonly options: ChunkOptions,
  ) {}

  /**
   * One outcome for each row, in order. `wholeIsPrepared`: from here on the next chunk's rows come after these, whatever
   * becomes of them. Throws `ShuttingDownError` where nothing of the chunk was begun.
   */
  write<Entity extends ObjectLiteral>(
    chunk: readonly Entity[],
    wholeIsPrepared: () => void,
  ): Promise<WriteOutcome<Entity>[]> {
    const { instruments, binding } = this.context;
    const write = () => this.writer.track(() => this.writeChunk(chunk, wholeIsPrepared));
    return instruments.active ? instruments.run('write', binding, chunk.length, write) : write();
  }

  private async writeChunk<Entity extends ObjectLiteral>(
    chunk: readonly Entity[],
    wholeIsPrepared: () => void,
  ): Promise<WriteOutcome<Entity>[]> {
    const relations = awaitRelations(this.context.binding.metadata, chunk);
    if (relations) await relations;
    const { routes, options } = this.context;
    const open = routes.barrier(this.context.binding.alias, options.busyTimeoutMs);
    if (open) await open;
    const preparation: Preparation<Entity> = { chunk, prepared: new Map(), refused: new Map() };
    const { prepared, refused } = preparation;
    const { instruments, binding } = this.context;
    const prepare = async () => (await this.prepareTogether(preparation)) || (await this.prepareShared(preparation));
    const shared = await (instruments.active
      ? instruments.run('prepare', binding, chunk.length, prepare, { outcomeOf: (all) => (all ? 'ok' : 'singly') })
      : prepare());
    if (prepared.size === chunk.length && shared) wholeIsPrepared();
    const outcomes = Array.from<WriteOutcome<Entity>>({ length: chunk.length });
    if (shared) await this.complete(preparation, outcomes);
    let silences: StatementTimeoutError[] = [];
    for (const [at, entity] of chunk.entries()) {
      if (outcomes[at]) continue;
      const error = refused.get(at) ?? silences[MAX_SILENCES - 1];
      const outcome = error ? ({ status: 'failed', entity, error } as const) : await this.writeSingly(entity);
      outcomes[at] = outcome;
      if (error) continue;
      const silent = outcome.status === 'failed' && outcome.error instanceof StatementTimeoutError;
      silences = silent ? [...silences, outcome.error as StatementTimeoutError] : [];
    }
    return outcomes;
  }

  /** All rows by one statement. False where nothing came of it: then they are prepared row by row. */
  private async prepareTogether<Entity extends ObjectLiteral>(preparation: Preparation<Entity>): Promise<boolean> {
    const { context, kind } = this;
    const { chunk, prepared, refused } = preparation;
    try {
      const copies = chunk.map((entity) => copyForWrite<Entity>(context.binding, entity));
      const answers = (await context.prepares.prepareMany(kind, copies)) ?? [];
      answers.forEach((answer, at) => {
        if (answer instanceof Error) refused.set(at, answer);
        else if (answer !== SINGLY) prepared.set(at, answer as PreparedWrite<Entity>);
      });
      return prepared.size > 0 || refused.size > 0;
    } catch {
      return false;
    }
  }

  private async complete<Entity extends ObjectLiteral>(
    { chunk, prepared }: Preparation<Entity>,
    outcomes: WriteOutcome<Entity>[],
  ): Promise<void> {
    const positions = [...prepared.keys()];
    const completions = await this.writer.completer.complete([...prepared.values()]);
    positions.forEach((at, place) => {
      const entity = chunk[at]!;
      const completion = completions[place]!;
      if (completion.status === 'failed') {
        outcomes[at] = { status: 'failed', entity, error: completion.error };
      } else {
        if (this.options.completesGiven) applyToCaller(prepared.get(at)!, completion, entity);
        outcomes[at] = { status: completion.status, entity };
      }
    });
  }

  /** False when the transaction as a whole came to nothing. */
  private async prepareShared<Entity extends ObjectLiteral>(preparation: Preparation<Entity>): Promise<boolean> {
    const { context } = this;
    const { chunk, prepared, refused } = preparation;
    try {
      await prepareInTransaction(context.binding.dataSource, context, async (runner) => {
        prepared.clear();
        refused.clear();
        for (const at of chunk.keys()) await this.prepareItem(runner, preparation, at);
        await context.store.renewDeadlines(runner, [...prepared.values()], context.options.deadlineMs);
        return [...prepared.values()];
      });
      return true;
    } catch (error) {
      // A COMMIT of unknown outcome concerns every row of the chunk; anything else leaves them to be written singly.
      if (classifyMysqlError((error as Error).cause) === 'lost' && prepared.size > 0 && isUnknown(error)) {
        const { cause } = error as Error;
        for (const [at, write] of prepared) refused.set(at, outcomeUnknown(write, CONNECTION_BROKE, cause));
      }
      return false;
    }
  }

  private async prepareItem<Entity extends ObjectLiteral>(
    runner: QueryRunner,
    { chunk, prepared, refused }: Preparation<Entity>,
    at: number,
  ): Promise<void> {
    const { context, kind } = this;
    await runner.query('SAVEPOINT consistent_item');
    try {
      const copy = copyForWrite<Entity>(context.binding, chunk[at]!);
      prepared.set(at, await prepareOne(context, runner, kind, copy, {}));
    } catch (error) {
      const fromMysql = (error as { driverError?: unknown }).driverError !== undefined;
      if (fromMysql && classifyMysqlError(error) !== 'refused') throw error;
      await runner.query('ROLLBACK TO SAVEPOINT consistent_item');
      // Duplicates are looked at again singly: the key may be an undecided row's.
      if (!(error instanceof RowInPrepare) && !fromMysql) refused.set(at, error as Error);
    }
  }

  private async writeSingly<Entity extends ObjectLiteral>(entity: Entity): Promise<WriteOutcome<Entity>> {
    const { binding } = this.context;
    try {
      const given = this.options.completesGiven ? entity : copyForWrite<Entity>(binding, entity);
      await this.writer.write(this.context, this.kind, given);
      const deferred = binding.consistencyOf(given)?.state === 'prepare';
      return { status: deferred ? 'deferred' : 'committed', entity };
    } catch (error) {
      return { status: 'failed', entity, error: error as Error };
    }
  }
}

function isUnknown(error: unknown): boolean {
  return (error as { code?: unknown }).code === 'OUTCOME_UNKNOWN';
}
