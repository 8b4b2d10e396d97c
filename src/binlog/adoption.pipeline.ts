import type { AdoptionTable, TableHost } from './adoption.table.js';
import { AppliedTally } from './applied.tally.js';
import type { BinlogCoordinates, BinlogEvent, RowsEvent } from './binlog.types.js';
import type { ChangeLane, ChangeTicket, ChangeWork } from './change.work.js';
import { LineWriter } from './line.writer.js';
import { LowWatermark } from './low.watermark.js';
import { RequestSlots } from './request.slots.js';
import { TableUnreadable } from './row.layout.js';

export interface PipelineLimits {
  /** Bytes of changes under way, over all tables. */
  readonly maxQueuedBytes: number;
  readonly maxBulkItems: number;
  readonly maxBulkBytes: number;
  readonly maxParallelBulks: number;
  readonly blockedAfterMs: number;
}

export interface PipelineListener {
  /** So many row changes of one commit are in the index, or need nothing. */
  applied(committedAtMs: number, rows: number): void;
  /** How long a request took. */
  spent(stage: 'bulk' | 'row-reads', ms: number): void;
  suspect(table: AdoptionTable, reason: string, closed: boolean): void;
}

/** Most rows of one transaction that are held back so that several changes of a row become one request. */
const MAX_STAGED_ROWS = 5_000;
const LOOK_ITEMS = 500;
const MEND_ITEMS = 200;
const PARALLEL_LOOKS = 2;
const PARALLEL_MENDS = 2;

/**
 * From the log's events to the index. Batches make themselves: while nothing is under way a change goes at once; while
 * requests are, changes gather for the next one (`RequestSlots`).
 *
 * `accept` is called with one event after the other and makes the caller wait where there is no room.
 */
export class AdoptionPipeline implements TableHost {
  readonly watermark: LowWatermark<BinlogCoordinates>;
  readonly lines = new LineWriter();
  private readonly maxItems: Readonly<Record<ChangeLane, number>>;
  private readonly slots: Readonly<Record<ChangeLane, RequestSlots<AdoptionTable>>>;
  private ticket: ChangeTicket | null = null;
  private staged = 0;
  /** The table of the last event: the next one is mostly of the same. */
  private lastSchema = '';
  private lastTable = '';
  private lastFound: AdoptionTable | undefined;
  private known: readonly AdoptionTable[] = [];
  private turn = 0;
  /** The log is not read on until something is done. */
  private crowded = false;
  private timer: NodeJS.Timeout | undefined;
  private timerAt = Infinity;
  private pumping = false;
  private lastSuccess = 0;
  private readonly applied: AppliedTally;
  private stopped = false;
  private stoppedAt: BinlogCoordinates | null = null;

  /** `tables`: by `database.table`. */
  constructor(
    readonly tables: ReadonlyMap<string, AdoptionTable>,
    start: BinlogCoordinates | null,
    private readonly limits: PipelineLimits,
    private readonly listener: PipelineListener,
  ) {
    this.watermark = new LowWatermark(start, { maxBytes: limits.maxQueuedBytes });
    this.applied = new AppliedTally((committedAtMs, rows) => {
      if (!this.stopped) listener.applied(committedAtMs, rows);
    });
    this.maxItems = { put: limits.maxBulkItems, look: LOOK_ITEMS, mend: MEND_ITEMS };
    this.slots = {
      put: new RequestSlots(limits.maxParallelBulks, limits.maxBulkItems / 2),
      look: new RequestSlots(PARALLEL_LOOKS, LOOK_ITEMS / 2),
      // Slow by themselves, and mostly few: none waits for another.
      mend: new RequestSlots(PARALLEL_MENDS, 1),
    };
  }

  /**
   * Takes one event; a promise only where the caller has to wait. Schema changes and undecodable rows are the caller's
   * business.
   */
  accept(event: BinlogEvent): Promise<void> | undefined {
    if (event.kind === 'rows') {
      const table = this.tableOf(event.schema, event.table);
      return table && table.closed === null ? this.rows(table, event) : undefined;
    }
    if (event.kind === 'commit') this.closeTransaction(event.coordinates);
    else if (event.kind === 'transaction') {
      this.closeTransaction(null);
      const committedAtMs = event.committedAtUs / 1_000;
      if (!this.watermark.hasRoom()) return this.beginLater(committedAtMs);
      this.ticket = this.watermark.begin(committedAtMs);
    }
    return undefined;
  }

  private get inTurns(): readonly AdoptionTable[] {
    if (this.known.length !== this.tables.size) this.known = [...this.tables.values()];
    return this.known;
  }

  private tableOf(schema: string, table: string): AdoptionTable | undefined {
    if (table !== this.lastTable || schema !== this.lastSchema || !this.lastFound) {
      this.lastSchema = schema;
      this.lastTable = table;
      this.lastFound = this.tables.get(`${schema}.${table}`);
    }
    return this.lastFound;
  }

  /** Waits until there is room. Nothing more comes meanwhile, so what waits for company goes. */
  private async room(bytes?: number): Promise<void> {
    this.crowded = true;
    this.pump();
    await this.watermark.room(bytes);
    this.crowded = false;
  }

  private async beginLater(committedAtMs: number): Promise<void> {
    await this.room();
    if (!this.stopped) this.ticket = this.watermark.begin(committedAtMs);
  }

