import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { DocumentStore } from '../elasticsearch/document.store.js';
import type { EntityContext } from '../entity/entity.context.js';
import { BinlogConnectionError, InvalidSchemaError } from '../errors.js';
import { LagMonitor } from '../observe/lag.monitor.js';
import { logTextOf } from '../observe/log.text.js';
import { AdoptionPipeline } from './adoption.pipeline.js';
import { AdoptionTable } from './adoption.table.js';
import { IndexWatch, restoreIndex } from './backstop.indices.js';
import { type BeginPlace, whereToBegin } from './backstop.begin.js';
import { CascadeWatch } from './cascade.watch.js';
import type { RunParts } from './backstop.parts.js';
import { askServer } from './backstop.preflight.js';
import { type RepairResult, SuspectTables } from './backstop.suspects.js';
import type { BinlogCoordinates } from './binlog.types.js';
import { CheckpointKeeper } from './checkpoint.keeper.js';
import type { CheckpointNotes } from './checkpoint.store.js';
import { ImageDecoder } from './image.decoder.js';
import type { Leadership } from './leader.lock.js';
import { SchemaKeeper } from './schema.keeper.js';
import { SessionZone } from './session.zone.js';
import { ZongjiSource } from './zongji.source.js';

/** Of the bytes that are held: what is in the log's form. The rest has become work. The server keeps its log for us anyway. */
const LOG_SHARE = 1 / 8;
/** After so many bytes of rows requests and answers get their turn: the queue is never empty where there is much to do. */
const TURN_BYTES = 64 * 1024;

/** One leadership: from the checkpoint on until it is stopped, lost, or fails. Used once. */
export class BackstopRun {
  readonly suspects: SuspectTables;
  readonly tables = new Map<string, AdoptionTable>();
  readonly source: ZongjiSource;
  readonly lag: LagMonitor;
  pipeline: AdoptionPipeline | null = null;
  private readonly abort = new AbortController();
  private readonly documents: DocumentStore;
  private zone: SessionZone = SessionZone.UTC;
  private readonly indices: IndexWatch;
  private readonly cascades = new CascadeWatch((table, reason) => this.suspects.add(table, reason));
  private readonly keeper: CheckpointKeeper;
  private readonly schemas: SchemaKeeper;
  private failure: Error | null = null;

  constructor(private readonly parts: RunParts) {
    const { options, client, registry, logger, contexts, connection, clock } = parts;
    this.documents = new DocumentStore(client, {
      requestTimeoutMs: options.requestTimeoutMs,
      maxBulkItems: options.maxBulkItems,
      maxBulkBytes: options.maxBulkBytes * 2,
      maxParallelBulks: 1,
      emptiesAnswers: true,
      routes: registry.routes,
      durableTombstones: new Set(
        contexts.filter(({ binding }) => binding.tombstones === 'durable').map(({ binding }) => binding.alias),
      ),
    });
    const watched = new Map<string, Set<string>>();
    for (const { database, table } of contexts.map(({ binding }) => binding.shape)) {
      watched.set(database, (watched.get(database) ?? new Set()).add(table));
    }
    this.source = new ZongjiSource({
      connection,
      serverId: options.serverId,
      heartbeatMs: options.heartbeatMs,
      maxQueuedBytes: options.maxQueuedBytes * LOG_SHARE,
      // Asked at each statement in the log: for the watched tables without a text made for it.
      include: (schema, table) =>
        (watched.get(schema)?.has(table) ?? false) || (this.cascades.isParent(`${schema}.${table}`) && 'cascades'),
      onReconnect: ({ attempt, delayMs, error }) =>
        logger.warn(`reading the binary log failed (${attempt}), again in ${delayMs} ms: ${logTextOf(error)}`),
    });
    this.suspects = new SuspectTables({
      verify: (table, signal) => this.verify(table, signal),
      added: (table, reason) => registry.events.emit('backstopToVerify', { table, reason }),
      changed: () => {
        this.keeper.dirty = true;
      },
      told: (level, message) => logger[level](message),
    });
    this.indices = new IndexWatch(client, options.requestTimeoutMs, (table, reason) =>
      this.suspects.add(table.name, reason),
    );
    this.keeper = new CheckpointKeeper(parts.checkpoints, options, {
      low: () => this.pipeline?.low() ?? null,
      notes: () => this.notes(),
    });
    this.schemas = new SchemaKeeper({
      registry,
      query: (sql, values) => parts.dataSource.query(sql, values),
      tables: this.tables,
      suspects: this.suspects,
      cascades: this.cascades,
      zone: () => this.zone,
      rebound: (table) => {
        this.indices.columnsChanged(table);
        this.keeper.dirty = true;
      },
    });
    this.lag = new LagMonitor({
      now: () => clock.now(),
      thresholds: options.lag,
      listener: {
        lagging: (alert) => registry.events.emit('backstopLag', alert),
        recovered: (report) => registry.events.emit('backstopRecovered', report),
      },
      gauges: () => this.pipeline!.gauges(),
    });
  }

