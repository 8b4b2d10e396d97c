import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@elastic/elasticsearch';
import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import type { EntityContext } from '../entity/entity.context.js';
import type { ConsistentRegistry } from '../consistent.registry.js';
import type { ConsistentService } from '../consistent.service.js';
import { BinlogPositionLostError, InvalidOptionsError } from '../errors.js';
import { ConsistencyMeter } from '../observe/consistency.meter.js';
import type { ConsistentEvents } from '../observe/consistent.events.js';
import { logTextOf } from '../observe/log.text.js';
import { ServerClock } from '../observe/server.clock.js';
import { StormLogger } from '../observe/storm.logger.js';
import { wholeNumber } from '../whole.number.js';
import type { RefusedDocument } from './adoption.table.js';
import { primaryConnectionOf } from './backstop.connection.js';
import type { BackstopStart, ResolvedBackstopOptions } from './backstop.options.js';
import { BackstopRun } from './backstop.run.js';
import { type BackstopStatus, type BackstopState, statusOf } from './backstop.status.js';
import { checkServer } from './backstop.preflight.js';
import { ColumnWatch } from './column.watch.js';
import { CheckpointStore } from './checkpoint.store.js';
import { GtidSet } from './gtid.set.js';
import { LeaderLock } from './leader.lock.js';

export interface BackstopDependencies {
  readonly options: ResolvedBackstopOptions;
  /** Asked when the backstop starts: the module that makes it may come later. */
  readonly dataSource: () => DataSource;
  readonly registry: ConsistentRegistry;
  readonly service: ConsistentService;
  readonly client: Client;
}

const FIRST_PAUSE_MS = 200;
const MAX_PAUSE_MS = 30_000;
/** A run that held this long was well: the next failure is not one of a row. */
const WELL_AFTER_MS = 60_000;
const POLL_MS = 5;
const STOP_TIMEOUT_MS = 900;
/** A day: who waits longer wants a timer. */
const MAX_WAIT_MS = 86_400_000;

/**
 * Follows MySQL's binary log and keeps the index right about what went around the library. One instance at a time
 * leads, the others stand by. What fails in here never reaches the application: it is told, and begun anew with back-off.
 */
