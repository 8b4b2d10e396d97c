import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectionOptions } from 'mysql2';
import { createConnection } from 'mysql2/promise';
import { BinlogConnectionError, BinlogPositionLostError, BinlogUnreadableError } from '../errors.js';
import type { SqlQuery } from '../mysql/table.introspection.js';
import { readIdentity, resolveStart, type ResolvedStart } from './binlog.start.js';
import type { BinlogEvent, BinlogPosition, BinlogStart } from './binlog.types.js';
import { ByteQueue } from './byte.queue.js';
import { requireSameHistory } from './failover.decision.js';
import type { ParsedGtid } from './gtid.event.js';
import { GtidSet } from './gtid.set.js';
import { LogAssembler } from './log.assembler.js';
import { isRangeError } from './log.bytes.js';
import { LogCoordinates, TransactionCommit } from './log.items.js';
import type { AssembledItem, AssemblerPort, UndecodedRows } from './log.items.js';
import { LoggedRows } from './logged.rows.js';
import { readServerFacts } from './server.facts.js';
import { finalError } from './zongji.errors.js';
import type { TableFilter, ZongjiSourceOptions } from './zongji.options.js';
import { ZongjiSession, type DumpFrom } from './zongji.session.js';

/** The driver makes room for 16,000 in each connection, half a megabyte, at once; these prepare none. */
const NO_STATEMENTS = 1;
export const DEFAULT_QUEUED_BYTES = 32 * 1024 * 1024;
export const FINISHED: IteratorReturnResult<undefined> = { value: undefined, done: true };

/** One run of `read`, over any number of connections. */
export class ZongjiReading implements AssemblerPort {
  done = false;
  private readonly queue: ByteQueue<AssembledItem>;
  private readonly abort = new AbortController();
  private session: ZongjiSession | null = null;
  private start: ResolvedStart | null = null;
  /** What the consumer has been given, and what was queued for it: the latter is where a new connection goes on. */
  private delivered = new GtidSet();
  private queued = new GtidSet();
  private queuedTo: BinlogPosition | null = null;
  private failures = 0;
  private reconnects = 0;
  private begun = false;

  constructor(
    private readonly options: ZongjiSourceOptions,
    private readonly replicaUuid: string,
    private readonly wantedStart: BinlogStart,
    readonly wanted: TableFilter,
  ) {
    this.queue = new ByteQueue(options.maxQueuedBytes ?? DEFAULT_QUEUED_BYTES, {
      pause: () => this.session?.pause(),
      resume: () => this.session?.resume(),
    });
  }

  get statistics() {
    const { bytes, length, highWaterBytes } = this.queue;
    return { queuedBytes: bytes, queuedEvents: length, highWaterBytes, reconnects: this.reconnects };
  }

  async next(): Promise<IteratorResult<BinlogEvent, undefined>> {
    if (!this.begun) {
      this.begun = true;
      this.begin().catch((error: Error) => this.failed(error));
    }
    for (;;) {
      const value = this.taken();
      if (value) return { value, done: false };
      if (!(await this.more())) return FINISHED;
    }
  }

  /** The next event if it is here already. A promise for each would cost more than to decode it. */
  taken(): BinlogEvent | null {
    for (;;) {
      const item = this.queue.shift();
      if (item === undefined) return null;
      const event = this.delivery(item);
      if (event) return event;
    }
  }

