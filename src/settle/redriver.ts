import { setTimeout as sleep } from 'node:timers/promises';
import { documentIdOf } from '../entity/document.builder.js';
import type { EntityContext } from '../entity/entity.context.js';
import { isDeadlock } from '../mysql/mysql.errors.js';
import type { Completion } from '../write/completer.js';
import type { PreparedWrite } from '../write/prepared.write.js';
import type { Writer } from '../write/writer.js';
import { type RedriveCase, redriveCase, type RedriveKey, type RedriveResult } from './redrive.case.js';
import { busy, nameless, notRemoved, parked } from './redrive.errors.js';
import { type PreparedRedrive, RedrivePrepare } from './redrive.prepare.js';

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
    try {
      await context.routes.barrier(context.binding.alias, context.options.busyTimeoutMs);
    } catch (error) {
      return new Map<string, RedriveResult>(keys.map(({ id }) => [id, error as Error]));
    }
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
    let prepared: PreparedRedrive[];
    try {
      const end = (item: RedriveCase, result: RedriveResult): void => finish(batch, item, result);
      prepared = await new RedrivePrepare(batch.context, end).run(items);
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
}

function finish({ open, results }: Batch, { key }: RedriveCase, result: RedriveResult): void {
  open.delete(key.id);
  results.set(key.id, result);
}

function leftMs(endsAt: number): number {
  return Math.max(1, Math.floor(endsAt - performance.now()));
}