@Injectable()
export class BackstopService implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new StormLogger('Backstop');
  private readonly meter: ConsistencyMeter;
  private readonly clock = new ServerClock();
  private state: BackstopState = 'stopped';
  private reason: string | null = null;
  private run: BackstopRun | null = null;
  private abort: AbortController | null = null;
  private loop: Promise<void> = Promise.resolve();
  private startFrom: BackstopStart;
  private readonly columns: ColumnWatch;

  /** @internal */
  constructor(private readonly parts: BackstopDependencies) {
    this.meter = new ConsistencyMeter({ now: () => this.clock.now() });
    this.startFrom = parts.options.startFrom;
    const { name, dataSource } = parts.options;
    this.columns = new ColumnWatch({
      intervalMs: parts.options.indexCheckIntervalMs,
      contexts: () => this.contexts(),
      query: (sql, values) => parts.dataSource().query(sql, values),
      changed: (context) => this.columnsChanged(context),
    });
    parts.registry.backstops.add({ name, dataSource, options: parts.options, status: () => this.status() });
  }

  /** `backstopState`, `backstopToVerify`, `backstopLag` and `backstopRecovered` are emitted here. */
  get events(): ConsistentEvents {
    return this.parts.registry.events;
  }

  onApplicationBootstrap(): void {
    if (this.parts.options.autoStart) this.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.stop();
  }

  /** Begins to compete for the leadership, and follows the log once it has it. Idempotent; does not wait. */
  start(): void {
    if (this.abort) return;
    this.abort = new AbortController();
    const { signal } = this.abort;
    // At once: who waits for it right after `start` must not find it stopped.
    this.enter('standby');
    this.logger.log(`starts with server id ${this.parts.options.serverId}`);
    this.loop = this.loop.then(() => this.supervise(signal));
    void this.columns.run(signal);
  }

  /** Saves the checkpoint, gives the leadership back and ends, within a second. Idempotent. */
  async stop(): Promise<void> {
    this.abort?.abort();
    this.abort = null;
    await Promise.race([this.loop, sleep(STOP_TIMEOUT_MS, undefined, { ref: false })]);
  }

  /** What it does, how far it is, and what is wrong. Plain data. */
  status(): BackstopStatus {
    const { options } = this.parts;
    return statusOf({ state: this.state, reason: this.reason, options, run: this.run, meter: this.meter });
  }

  /** Documents that Elasticsearch refuses, or that cannot be made. They count as inconsistent until a later change, or a verification, mends them. */
  refused(): RefusedDocument[] {
    return [...(this.run?.tables.values() ?? [])].flatMap(({ refusals }) => [...refusals.values()]);
  }

  /**
   * Goes back (or forward) in the log and works from there again: harmless, for what the index holds already is left alone.
   * A time only by the instance that leads.
   * @throws InvalidOptionsError
   */
  async rewind(to: { readonly gtidSet: string } | { readonly time: Date } | 'now'): Promise<void> {
    if (typeof to === 'object' && 'gtidSet' in to) GtidSet.parse(to.gtidSet);
    else if (to !== 'now' && !(to.time instanceof Date && Number.isFinite(to.time.getTime()))) {
      throw new InvalidOptionsError("rewind() takes { gtidSet }, { time } with a valid Date, or 'now'.");
    }
    if (this.state !== 'leading' && this.state !== 'stopped') {
      throw new InvalidOptionsError(
        'Only the instance that leads can rewind, or one that is stopped; see status().state.',
      );
    }
    const running = this.abort !== null;
    await this.stop();
    this.startFrom = to;
    if (running) this.start();
  }

  /**
   * Resolves when the index holds every transaction of this set; without one, of all that are committed now.
   * Rejects when `timeoutMs` (default 30,000) are over or the backstop is stopped.
   * @throws InvalidGtidSetError, InvalidOptionsError
   */
  async waitFor(gtidSet?: string, timeoutMs = 30_000): Promise<void> {
    wholeNumber('timeoutMs', timeoutMs, 0, MAX_WAIT_MS);
    const wanted = GtidSet.parse(gtidSet ?? (await this.executed()));
    const until = performance.now() + timeoutMs;
    let seen: string | undefined;
    for (;;) {
      const reached = this.run?.pipeline?.low()?.gtidSet;
      if (reached !== undefined && reached !== seen) {
        seen = reached;
        if (wanted.isSubsetOf(GtidSet.parse(reached))) return;
      }
      if (performance.now() > until || !this.abort) {
        throw new Error(
          `the backstop is ${this.state} and has not reached ${wanted.toString()}: ${this.reason ?? `at ${seen ?? 'none'}`}`,
        );
      }
      await sleep(POLL_MS);
    }
  }

  /** As `waitFor` without a set, and no table is left to be verified. */
  async drained(timeoutMs = 30_000): Promise<void> {
    wholeNumber('timeoutMs', timeoutMs, 0, MAX_WAIT_MS);
    const until = performance.now() + timeoutMs;
    await this.waitFor(undefined, timeoutMs);
    while (this.run && this.run.suspects.size > 0) {
      if (performance.now() > until) {
        throw new Error(`still to be verified: ${JSON.stringify(this.run.suspects.entries())}`);
      }
      await sleep(POLL_MS);
    }
  }

  private async executed(): Promise<string> {
    const [row] = (await this.parts.dataSource().query('SELECT @@GLOBAL.gtid_executed AS executed')) as [
      { executed: string },
    ];
    return row.executed;
  }

  // --- supervision ----------------------------------------------------------------------------------------------------

  private enter(state: BackstopState, reason: string | null = null): void {
    this.state = state;
    this.reason = reason;
    this.events.emit('backstopState', { state, reason });
  }

  private async supervise(signal: AbortSignal): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS;
    let lost: string | null = null;
    while (!signal.aborted) {
      const began = performance.now();
      try {
        await this.lead(lost, signal);
        lost = null;
      } catch (error) {
        if (signal.aborted) break;
        if (performance.now() - began > WELL_AFTER_MS) pauseMs = FIRST_PAUSE_MS;
        lost = error instanceof BinlogPositionLostError ? error.message : null;
        this.enter('failed', (error as Error).message);
        this.logger.error(`failed and begins anew in ${pauseMs} ms: ${logTextOf(error)}`);
        await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
        pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS);
      }
    }
    this.enter('stopped');
  }

  private async lead(lost: string | null, signal: AbortSignal): Promise<void> {
    const { options, registry, client, service } = this.parts;
    const dataSource = this.parts.dataSource();
    const own = primaryConnectionOf(dataSource);
    const connection = options.connection ?? own;
    this.enter('standby');
    // Its scope is the database that holds the checkpoint.
    let told = '';
    const lock = new LeaderLock({
      connection: own,
      name: options.name,
      onRetry: ({ message }) => {
        if (message !== told) this.logger.warn(`stands by, for MySQL cannot be reached: ${logTextOf(message)}`);
        told = message;
      },
    });
    const leadership = await lock.acquire(signal);
    try {
      this.enter('starting');
      const contexts = this.contexts();
      const tables = contexts.map(({ binding: { shape } }) => `${shape.database}.${shape.table}`);
      await checkServer(connection, { serverId: options.serverId, tables }, this.logger, signal);
      this.run = new BackstopRun({
        options: {
          ...options,
          startFrom: this.startFrom,
          leader: `${options.leader}:${randomBytes(3).toString('hex')}`,
        },
        dataSource,
        connection,
        contexts,
        client,
        registry,
        checkpoints: new CheckpointStore(dataSource),
        meter: this.meter,
        clock: this.clock,
        logger: this.logger,
        sweep: (swept) => service.sweepInTurn(swept),
      });
      await this.run.run(leadership, lost, signal, () => {
        // Once only: a failure later goes on from the checkpoint.
        this.startFrom = 'checkpoint-or-now';
        this.enter('leading');
      });
    } finally {
      await leadership.release();
    }
  }

  private async columnsChanged(context: EntityContext): Promise<void> {
    if (this.state === 'leading') return this.run?.columnsChanged(context);
    try {
      await this.parts.registry.rebind(context);
    } catch (error) {
      this.logger.warn(`writes go by the columns of before: ${logTextOf(error)}`);
    }
  }

  private contexts() {
    const { options, registry } = this.parts;
    const all = registry.all().filter(({ binding }) => binding.dataSourceName === options.dataSource);
    const { entities } = options;
    const unknown = entities?.filter((name) => !all.some(({ binding }) => binding.name === name)) ?? [];
    if (unknown.length > 0 || all.length === 0) {
      throw new InvalidOptionsError(
        unknown.length > 0
          ? `BackstopModule: no consistent repository of ${unknown.join(', ')} is registered for the DataSource "${options.dataSource}".`
          : `BackstopModule: no consistent repository is registered for the DataSource "${options.dataSource}".`,
        { dataSource: options.dataSource, unknown },
      );
    }
    return entities ? all.filter(({ binding }) => entities.includes(binding.name)) : all;
  }
}
