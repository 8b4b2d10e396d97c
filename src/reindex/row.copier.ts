import { setTimeout as sleep } from 'node:timers/promises';
import type { DocumentStore } from '../elasticsearch/document.store.js';
import type { EntityContext } from '../entity/entity.context.js';
import { InvalidDocumentError } from '../errors.js';
import type { DocumentWrite } from '../protocol/outcome.js';
import { withMarkers } from './marker.lookup.js';
import { RowExpectation } from '../verify/row.expectation.js';
import { BatchSize } from '../walk/batch.size.js';
import { RowPace } from '../walk/row.pace.js';
import { type RowChunk, RowWalker, type WalkedRow } from '../walk/row.walker.js';
import type { CopyPlace } from './reindex.state.js';
import type { ProblemList } from './problem.list.js';

export interface CopyOptions {
  /** The alias that is written to. */
  readonly target: string;
  readonly batchSize: number;
  readonly maxRowsPerSecond: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

const MAX_TRIES = 6;
const FIRST_PAUSE_MS = 200;
/** Rows that were read longer ago are read again: the delete of one may be forgotten before its document is sent. */
const MAX_AGE_MS = 60_000;

/**
 * Copies the rows of one table, chunk by chunk in key order, each at its own version: whatever a writer has put, or deleted, since the row was
 * read has a higher one and stays. Rows in `prepare` are left to their writers, who bring them.
 */
export class RowCopier {
  private readonly expectation: RowExpectation;
  private readonly walker: RowWalker;
  private readonly size: BatchSize;
  private readonly pace: RowPace;

  constructor(
    private readonly context: EntityContext,
    private readonly documents: DocumentStore,
    private readonly problems: ProblemList,
    private readonly options: CopyOptions,
  ) {
    this.expectation = new RowExpectation(context.binding);
    this.walker = new RowWalker(context.binding, true);
    this.size = new BatchSize(options.batchSize);
    this.pace = new RowPace(options.maxRowsPerSecond, options.signal);
  }

  /** From `place` to the table's end. `moved` is told, and waited for, after each chunk. */
  async copy(place: CopyPlace, moved: (place: CopyPlace) => Promise<void>): Promise<void> {
    const { signal } = this.options;
    let { after, rows, copied } = place;
    let next = this.read(after, this.size.first);
    for (;;) {
      const { chunk, at } = await next;
      if (!chunk) break;
      signal.throwIfAborted();
      const writes = await this.writesOf(chunk.rows);
      // The next rows are read while these are sent.
      next = this.read(chunk.after, this.size.next);
      next.catch(() => undefined);
      if (performance.now() - at > MAX_AGE_MS) {
        next = this.read(after, chunk.rows.length);
        continue;
      }
      copied += await this.send(writes);
      rows += chunk.rows.length;
      after = chunk.after;
      await moved({ after, rows, copied, isDone: false });
      await this.pace.keep(chunk.rows.length);
    }
    await moved({ after, rows, copied, isDone: true });
  }

  private async read(after: readonly string[] | null, limit: number): Promise<{ chunk: RowChunk | null; at: number }> {
    const at = performance.now();
    return { chunk: await this.walker.next(after, limit), at };
  }

  private async writesOf(rows: readonly WalkedRow[]): Promise<DocumentWrite[]> {
    const { binding } = this.context;
    const writes: DocumentWrite[] = [];
    let characters = 0;
    for (const { state, version, image } of rows) {
      if (state !== 'commit') continue;
      try {
        const expected = this.expectation.plain(image, true) ?? (await this.expectation.of(image, true));
        if (expected.text === null) continue;
        characters += expected.text.length;
        writes.push({ id: expected.documentId, version, body: expected.text });
      } catch (error) {
        if (!(error instanceof InvalidDocumentError)) throw error;
        this.problems.add({ entity: binding.name, documentId: '', reason: error.message });
      }
    }
    this.size.measure(rows.length, characters);
    const { target, timeoutMs } = this.options;
    return target === binding.alias ? writes : withMarkers(this.context, writes, timeoutMs);
  }

  /** How many were taken. What was there already counts as done. Sends again what was not served: by its version it is the same request. */
  private async send(given: readonly DocumentWrite[]): Promise<number> {
    const { target, timeoutMs, signal } = this.options;
    let writes = given;
    let taken = 0;
    for (let tries = 1; writes.length > 0; tries++) {
      const outcomes = await this.documents.write(target, writes, { timeoutMs, signal });
      const again: DocumentWrite[] = [];
      let reason = '';
      for (const [at, outcome] of outcomes.entries()) {
        const write = writes[at]!;
        if (outcome.kind === 'applied') taken += 1;
        else if (outcome.kind === 'refused') this.refused(write, `${outcome.type}: ${outcome.reason}`);
        else if (outcome.kind !== 'conflict') {
          again.push(write);
          reason = outcome.reason;
        }
      }
      signal.throwIfAborted();
      if (again.length > 0 && tries >= MAX_TRIES) throw new NotServed(reason);
      if (again.length > 0) await sleep(FIRST_PAUSE_MS * 2 ** (tries - 1), undefined, { signal });
      writes = again;
    }
    return taken;
  }

  private refused({ id }: DocumentWrite, reason: string): void {
    this.problems.add({ entity: this.context.binding.name, documentId: id, reason });
  }
}

/** Elasticsearch did not serve the same requests several times. */
export class NotServed extends Error {}
