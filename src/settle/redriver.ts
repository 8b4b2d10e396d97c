import { setTimeout as sleep } from 'node:timers/promises';
import type { QueryRunner } from 'typeorm';
import { documentIdOf, documentTextOf } from '../entity/document.builder.js';
import type { EntityContext } from '../entity/entity.context.js';
import { keyOfImage } from '../entity/row.key.js';
import { GroupStatements, type Statement } from '../mysql/group.statements.js';
import { isDeadlock } from '../mysql/mysql.errors.js';
import { versionOf } from '../mysql/row.values.js';
import { primaryRunner } from '../mysql/statement.timeout.js';
import type { PendingWrite } from '../protocol/row.js';
import type { Completion } from '../write/completer.js';
import { commitPrepare, PREPARE_ISOLATION } from '../write/prepare.transaction.js';
import type { PreparedWrite } from '../write/prepared.write.js';
import type { Writer } from '../write/writer.js';
import {
  alike,
  type Planned,
  type RedriveCase,
  redriveCase,
  type RedriveKey,
  type RedriveResult,
} from './redrive.case.js';
import { busy, nameless, notRemoved, parked } from './redrive.errors.js';
import { RedriveStatements } from './redrive.statements.js';

export type { RedriveKey, RedriveResult } from './redrive.case.js';

export interface RedriveOptions {
  /** Time limit for each batch of 200 keys, in milliseconds. */
  readonly timeoutMs: number;
}

const BATCH = 200;
const MAX_PARALLEL = 2;
/** How often one key is written, or its document deleted, before its conflicts count as an error. */
const MAX_TRIES = 4;
const FIRST_PAUSE_MS = 5;
const MAX_PAUSE_MS = 250;

type RawRow = Record<string, unknown>;

/** One batch under way. */
interface Batch {
  readonly context: EntityContext;
  readonly open: Map<string, RedriveCase>;
  readonly results: Map<string, RedriveResult>;
  readonly endsAt: number;
}

/**
 * Writes what rows hold *now* through the protocol, at a version above the row's and the document's: the cure for any
 * difference between the two. Nothing of the row changes but its version.
 *
 * - a row in `commit`: prepare with unchanged columns, index, flip;
 * - a row in `prepare`: settled first;
 * - no row: its document is deleted at the document's version + 1. Never at "now": an insert that began earlier may have
 *   a lower version;
 * - a row without a document by rule (soft-deleted, `when`): the document is taken away by the same three steps.
 *
 * Every step names the versions it saw; where somebody else was quicker it looks again.
 */
export class Redriver {
  constructor(private readonly writer: Pick<Writer, 'completer' | 'track'>) {}

  /**
   * One result for every key, by the key's `id`. What a store refuses or does not answer is that key's `Error`.
   * @throws ShuttingDownError once the application shuts down
   */
  async redrive(
    context: EntityContext,
    keys: readonly RedriveKey[],
    options: RedriveOptions,
  ): Promise<Map<string, RedriveResult>> {
    const unique = [...new Map(keys.map((key) => [key.id, key])).values()];
    const slices = Array.from({ length: Math.ceil(unique.length / BATCH) }, (_, at) =>
      unique.slice(at * BATCH, (at + 1) * BATCH),
    );
    const results = new Map<string, RedriveResult>();
    return this.writer.track(async () => {
      const work = async () => {
        for (let slice = slices.shift(); slice; slice = slices.shift()) {
          for (const [id, result] of await this.batch(context, slice, options)) results.set(id, result);
        }
      };
      await Promise.all(Array.from({ length: MAX_PARALLEL }, work));
      return results;
    });
  }