  /** The checkpoint as it was saved last. */
  get saved(): BinlogCoordinates | null {
    return this.keeper.saved;
  }

  /**
   * Returns when `signal` is aborted, and throws whatever ends the run before. `begun`: called when the log is being read.
   * @throws BinlogPositionLostError, BinlogConnectionError, LeadershipLostError …
   */
  async run(leadership: Leadership, lost: string | null, signal: AbortSignal, begun: () => void): Promise<void> {
    const stop = (): void => {
      this.abort.abort();
      // Else it would wait for the next event.
      void this.source.stop();
    };
    const ended = AbortSignal.any([signal, leadership.signal]);
    ended.addEventListener('abort', stop);
    try {
      const place = await this.begin(lost);
      if (ended.aborted) return;
      begun();
      for (const task of this.tasks()) void task.catch((error: Error) => this.fail(error));
      await this.read(place);
    } finally {
      ended.removeEventListener('abort', stop);
      this.pipeline?.stop();
      this.abort.abort();
      await this.source.stop().catch(() => undefined);
      if (!leadership.signal.aborted)
        await this.keeper
          .save(true)
          .catch((error: Error) => this.parts.logger.warn(`the last checkpoint was not saved: ${logTextOf(error)}`));
    }
    if (this.failure) throw this.failure;
    if (!signal.aborted)
      throw (leadership.signal.reason as Error | undefined) ?? new BinlogConnectionError('the log ended');
  }

  private fail(error: Error): void {
    if (this.abort.signal.aborted) return;
    this.failure = error;
    this.abort.abort();
    void this.source.stop();
  }

  // --- beginning ------------------------------------------------------------------------------------------------------

  private async begin(lost: string | null): Promise<BeginPlace> {
    const { options, dataSource, checkpoints, clock } = this.parts;
    await checkpoints.ensureTable();
    await this.keeper.claim();
    const query = (sql: string, values?: unknown[]): Promise<any[]> => dataSource.query(sql, values);
    await clock.measure(async () => {
      const [row] = await query(`SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) AS us`);
      return Number(row.us);
    });
    this.zone = await SessionZone.read(query);
    const checkpoint = await checkpoints.load(options.name);
    const place = await askServer(this.parts.connection, this.abort.signal, (ask) =>
      whereToBegin(checkpoint, options.startFrom, lost, ask),
    );
    this.makeTables(place.at);
    await this.schemas.begin();
    this.indices.known = { ...checkpoint?.indexUuids };
    for (const [table, reason] of Object.entries(checkpoint?.toVerify ?? {})) {
      if (this.tables.has(table)) this.suspects.add(table, reason);
    }
    if (place.verify !== null || (!checkpoint && options.verifyAtFirstStart)) {
      this.suspectAll(place.verify ?? 'the backstop begins here: what came before is not known');
    }
    await this.checkIndices(checkpoint !== null);
    await this.keeper.begin(place, checkpoint);
    return place;
  }

  private makeTables(start: BinlogCoordinates | null): void {
    const { options, contexts, registry } = this.parts;
    const { signal } = this.abort;
    const pipeline = new AdoptionPipeline(
      this.tables,
      start,
      { ...options, maxQueuedBytes: options.maxQueuedBytes * (1 - LOG_SHARE) },
      {
        applied: (committedAtMs, rows) => {
          this.keeper.applied += rows;
          this.parts.meter.applied(committedAtMs, rows);
          this.lag.applied(committedAtMs, rows);
        },
        spent: (stage, ms) => this.lag.spent(stage, ms),
        suspect: (table, reason, closed) => {
          if (closed) this.parts.logger.error(`${table.name} is not followed for now: ${reason}`);
          this.suspects.add(table.name, reason);
        },
      },
    );
    this.pipeline = pipeline;
    for (const context of contexts) {
      const images = new ImageDecoder(context.binding, this.zone);
      const table = new AdoptionTable(context, images, this.documents, registry.redriver, pipeline, {
        ...options,
        signal,
      });
      this.tables.set(table.name, table);
    }
  }