  private async more(): Promise<boolean> {
    try {
      return await this.queue.ready();
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    this.done = true;
    this.abort.abort();
    this.queue.end();
    this.queue.clear();
    await this.session?.close();
  }

  // --- towards the consumer -----------------------------------------------------------------------------------------

  private delivery(item: AssembledItem): BinlogEvent | null {
    if (item.kind === 'undecoded-rows') return this.decoded(item);
    if (item.kind !== 'end') return item;
    if (item.gtid !== '') this.delivered.add(item.gtid);
    if (item.skipped) return null;
    const { file, position } = item.at;
    const gtidSet = this.delivered.toString();
    return new TransactionCommit(new LogCoordinates(file, position, gtidSet, this.start!.serverUuid));
  }

  private decoded({ table, rows, hasExtra, cascadesEscape, body, at }: UndecodedRows): BinlogEvent {
    try {
      return new LoggedRows(table, rows, hasExtra, cascadesEscape, body, at);
    } catch (error) {
      return { kind: 'undecodable', schema: table.schema, table: table.table, reason: (error as Error).message, at };
    }
  }

  // --- from the assembler -------------------------------------------------------------------------------------------

  put(item: AssembledItem, bytes: number): void {
    this.failures = 0;
    if (item.kind === 'end') {
      if (item.gtid !== '') this.queued.add(item.gtid);
      this.queuedTo = item.at;
    }
    this.queue.push(item, bytes);
  }

  skipped(transaction: ParsedGtid, fromFile: string, fromPosition: number): boolean {
    return this.start!.skips(transaction, fromFile, fromPosition);
  }

  async room(): Promise<void> {
    // Others must get a turn, even where nothing of a long transaction is wanted.
    await new Promise((resolve) => setImmediate(resolve));
    await this.queue.room();
    this.abort.signal.throwIfAborted();
  }

  // --- connections --------------------------------------------------------------------------------------------------

  private async begin(): Promise<void> {
    const { wantedStart } = this;
    const resolved = await this.withQuery((query) => resolveStart(query, wantedStart, (file) => this.fileTime(file)));
    this.start = resolved;
    this.delivered = resolved.executed.clone();
    this.queued = resolved.executed.clone();
    await this.open(resolved.from);
  }

  private async open(from: DumpFrom): Promise<void> {
    if (this.done) return;
    let assembler: LogAssembler | null = null;
    const session: ZongjiSession = await this.openSession(from, {
      onEvent: (buffer, start, end) =>
        (assembler ??= new LogAssembler(this, session.hasChecksums)).handle(buffer, start, end),
      onLost: (error) => this.failed(error),
    });
    this.session = session;
    if (this.queue.isFull) session.pause();
    if (this.done) await session.close();
  }

  private openSession(from: DumpFrom, handlers: Parameters<typeof ZongjiSession.open>[2]): Promise<ZongjiSession> {
    const { serverId, heartbeatMs = 5_000 } = this.options;
    const session = { connection: this.connection, serverId, heartbeatMs, replicaUuid: this.replicaUuid };
    return ZongjiSession.open(session, from, handlers);
  }

  /** Every failure ends here: of the start, of the connection, of understanding what came. */
  private failed(error: Error): void {
    if (this.done) return;
    const final = finalError(error);
    if (final || isRangeError(error)) {
      this.queue.fail(
        final ?? new BinlogUnreadableError(`The binary log cannot be read on: ${error.message}`, {}, error),
      );
      return;
    }
    const { maxReconnects = 10, reconnectDelayMs = 200, maxReconnectDelayMs = 10_000, onReconnect } = this.options;
    this.failures += 1;
    if (this.failures > maxReconnects) {
      const tries = `${maxReconnects} ${maxReconnects === 1 ? 'try' : 'tries'}`;
      this.queue.fail(
        new BinlogConnectionError(
          `No connection to the binary log after ${tries}: ${error.message}`,
          { maxReconnects },
          error,
        ),
      );
      return;
    }
    const longest = Math.min(maxReconnectDelayMs, reconnectDelayMs * 2 ** (this.failures - 1));
    const delayMs = Math.round(longest * (0.5 + Math.random() / 2));
    this.reconnects += 1;
    onReconnect?.({ attempt: this.failures, delayMs, error });
    this.reconnect(delayMs).catch((next: Error) => this.failed(next));
  }

  private async reconnect(delayMs: number): Promise<void> {
    await sleep(delayMs, undefined, { signal: this.abort.signal }).catch(() => undefined);
    if (this.done) return;
    const { start, queuedTo } = this;
    // The very first connection failed: from where to start is not known yet.
    if (!start) return this.begin();
    if (start.usesGtids) {
      const gtidSet = this.queued.toString();
      const facts = await this.withQuery((query) => readServerFacts(query));
      // A promoted replica takes a set that it has not all of, and says nothing.
      requireSameHistory({ file: '', position: 0, ...queuedTo, gtidSet, serverUuid: start.serverUuid }, facts);
      this.start = { ...start, serverUuid: facts.serverUuid };
      await this.open({ gtidSet });
      return;
    }
    const identity = await this.withQuery(readIdentity);
    if (identity.serverUuid !== start.serverUuid) {
      throw new BinlogPositionLostError(
        'Behind the address there is another server now, and without GTIDs no position of the former one means anything. ' +
          'Verify the tables and start from now.',
        { reason: 'other-server', serverUuid: identity.serverUuid },
      );
    }
    await this.open(queuedTo ?? start.from);
  }

  private get connection(): ConnectionOptions {
    const { connection, connectTimeoutMs = 10_000 } = this.options;
    return { ...connection, connectTimeout: connectTimeoutMs, maxPreparedStatements: NO_STATEMENTS };
  }

  private async withQuery<T>(work: (query: SqlQuery) => Promise<T>): Promise<T> {
    const timeout = this.connection.connectTimeout!;
    const connection = await createConnection({ ...this.connection, supportBigNumbers: true });
    const stopped = (): void => connection.destroy();
    this.abort.signal.addEventListener('abort', stopped);
    connection.on('error', () => undefined);
    try {
      return await work(async (sql, values) => (await connection.query<any[]>({ sql, values, timeout }))[0]);
    } finally {
      this.abort.signal.removeEventListener('abort', stopped);
      connection.destroy();
    }
  }

  /** Reads no more than the beginning of a file. */
  private async fileTime(file: string): Promise<number> {
    let session: ZongjiSession | undefined;
    try {
      return await new Promise<number>((resolve, reject) => {
        const port = { ...NO_PORT };
        let assembler: LogAssembler | null = null;
        const onEvent = (buffer: Buffer, start: number, end: number): void => {
          assembler ??= new LogAssembler(port, session?.hasChecksums ?? true);
          void assembler.handle(buffer, start, end);
          if (assembler.fileCreatedAtMs !== null) resolve(assembler.fileCreatedAtMs);
        };
        this.abort.signal.addEventListener('abort', () => reject(new Error('stopped')), { once: true });
        this.openSession({ file, position: 4 }, { onEvent, onLost: reject }).then(
          (opened) => (session = opened),
          reject,
        );
      });
    } finally {
      await session?.close();
    }
  }
}

const NO_PORT: AssemblerPort = {
  wanted: () => false,
  skipped: () => true,
  put: () => undefined,
  room: () => Promise.resolve(),
};
