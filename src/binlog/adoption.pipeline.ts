import type { AdoptionTable, TableHost } from './adoption.table.js';
import type { BinlogCoordinates, BinlogEvent, RowsEvent } from './binlog.types.js';
import { TableUnreadable } from './change.reader.js';
import type { ChangeLane, ChangeTicket, ChangeWork } from './change.work.js';
import { LowWatermark } from './low.watermark.js';

export interface PipelineLimits {
  /** Bytes of changes under way, over all tables. */
  readonly maxQueuedBytes: number;
  readonly maxBulkItems: number;
  readonly maxBulkBytes: number;
  readonly maxParallelBulks: number;
  readonly blockedAfterMs: number;
}

export interface PipelineListener {
  /** One row change is in the index, or needs nothing. */
  applied(committedAtMs: number): void;
  /** How long a request took. */
  spent(stage: 'bulk' | 'row-reads', ms: number): void;
  suspect(table: AdoptionTable, reason: string, closed: boolean): void;
}

/** Most rows of one transaction that are held back so that several changes of a row become one request. */
const MAX_STAGED_ROWS = 5_000;
const LOOK_ITEMS = 500;
const MEND_ITEMS = 200;
const PARALLEL: Readonly<Record<Exclude<ChangeLane, 'put'>, number>> = { look: 2, mend: 2 };

/**
 * From the log's events to the index. Batches make themselves: while nothing is under way a change goes at once; while
 * requests are, changes gather for the next one.
 *
 * `accept` is called with one event after the other and makes the caller wait where there is no room.
 */
export class AdoptionPipeline implements TableHost {
  readonly watermark: LowWatermark<BinlogCoordinates>;
  private readonly underWay = { put: 0, look: 0, mend: 0 };
  private readonly bulks = new Set<number>();
  private ticket: ChangeTicket | null = null;
  private staged = 0;
  private readonly touched = new Set<AdoptionTable>();
  private turn = 0;
  private timer: NodeJS.Timeout | undefined;
  private timerAt = Infinity;
  private pumping = false;
  private lastSuccess = 0;
  private stopped = false;

  /** `tables`: by `database.table`. */
  constructor(
    readonly tables: ReadonlyMap<string, AdoptionTable>,
    start: BinlogCoordinates | null,
    private readonly limits: PipelineLimits,
    private readonly listener: PipelineListener,
  ) {
    this.watermark = new LowWatermark(start, { maxBytes: limits.maxQueuedBytes });
  }

  /** Takes one event. Schema changes and undecodable rows are the caller's business. */
  async accept(event: BinlogEvent): Promise<void> {
    if (event.kind === 'transaction') {
      this.closeTransaction(null);
      if (!this.watermark.hasRoom()) await this.watermark.room();
      this.ticket = this.watermark.begin(event.committedAtUs / 1_000);
    } else if (event.kind === 'rows') {
      const table = this.tables.get(`${event.schema}.${event.table}`);
      if (table && table.closed === null) await this.rows(table, event);
    } else if (event.kind === 'commit') this.closeTransaction(event.coordinates);
  }

  private async rows(table: AdoptionTable, event: RowsEvent): Promise<void> {
    this.ticket ??= this.watermark.begin(Date.now());
    const { ticket } = this;
    let works: ChangeWork[];
    try {
      const read = table.reader.read(event, ticket);
      works = read instanceof Promise ? await read : read;
    } catch (error) {
      if (!(error instanceof TableUnreadable)) throw error;
      this.listener.suspect(table, error.message, false);
      return;
    }
    let from = 0;
    while (from < works.length) {
      let bytes = 0;
      let to = from;
      for (; to < works.length && (to === from || bytes + works[to]!.bytes <= this.limits.maxQueuedBytes / 4); to++) {
        bytes += works[to]!.bytes;
      }
      if (!this.watermark.hasRoom(bytes)) {
        this.publish();
        await this.watermark.room(bytes);
      }
      if (this.stopped || table.closed !== null) return;
      this.watermark.add(ticket, to - from, bytes);
      for (; from < to; from++) table.queue.add(works[from]!);
    }
    this.touched.add(table);
    this.staged += works.length;
    if (this.staged >= MAX_STAGED_ROWS) this.publish();
  }