  private rows(table: AdoptionTable, event: RowsEvent): Promise<void> | undefined {
    this.ticket ??= this.watermark.begin(Date.now());
    try {
      const read = table.reader.read(event, this.ticket);
      if (read instanceof Promise)
        return read.then((works) => this.add(table, works)).catch((e) => this.unread(table, e));
      event.release();
      return this.add(table, read);
    } catch (error) {
      this.unread(table, error);
      return undefined;
    }
  }

  private unread(table: AdoptionTable, error: unknown): void {
    if (!(error instanceof TableUnreadable)) throw error;
    this.listener.suspect(table, error.message, false);
  }

  private add(table: AdoptionTable, works: readonly ChangeWork[]): Promise<void> | undefined {
    if (works.length === 0) return undefined;
    const bytes = works.reduce((sum, work) => sum + work.bytes, 0);
    if (!this.watermark.hasRoom(bytes)) return this.addLater(table, works);
    this.addNow(table, works, bytes);
    return undefined;
  }

  /** An event can be large by itself, and with it what is made of its rows: it is let in by parts. */
  private async addLater(table: AdoptionTable, works: readonly ChangeWork[]): Promise<void> {
    for (let from = 0, to = 0; from < works.length; from = to) {
      let bytes = works[to]!.bytes;
      for (to++; to < works.length && bytes + works[to]!.bytes <= this.limits.maxQueuedBytes / 4; to++) {
        bytes += works[to]!.bytes;
      }
      this.publish();
      await this.room(bytes);
      this.addNow(table, works.slice(from, to), bytes);
    }
  }

  private addNow(table: AdoptionTable, works: readonly ChangeWork[], bytes: number): void {
    if (this.stopped || table.closed !== null || this.ticket === null) return;
    this.watermark.add(this.ticket, works.length, bytes);
    const late = Date.now() - this.ticket.committedAtMs > table.context.options.gcDeletesMs / 2;
    for (const work of works) {
      work.late = late && work.kind === 'put';
      table.queue.add(work);
    }
    this.staged += works.length;
    if (this.staged >= MAX_STAGED_ROWS) this.publish();
  }

  private closeTransaction(at: BinlogCoordinates | null): void {
    const { ticket } = this;
    this.ticket = null;
    if (this.staged > 0) this.publish();
    if (ticket) this.watermark.end(ticket, at);
  }

  private publish(): void {
    for (const table of this.inTurns) table.queue.publish();
    this.staged = 0;
    this.pump();
  }

  /** Starts whatever can be started. */
  private pump(): void {
    if (this.pumping || this.stopped) return;
    this.pumping = true;
    const tables = this.inTurns;
    for (let at = 0; at < tables.length; at++) {
      const table = tables[(at + this.turn) % tables.length]!;
      this.start(table, 'put');
      this.start(table, 'look');
      this.start(table, 'mend');
    }
    // No table is always the first to be served.
    this.turn += 1;
    this.pumping = false;
  }

  private start(table: AdoptionTable, lane: ChangeLane): void {
    const slots = this.slots[lane];
    for (;;) {
      const waiting = table.queue.waiting(lane);
      const at = slots.mayBeginAt(table, this.crowded && waiting > 0 ? Infinity : waiting);
      if (at > 0) {
        if (at < Infinity) this.wake(at);
        return;
      }
      const works = table.queue.take(lane, this.maxItems[lane], this.limits.maxBulkBytes);
      if (works.length === 0) return;
      const slot = slots.begin(table);
      void this.run(table, lane, works)
        .catch((error: Error) => {
          for (const work of works) table.again(work, true, error.message);
        })
        .finally(() => {
          this.applied.flush();
          this.listener.spent(lane === 'mend' ? 'row-reads' : 'bulk', slots.end(slot));
          this.pump();
        });
    }
  }

  private run(table: AdoptionTable, lane: ChangeLane, works: ChangeWork[]): Promise<void> {
    const { instruments, binding } = table.context;
    if (!instruments.active) return this.work(table, lane, works);
    instruments.batch('backstop', binding, works.length);
    const work = () => this.work(table, lane, works);
    return instruments.run('backstop', binding, works.length, work, { purpose: lane });
  }

  private work(table: AdoptionTable, lane: ChangeLane, works: ChangeWork[]): Promise<void> {
    if (lane === 'put') return table.sender.send(works);
    return lane === 'look' ? table.sender.look(works) : table.mender.mend(works);
  }

  // --- what the tables report -----------------------------------------------------------------------------------------

  done(ticket: ChangeTicket, bytes: number): void {
    this.watermark.done(ticket, 1, bytes);
    this.applied.add(ticket.committedAtMs);
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
    this.applied.flush();
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
    return {
      queuedRows: this.pendingRows,
      queuedBytes: this.watermark.bytes,
      maxQueuedBytes: this.limits.maxQueuedBytes,
      bulksUnderWay: this.slots.put.size,
      maxParallelBulks: this.limits.maxParallelBulks,
      oldestBulkMs: this.slots.put.oldestMs,
      blockedTables,
    };
  }

  /** The place before which everything is done. */
  low(): BinlogCoordinates | null {
    return this.stopped ? this.stoppedAt : this.watermark.low();
  }

  /** Nothing is started any more; requests under way are given up by the signal that the tables were made with. Idempotent. */
  stop(): void {
    if (this.stopped) return;
    this.stoppedAt = this.watermark.low();
    this.stopped = true;
    clearTimeout(this.timer);
    // Whoever waits for room goes on, and sees that it is over.
    for (const table of this.tables.values()) table.queue.abandon();
  }
}
