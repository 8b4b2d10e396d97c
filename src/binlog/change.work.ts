import type { RowImage } from '../entity/row.image.js';
import { adoptVersion, type GoneMark } from '../protocol/adopt.decision.js';
import type { SlotView } from '../protocol/row.js';
import type { BinlogCoordinates } from './binlog.types.js';
import type { WrittenLines } from './line.writer.js';
import type { Ticket } from './low.watermark.js';

/**
 * What is to be done about one document.
 *
 * - `put`: the row was changed around the library: send its document, or a delete where it has none by rule;
 * - `check`: decided by the protocol: the slot must hold `rowVersion`;
 * - `check-absent`: the same of a row without a document by rule: the slot must be empty;
 * - `gone`: there is no row any more, so the document must be gone;
 * - `compare`: read row and document, and re-drive where they differ;
 * - `settle`: wait until the row is settled, then compare.
 */
export type ChangeKind = 'put' | 'check' | 'check-absent' | 'gone' | 'compare' | 'settle';

/** Where it waits: for a bulk, for a look at versions, or for the slow way that reads rows. */
export type ChangeLane = 'put' | 'look' | 'mend';

export const LANE_OF: Readonly<Record<ChangeKind, ChangeLane>> = {
  put: 'put',
  check: 'look',
  'check-absent': 'look',
  gone: 'look',
  compare: 'mend',
  settle: 'mend',
};

export type ChangeTicket = Ticket<BinlogCoordinates>;

/** Further changes that are done when the work is that took their place. */
interface Absorbed {
  readonly ticket: ChangeTicket;
  readonly bytes: number;
}

/** One change of one row, from the log to the index. A plain object with few fields: there are very many of them. */
export class ChangeWork {
  /** Has begun: it is in a request, or between two tries. */
  started = false;
  /** Was sent, and may land at any time: nothing may take its place until its fate is known. */
  doubtful = false;
  /** The next change of the same row; it waits until this one is done. */
  next: ChangeWork | null = null;
  /** The newest change of the same row; kept by the first one. */
  last: ChangeWork = this;
  /** Of `WorkIndex`: the next one in its bucket. */
  below: ChangeWork | null = null;
  /** When it is tried again, by `performance.now()`. 0: at once. */
  retryAt = 0;
  tries = 0;
  /** Since when it is tried, by `performance.now()`; 0 before the first failure. */
  failingSince = 0;
  absorbed: Absorbed[] | null = null;

  /** Of a `gone`: the slot as it was looked at, and whether our delete of an empty one was answered 409. */
  slot: SlotView | null = null;
  conflicted = false;
  /**
   * Of a `put`: so old that Elasticsearch may have forgotten a later delete. The row is read first, and is sent only if it is
   * still the one of the log.
   */
  late = false;
  /** Of a `compare`: row and document as they were when they differed. */
  difference = '';

  constructor(
    /** The document's id. */
    readonly id: string,
    public kind: ChangeKind,
    /** The row as the log shows it; of a `gone` the row before. */
    public mark: GoneMark,
    /** Of a `put`: its lines in a bulk request, with the version and its marker; null where the row has no document. */
    public body: WrittenLines | null,
    /** At least the key's columns; or only the name of the one column whose text the id is, as for most rows. */
    private key: RowImage | string,
    public ticket: ChangeTicket,
    /** What it counts against the bounds. */
    public bytes: number,
  ) {}

  /** At least the key's columns. */
  get image(): RowImage {
    const { key, id } = this;
    return typeof key === 'string' ? { [key]: id } : key;
  }

  /** Of a `put`: its external version, the same at every try and at every delivery. */
  get version(): number {
    return adoptVersion(this.mark);
  }

  get lane(): ChangeLane {
    if (this.late || (this.kind === 'gone' && this.slot)) return 'mend';
    return LANE_OF[this.kind];
  }

  /** Whether a later change of the row may take its place: it has not begun, and leaves nothing undone. */
  get givesWay(): boolean {
    // What is gone may have a request on its way, which only the delete can outrun.
    return !this.started && !this.doubtful && this.kind !== 'gone';
  }

  /**
   * Takes on a later change of the same row: of several only the last counts. What was to be settled stays to be settled: a
   * later flip says nothing about what SQL changed before it.
   */
  absorb(later: ChangeWork): void {
    (this.absorbed ??= []).push({ ticket: this.ticket, bytes: this.bytes });
    this.kind = this.kind === 'settle' && later.kind.startsWith('check') ? 'settle' : later.kind;
    this.mark = later.mark;
    // It was never sent.
    this.body?.release();
    this.body = later.body;
    this.key = later.key;
    this.ticket = later.ticket;
    this.bytes = later.bytes;
    this.slot = null;
    this.conflicted = false;
    this.late = later.late;
    this.difference = '';
  }

  /** Goes the slow way from now on. */
  becomes(kind: 'compare'): void {
    this.kind = kind;
    this.late = false;
    this.body = null;
  }

  /** Its request was answered, item by item: nobody reads its lines any more. */
  answered(): void {
    this.body?.release();
    this.body = null;
  }

  /** It stays for longer than its neighbours: its lines must not keep theirs in memory. */
  detach(): void {
    this.body = this.body?.alone() ?? null;
  }
}