  private async batch(context: EntityContext, keys: readonly RedriveKey[], { timeoutMs }: RedriveOptions) {
    const batch: Batch = {
      context,
      open: new Map(keys.map((key) => [key.id, redriveCase(context.binding, key)])),
      results: new Map(),
      endsAt: performance.now() + timeoutMs,
    };
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS)) {
      await this.round(batch).catch((error: Error) => {
        // A look that only our own time limit ended says less than what was seen before.
        const late = performance.now() >= batch.endsAt;
        for (const item of batch.open.values()) if (!late || !item.lastError) item.lastError = error;
      });
      if (batch.open.size === 0) return batch.results;
      if (performance.now() + pauseMs > batch.endsAt) break;
      await sleep(pauseMs);
    }
    for (const item of batch.open.values()) {
      batch.results.set(item.key.id, item.lastError ?? busy(context, item, `within ${timeoutMs} ms`));
    }
    return batch.results;
  }

  /** The index first: a row that is not there *after* a document was seen cannot be that document's. */
  private async round(batch: Batch): Promise<void> {
    const { context, open } = batch;
    const { store, binding } = context;
    const seen = await this.look(batch, [...open.values()]);
    const rows = await store.load(seen.flatMap(({ key }) => (key.parameters.length > 0 ? key : [])));
    const drive: RedriveCase[] = [];
    const remove: RedriveCase[] = [];
    const undecided: RedriveCase[] = [];
    for (const item of seen) {
      const row = rows.get(item.key.id);
      try {
        const own = row && documentIdOf(binding, row.image);
        if (own !== undefined && item.documentId !== own && item.key.documentId === undefined) {
          // Looked at under a name that is not the row's: once more, under the right one.
          item.documentId = own;
        } else if (!row || own !== item.documentId) {
          if (item.documentId === undefined) throw nameless(context, item);
          if (item.slot.found) remove.push(item);
          else finish(batch, item, 'unchanged');
        } else if (row.parked) finish(batch, item, parked(context, item));
        else if (row.state === 'prepare') undecided.push(item);
        else if (item.decidedAt === row.version) finish(batch, item, 'redriven');
        else drive.push(item);
      } catch (error) {
        finish(batch, item, error as Error);
      }
    }
    await this.remove(batch, remove);
    await this.settle(batch, undecided);
    await this.drive(batch, drive);
  }

  /** Answers those whose slots could be seen; the others come again in the next round. */
  private async look({ context, endsAt }: Batch, items: readonly RedriveCase[]): Promise<RedriveCase[]> {
    const named = items.filter(({ documentId }) => documentId !== undefined);
    const ids = named.map(({ documentId }) => documentId!);
    const { alias } = context.binding;
    const slots = ids.length > 0 ? await context.documents.lookEach(alias, ids, { timeoutMs: leftMs(endsAt) }) : [];
    const unseen = new Set<RedriveCase>();
    named.forEach((item, at) => {
      const slot = slots[at]!;
      if (slot instanceof Error) {
        item.lastError = slot;
        unseen.add(item);
      } else item.slot = slot;
    });
    return items.filter((item) => !unseen.has(item));
  }

  private async remove(batch: Batch, items: readonly RedriveCase[]): Promise<void> {
    const { context, endsAt } = batch;
    const writes = items.map(({ documentId, slot }) => ({
      id: documentId!,
      version: (slot as { version: number }).version + 1,
      body: null,
    }));
    if (writes.length === 0) return;
    const outcomes = await context.documents.write(context.binding.alias, writes, { timeoutMs: leftMs(endsAt) });
    items.forEach((item, at) => {
      const outcome = outcomes[at]!;
      if (outcome.kind === 'applied') return finish(batch, item, 'removed');
      item.lastError = notRemoved(context, item, outcome);
      // Sending the same delete again is harmless; so is one whose outcome is unknown.
      if (outcome.kind === 'refused' || ++item.tries >= MAX_TRIES) finish(batch, item, item.lastError);
    });
  }

  private async settle(batch: Batch, items: readonly RedriveCase[]): Promise<void> {
    if (items.length === 0) return;
    const { context, endsAt } = batch;
    const keys = items.map(({ key }) => key);
    const timeoutMs = Math.min(context.options.writeTimeoutMs, leftMs(endsAt));
    const settled = await context.settler.resolve(keys, { purpose: 'operator', timeoutMs });
    for (const item of items) {
      const result = settled.get(item.key.id)!;
      if (result instanceof Error) item.lastError = busy(context, item, `: ${result.message}`, result);
      else if (result.parked) finish(batch, item, parked(context, item));
      else if (!result.settled) item.lastError = busy(context, item, 'in time');
    }
  }

  private async drive(batch: Batch, items: readonly RedriveCase[]): Promise<void> {
    if (items.length === 0) return;
    let prepared: { item: RedriveCase; write: PreparedWrite }[];
    try {
      prepared = await this.prepare(batch, items);
    } catch (error) {
      if (isDeadlock(error)) throw error;
      // One row that MySQL refuses must not keep its neighbours.
      if (items.length === 1) return finish(batch, items[0]!, error as Error);
      for (const item of items) await this.drive(batch, [item]);
      return;
    }
    const completions = await this.writer.completer.complete(prepared.map(({ write }) => write));
    prepared.forEach(({ item, write }, at) => this.completed(batch, item, write, completions[at]!));
  }

  private completed(batch: Batch, item: RedriveCase, write: PreparedWrite, completion: Completion): void {
    const aborted = completion.status === 'failed' && completion.error.code === 'WRITE_ABORTED';
    if (completion.status === 'committed')
      finish(batch, item, write.pending.next === 'present' ? 'redriven' : 'removed');
    else if (completion.status === 'deferred') item.decidedAt = write.version;
    else if (aborted && ++item.tries < MAX_TRIES) item.lastError = completion.error;
    else finish(batch, item, completion.error);
  }

  /** One transaction: lock, make the documents, prepare. Rows that somebody else holds stay open for the next round. */
  private async prepare(batch: Batch, items: readonly RedriveCase[]) {
    const { context } = batch;
    const { binding, store, options } = context;
    const statements = new RedriveStatements(binding, store.statements);
    const group = new GroupStatements(binding, store.statements);
    const runner = primaryRunner(binding.dataSource);
    try {
      await runner.startTransaction(PREPARE_ISOLATION);
      const locked = this.byKey(context, await query(runner, group.lock(items.map(({ key }) => key))));
      const now = versionOf((await query(runner, statements.now()))[0]!['now']);
      const planned: Planned[] = [];
      for (const item of items) {
        const row = locked.get(item.documentId!);
        if (row && row['state'] === 'commit') planned.push(...(await this.plan(batch, item, row)));
        else item.lastError = busy(context, item, 'in time');
      }
      for (const { rows, floor } of alike(planned, now)) {
        const keys = rows.map(({ write }) => write.key);
        await query(runner, statements.prepare(keys, rows[0]!.write.pending, floor, options.deadlineMs));
      }
      const keys = planned.map(({ write }) => write.key);
      const written = this.byKey(context, keys.length > 0 ? await query(runner, group.images(keys)) : []);
      const prepared = planned.map(({ item, write }) => {
        const row = written.get(item.documentId!);
        if (!row) throw new Error(`a prepared row of ${binding.name} could not be read back`);
        const { version, deadline } = row;
        return { item, write: { ...write, version: versionOf(version), deadline: deadline as string | null } };
      });
      await commitPrepare(
        runner,
        prepared.map(({ write }) => write),
      );
      return prepared;
    } catch (error) {
      if (runner.isTransactionActive) await runner.rollbackTransaction().catch(() => undefined);
      throw error;
    } finally {
      await runner.release();
    }
  }

  /** Empty where there is nothing to write, or the row cannot become a document. */
  private async plan(batch: Batch, item: RedriveCase, row: RawRow): Promise<Planned[]> {
    const { context } = batch;
    const { binding, store } = context;
    try {
      const image = store.imageOf(row, 'c');
      const entity = await binding.hydrate(image);
      const next = binding.presence(image, entity);
      if (next === 'absent' && !item.slot.found) {
        finish(batch, item, 'unchanged');
        return [];
      }
      const pending: PendingWrite = { operation: 'update', next, before: next, decider: binding.decider };
      const body = next === 'present' ? documentTextOf(binding, image, entity) : null;
      const key = keyOfImage(binding, image);
      const write = { context, key, documentId: item.documentId!, pending, body, image, entity, complete: false };
      return [{ item, write }];
    } catch (error) {
      finish(batch, item, error as Error);
      return [];
    }
  }

  /** By document id: the one name that does not depend on how a key was spelled. */
  private byKey({ binding, store }: EntityContext, rows: readonly RawRow[]): Map<string, RawRow> {
    return new Map(rows.map((row) => [documentIdOf(binding, store.imageOf(row, 'c')), row]));
  }
}

function finish({ open, results }: Batch, { key }: RedriveCase, result: RedriveResult): void {
  open.delete(key.id);
  results.set(key.id, result);
}

function leftMs(endsAt: number): number {
  return Math.max(1, Math.floor(endsAt - performance.now()));
}

async function query(runner: QueryRunner, { sql, values }: Statement): Promise<RawRow[]> {
  return (await runner.query(sql, [...values])) as RawRow[];
}