  // --- following the log ----------------------------------------------------------------------------------------------

  private async read(place: BeginPlace): Promise<void> {
    const { signal } = this.abort;
    const pipeline = this.pipeline!;
    let serverUuid = place.serverUuid;
    let bytes = 0;
    const events = this.source.read(place.start);
    for (;;) {
      const event = events.taken() ?? (await events.next()).value;
      if (!event || signal.aborted) return;
      if (event.kind === 'schema-change') await this.schemas.changed(event);
      else if (event.kind === 'undecodable') this.undecodable(event.schema, event.table, event.reason);
      else {
        if (event.kind === 'commit' && event.coordinates.serverUuid !== serverUuid) {
          serverUuid = event.coordinates.serverUuid;
          // Whether that one has all that was seen is decided at the beginning of a run.
          throw new BinlogConnectionError(`another server answers now: ${serverUuid}; the backstop begins anew`);
        }
        // Before `accept`: that gives the event's memory back.
        if (event.kind === 'rows') {
          this.cascades.look(event);
          bytes += event.bytes;
        }
        const wait = pipeline.accept(event);
        if (wait) await wait;
        if (bytes < TURN_BYTES) continue;
        bytes = 0;
        await nextTurn();
      }
    }
  }

  private undecodable(schema: string | null, table: string | null, reason: string): void {
    if (schema === null || table === null) this.suspectAll(reason);
    else {
      const name = `${schema}.${table}`;
      if (this.tables.has(name)) this.suspects.add(name, reason);
      this.cascades.unreadable(name);
    }
  }

  private suspectAll(reason: string): void {
    for (const name of this.tables.keys()) this.suspects.add(name, reason);
  }

  /** A table has other columns than this instance knew of, which the log may tell much later. */
  async columnsChanged(context: EntityContext): Promise<void> {
    const table = [...this.tables.values()].find((one) => one.context === context);
    if (table && table.closed === null) await this.schemas.rebind(table);
  }

  // --- verification ---------------------------------------------------------------------------------------------------

  private async verify(name: string, signal: AbortSignal): Promise<RepairResult> {
    const table = this.tables.get(name);
    if (!table) return { repaired: 0, left: 0 };
    if (table.closed !== null) {
      await restoreIndex(this.parts.client, table.context);
      if (!(await this.schemas.rebind(table))) throw new InvalidSchemaError(table.closed);
      table.open();
    }
    const { repaired, failed } = await this.parts.registry.verifier.verify(table.context, { repair: true, signal });
    return { repaired, left: failed };
  }

  // --- what goes on beside --------------------------------------------------------------------------------------------

  private tasks(): Promise<void>[] {
    const { options, registry, logger } = this.parts;
    const { signal } = this.abort;
    const harmless = (what: string, error: Error): void =>
      logger.warn(`${what} failed and will be repeated: ${logTextOf(error)}`);
    const tasks = [
      this.every(options.checkpointIntervalMs, () => this.keeper.save(false)),
      this.every(options.indexCheckIntervalMs, () =>
        this.checkIndices(true).catch((error: Error) => harmless('looking at the indices', error)),
      ),
      this.every(options.lag.periodMs, async () => {
        this.lag.tick(this.pipeline!.watermark.open());
      }),
      this.suspects.run(signal),
    ];
    if (registry.options.sweeper === false && options.sweepIntervalMs !== false) {
      tasks.push(
        this.every(options.sweepIntervalMs, () =>
          this.parts.sweep(signal).catch((error: Error) => harmless('the sweep', error)),
        ),
      );
    }
    return tasks;
  }

  private async every(pauseMs: number, work: () => Promise<void>): Promise<void> {
    const { signal } = this.abort;
    for (;;) {
      await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      await work();
    }
  }

  private async checkIndices(known: boolean): Promise<void> {
    if (await this.indices.check(this.tables.values(), known)) this.keeper.dirty = true;
  }

  private notes(): CheckpointNotes {
    const toVerify: Record<string, string> = this.suspects.entries();
    for (const [name, { refusals }] of this.tables) {
      if (refusals.size > 0) toVerify[name] ??= `${refusals.size} documents were refused`;
    }
    return { indexUuids: this.indices.known, toVerify };
  }
}
