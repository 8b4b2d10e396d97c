import { factsOf, logTextOf } from '../observe/log.text.js';
import { DocumentStore } from '../elasticsearch/document.store.js';
import type { EntityContext } from '../entity/entity.context.js';
import type { Redriver } from '../settle/redriver.js';
import { ChangeMender } from './change.mender.js';
import type { ChangeOutcomes } from './change.outcome.js';
import { ChangeQueue } from './change.queue.js';
import { ChangeReader, type UnmadeDocument } from './change.reader.js';
import { ChangeSender } from './change.sender.js';
import type { ChangeTicket, ChangeWork } from './change.work.js';
import type { LineWriter } from './line.writer.js';
import type { ImageReader } from './row.layout.js';

/** A document that Elasticsearch refuses, or that cannot be made. The row and the index differ until a person mends it. */
export interface RefusedDocument {
  readonly entity: string;
  readonly documentId: string;
  readonly version: number;
  readonly reason: string;
  /** ms since 1970, by this process's clock. */
  readonly at: number;
}

/** How changes fared, in numbers of rows. */
export interface AdoptionCounts {
  /** Changes that are done. */
  done: number;
  /** Documents written or removed for changes around the library, re-driven ones included. */
  adopted: number;
  /** Tries that failed and were repeated. */
  retried: number;
}

/** What a table needs of the pipeline it works in. */
export interface TableHost {
  /** Where documents are written, those of all tables. */
  readonly lines: LineWriter;
  /** One change is done. */
  done(ticket: ChangeTicket, bytes: number): void;
  /** Something can be taken again, at this time (`performance.now()`; 0: now). */
  wake(at: number): void;
  /** Any request or re-drive succeeded: the stores can be reached. */
  succeeded(): void;
  /** Whether other work succeeded lately, so that it is this table's, or this row's, own trouble. */
  othersSucceed(): boolean;
  /** The table must be verified. `closed`: until it is open again its rows are not worked on at all. */
  suspect(table: AdoptionTable, reason: string, closed: boolean): void;
}

export interface AdoptionTableOptions {
  readonly maxRefused: number;
  /** How long a change may fail, while others succeed, before its table is left to verification. */
  readonly blockedAfterMs: number;
  readonly requestTimeoutMs: number;
  readonly signal: AbortSignal;
}

const FIRST_PAUSE_MS = 20;
const MAX_PAUSE_MS = 2_000;

/** One table's changes and the parts that work on them. What goes wrong here stays here. */
export class AdoptionTable implements ChangeOutcomes {
  readonly queue: ChangeQueue;
  reader: ChangeReader;
  readonly sender: ChangeSender;
  readonly mender: ChangeMender;
  readonly refusals = new Map<string, RefusedDocument>();
  readonly counts: AdoptionCounts = { done: 0, adopted: 0, retried: 0 };
  /** Why its rows are not worked on; null while they are. */
  closed: string | null = null;
  /** Why some change is being repeated; null while none is. */
  trouble: string | null = null;
  private sleeping: ChangeWork[] = [];
  private tooManyRefused = false;

  constructor(
    readonly context: EntityContext,
    images: ImageReader,
    documents: DocumentStore,
    redriver: Pick<Redriver, 'redrive'>,
    private readonly host: TableHost,
    private readonly options: AdoptionTableOptions,
  ) {
    const { signal, requestTimeoutMs: timeoutMs } = options;
    this.queue = new ChangeQueue((ticket, bytes) => {
      this.counts.done += 1;
      host.done(ticket, bytes);
    });
    this.reader = this.readerFor(images);
    this.sender = new ChangeSender(context.binding.alias, documents, this, timeoutMs, signal);
    const refusedBefore = (id: string): boolean => this.refusals.has(id);
    this.mender = new ChangeMender({
      context,
      documents,
      redriver,
      outcomes: this,
      refusedBefore,
      timeoutMs,
      signal,
    });
  }

  get name(): string {
    const { database, table } = this.context.binding.shape;
    return `${database}.${table}`;
  }

