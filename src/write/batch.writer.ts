import type { ObjectLiteral, QueryRunner } from 'typeorm';
import type { EntityContext } from '../entity/entity.context.js';
import { InvalidOptionsError, ShuttingDownError } from '../errors.js';
import { classifyMysqlError } from '../mysql/mysql.errors.js';
import { copyForWrite } from './entity.copy.js';
import { SINGLY } from './prepare.group.js';
import { CONNECTION_BROKE, prepareInTransaction } from './prepare.transaction.js';
import { type PreparedWrite, RowInPrepare } from './prepared.write.js';
import { outcomeUnknown } from './write.errors.js';
import { applyToCaller, prepareOne, type WriteKind, type WriteOutcome, type Writer } from './writer.js';

export interface BatchOptions {
  /** Rows prepared in one MySQL transaction and sent in one bulk. 1 … 1,000, default 200. */
  readonly chunkSize?: number;
  /** Told after every chunk. */
  readonly onProgress?: (progress: { done: number; total: number }) => void;
}

const DEFAULT_CHUNK = 500;
const MAX_CHUNK = 1_000;
/** Chunks that are still being indexed and flipped while the next one is prepared. */
const MAX_BEHIND = 3;

/**
 * `saveMany` and `removeMany`: chunks of rows share a prepare transaction, a bulk and a flip; every item has its own
 * outcome. A row that MySQL refuses is taken back to its savepoint and harms nobody; one that is busy, and every row of
 * a transaction that broke as a whole, is written by itself.
 */
export class BatchWriter {
  constructor(private readonly writer: Writer) {}

  async write<Entity extends ObjectLiteral>(
    context: EntityContext,
    kind: WriteKind,
    entities: readonly Entity[],
    options: BatchOptions = {},
  ): Promise<WriteOutcome<Entity>[]> {
    const chunkSize = options.chunkSize ?? DEFAULT_CHUNK;
    if (!Number.isInteger(chunkSize) || chunkSize < 1 || chunkSize > MAX_CHUNK) {
      throw new InvalidOptionsError(`chunkSize must be 1 … ${MAX_CHUNK}, not ${String(chunkSize)}.`, { chunkSize });
    }
    const outcomes: WriteOutcome<Entity>[] = [];
    // The same object twice: the second needs the key that the first brings.
    const overlap = new Set(entities).size === entities.length;
    const underWay: Promise<WriteOutcome<Entity>[]>[] = [];
    const collect = async (most: number) => {
      while (underWay.length > most) {
        outcomes.push(...(await underWay.shift()!));
        options.onProgress?.({ done: outcomes.length, total: entities.length });
      }
    };
    for (let from = 0; from < entities.length; from += chunkSize) {
      const chunk = entities.slice(from, from + chunkSize);
      await new Promise<void>((wholeIsPrepared) => {
        const written = this.writeTracked(context, kind, chunk, from === 0, wholeIsPrepared);
        written.then(
          () => wholeIsPrepared(),
          () => wholeIsPrepared(),
        );
        underWay.push(written);
      });
      await collect(overlap ? MAX_BEHIND : 0);
    }
    await collect(0);
    return outcomes;
  }

  /** Shutdown may begin between two chunks: then what is already written must still be told. */
  private async writeTracked<Entity extends ObjectLiteral>(
    context: EntityContext,
    kind: WriteKind,
    chunk: readonly Entity[],
    first: boolean,
    wholeIsPrepared: () => void,
  ): Promise<WriteOutcome<Entity>[]> {
    try {
      return await this.writer.track(() => this.writeChunk(context, kind, chunk, wholeIsPrepared));
    } catch (error) {
      if (first || !(error instanceof ShuttingDownError)) throw error;
      return chunk.map((entity) => ({ status: 'failed', entity, error }));
    }
  }

  /** `wholeIsPrepared`: from here on the next chunk's rows come after these, whatever becomes of them. */
  private async writeChunk<Entity extends ObjectLiteral>(
    context: EntityContext,
    kind: WriteKind,
    chunk: readonly Entity[],
    wholeIsPrepared: () => void,
  ): Promise<WriteOutcome<Entity>[]> {
    const refused = new Map<number, Error>();
    const prepared = new Map<number, PreparedWrite<Entity>>();
    const together = await this.prepareTogether(context, kind, chunk, prepared, refused);
    const shared = together || (await this.prepareShared(context, kind, chunk, prepared, refused));
    if (prepared.size === chunk.length && shared) wholeIsPrepared();
    const outcomes = Array.from<WriteOutcome<Entity>>({ length: chunk.length });
    if (shared) await this.complete(prepared, chunk, outcomes);
    for (const [at, entity] of chunk.entries()) {
      const error = refused.get(at);
      if (outcomes[at]) continue;
      outcomes[at] = error ? { status: 'failed', entity, error } : await this.writeSingly(context, kind, entity);
    }
    return outcomes;
  }

  /** All rows by one statement. False where nothing came of it: then they are prepared row by row. */
  private async prepareTogether<Entity extends ObjectLiteral>(
    context: EntityContext,
    kind: WriteKind,
    chunk: readonly Entity[],
    prepared: Map<number, PreparedWrite<Entity>>,
    refused: Map<number, Error>,
  ): Promise<boolean> {
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
    prepared: ReadonlyMap<number, PreparedWrite<Entity>>,
    chunk: readonly Entity[],
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
        applyToCaller(prepared.get(at)!, completion, entity);
        outcomes[at] = { status: completion.status, entity };
      }
    });
  }

  /** False when the transaction as a whole came to nothing. */
  private async prepareShared<Entity extends ObjectLiteral>(
    context: EntityContext,
    kind: WriteKind,
    chunk: readonly Entity[],
    prepared: Map<number, PreparedWrite<Entity>>,
    refused: Map<number, Error>,
  ): Promise<boolean> {
    try {
      await prepareInTransaction(context.binding.dataSource, context, async (runner) => {
        prepared.clear();
        refused.clear();
        for (const [at, given] of chunk.entries())
          await this.prepareItem(context, runner, kind, given, at, prepared, refused);
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
    context: EntityContext,
    runner: QueryRunner,
    kind: WriteKind,
    given: Entity,
    at: number,
    prepared: Map<number, PreparedWrite<Entity>>,
    refused: Map<number, Error>,
  ): Promise<void> {
    await runner.query('SAVEPOINT consistent_item');
    try {
      prepared.set(at, await prepareOne(context, runner, kind, copyForWrite(context.binding, given), {}));
    } catch (error) {
      const fromMysql = (error as { driverError?: unknown }).driverError !== undefined;
      if (fromMysql && classifyMysqlError(error) !== 'refused') throw error;
      await runner.query('ROLLBACK TO SAVEPOINT consistent_item');
      // Duplicates are looked at again singly: the key may be an undecided row's.
      if (!(error instanceof RowInPrepare) && !fromMysql) refused.set(at, error as Error);
    }
  }

  private async writeSingly<Entity extends ObjectLiteral>(
    context: EntityContext,
    kind: WriteKind,
    entity: Entity,
  ): Promise<WriteOutcome<Entity>> {
    try {
      await this.writer.write(context, kind, entity);
      const deferred = context.binding.consistencyOf(entity)?.state === 'prepare';
      return { status: deferred ? 'deferred' : 'committed', entity };
    } catch (error) {
      return { status: 'failed', entity, error: error as Error };
    }
  }
}

function isUnknown(error: unknown): boolean {
  return (error as { code?: unknown }).code === 'OUTCOME_UNKNOWN';
}