  private closeTransaction(at: BinlogCoordinates | null): void {
    const { ticket } = this;
    this.ticket = null;
    if (this.touched.size > 0) this.publish();
    if (ticket) this.watermark.end(ticket, at);
  }

  private publish(): void {
    for (const table of this.touched) table.queue.publish();
    this.touched.clear();
    this.staged = 0;
    this.pump();
  }

  /** Starts whatever can be started. */
  private pump(): void {
    if (this.pumping || this.stopped) return;
    this.pumping = true;
    const tables = [...this.tables.values()];
    for (let at = 0; at < tables.length; at++) {
      const table = tables[(at + this.turn) % tables.length]!;
      this.start(table, 'put', this.limits.maxParallelBulks);
      this.start(table, 'look', PARALLEL.look);
      this.start(table, 'mend', PARALLEL.mend);
    }
    // No table is always the first to be served.
    this.turn += 1;
    this.pumping = false;
  }

  private start(table: AdoptionTable, lane: ChangeLane, limit: number): void {
    const maxItems = lane === 'put' ? this.limits.maxBulkItems : lane === 'look' ? LOOK_ITEMS : MEND_ITEMS;
    while (this.underWay[lane] < limit) {
      const works = table.queue.take(lane, maxItems, this.limits.maxBulkBytes);
      if (works.length === 0) return;
      this.underWay[lane] += 1;
      const startedAt = performance.now();
      if (lane === 'put') this.bulks.add(startedAt);
      void this.run(table, lane, works)
        .catch((error: Error) => {
          for (const work of works) table.again(work, true, error.message);
        })
        .finally(() => {
          this.underWay[lane] -= 1;
          this.bulks.delete(startedAt);
          this.listener.spent(lane === 'mend' ? 'row-reads' : 'bulk', performance.now() - startedAt);
          this.pump();
        });
    }
  }

  private run(table: AdoptionTable, lane: ChangeLane, works: ChangeWork[]): Promise<void> {
    if (lane === 'put') return table.sender.send(works);
    return lane === 'look' ? table.sender.look(works) : table.mender.mend(works);
  }

  // --- what the tables report -----------------------------------------------------------------------------------------

  done(ticket: ChangeTicket, bytes: number): void {
    if (this.stopped) return;
    this.watermark.done(ticket, 1, bytes);
    this.listener.applied(ticket.committedAtMs);
  }

  wake(at: number): void {
    if (this.stopped || at === 0) return;
    if (at >= this.timerAt) return;
    clearTimeout(this.timer);
    this.timerAt = at;
    this.timer = setTimeout(() => this.awaken(), Math.max(1, at - performance.now()));
  }

  private awaken(): void {
    this.timerAt = Infinity;
    const now = performance.now();
    for (const table of this.tables.values()) {
      const next = table.awaken(now);
      if (next !== null) this.wake(next);
    }
    this.pump();
  }

  succeeded(): void {
    this.lastSuccess = performance.now();
  }

  othersSucceed(): boolean {
    return performance.now() - this.lastSuccess < this.limits.blockedAfterMs / 2;
  }

  suspect(table: AdoptionTable, reason: string, closed: boolean): void {
    this.listener.suspect(table, reason, closed);
  }

  // --- for the outside ------------------------------------------------------------------------------------------------

  /** Changes that are not done. */
  get pendingRows(): number {
    let rows = 0;
    for (const table of this.tables.values()) rows += table.queue.size;
    return rows;
  }

  gauges() {
    const blockedTables: Record<string, string> = {};
    for (const [name, { closed, trouble }] of this.tables) {
      const reason = closed ?? trouble;
      if (reason !== null) blockedTables[name] = reason;
    }
    const oldest = Math.min(...this.bulks);
    return {
      queuedRows: this.pendingRows,
      queuedBytes: this.watermark.bytes,
      maxQueuedBytes: this.limits.maxQueuedBytes,
      bulksUnderWay: this.underWay.put,
      maxParallelBulks: this.limits.maxParallelBulks,
      slowestBulkMs: Number.isFinite(oldest) ? performance.now() - oldest : 0,
      blockedTables,
    };
  }

  /** Nothing is started any more; requests under way are given up by the signal that the tables were made with. */
  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }
}