  /** The table's columns are others now: what comes from here on is read by them. */
  rebound(images: ImageReader): void {
    this.reader = this.readerFor(images);
  }

  private readerFor(images: ImageReader): ChangeReader {
    return new ChangeReader(this.context.binding, images, this.host.lines, (unmade) => this.unmade(unmade));
  }

  /** Changes whose pause is over go back into their lanes. Answers when the next one is due, or null. */
  awaken(now: number): number | null {
    if (this.sleeping.length === 0) return null;
    const due = this.sleeping.filter(({ retryAt }) => retryAt <= now);
    if (due.length > 0) this.sleeping = this.sleeping.filter(({ retryAt }) => retryAt > now);
    for (const work of due) this.queue.again(work, false);
    return this.sleeping.reduce<number | null>((next, { retryAt }) => Math.min(next ?? Infinity, retryAt), null);
  }

  /** Gives up what is under way: the table's verification is to find it. */
  close(reason: string): void {
    this.closed = reason;
    this.sleeping = [];
    this.queue.abandon();
    this.host.suspect(this, reason, true);
  }

  open(): void {
    this.closed = null;
    this.trouble = null;
  }

  // --- what the parts report ------------------------------------------------------------------------------------------

  finished(work: ChangeWork, adopted: boolean): void {
    this.host.succeeded();
    if (adopted) this.counts.adopted += 1;
    if (this.refusals.size > 0) this.refusals.delete(work.id);
    if (this.sleeping.length === 0) this.trouble = null;
    this.queue.finish(work);
  }

  again(work: ChangeWork, doubtful: boolean, reason: string): void {
    if (this.options.signal.aborted || !this.queue.has(work)) return;
    const now = performance.now();
    this.counts.retried += 1;
    this.trouble = reason;
    work.doubtful ||= doubtful;
    work.failingSince ||= now;
    if (now - work.failingSince > this.options.blockedAfterMs && this.host.othersSucceed()) {
      // One that cannot end must not hold the others for ever: the watermark goes on, verification finds this row.
      this.host.suspect(this, `the change of ${work.id} could not be worked on: ${reason}`, false);
      this.queue.finish(work);
      return;
    }
    work.retryAt = now + Math.min(FIRST_PAUSE_MS * 2 ** Math.min(work.tries, 16), MAX_PAUSE_MS);
    work.tries += 1;
    work.detach();
    this.sleeping.push(work);
    this.host.wake(work.retryAt);
  }

  onwards(work: ChangeWork): void {
    this.host.succeeded();
    this.queue.again(work, false);
    this.host.wake(0);
  }

  refused(work: ChangeWork, reason: string): void {
    this.host.succeeded();
    this.refuse(work.id, work.kind === 'put' ? work.version : work.mark.version, reason);
    this.queue.finish(work);
  }

  indexMissing(reason: string): void {
    if (this.closed === null) this.close(`the index behind "${this.context.binding.alias}" is missing: ${reason}`);
  }

  tableBroken(reason: string): void {
    if (this.closed === null) this.close(`the table is not as the entity maps it: ${reason}`);
  }

  private unmade({ id, version, reason }: UnmadeDocument): void {
    this.refuse(id, version, reason);
  }

  private refuse(documentId: string, version: number, reason: string): void {
    if (this.refusals.size >= this.options.maxRefused && !this.refusals.has(documentId)) {
      if (this.tooManyRefused) return;
      this.tooManyRefused = true;
      this.host.suspect(
        this,
        `more than ${this.options.maxRefused} documents were refused, the last one: ${reason}`,
        false,
      );
      return;
    }
    const entity = this.context.binding.name;
    if (!this.refusals.has(documentId)) {
      this.context.logger.error(
        `${entity}: a document is refused and left as it was: ${logTextOf(reason)}`,
        factsOf(this.context, { version }),
      );
    }
    this.refusals.set(documentId, { entity, documentId, version, reason, at: Date.now() });
  }
}
