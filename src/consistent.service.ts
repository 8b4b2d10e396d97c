import { Injectable } from '@nestjs/common';
import { type ConsistentRepositoryClass, definitionOf } from './consistent.decorator.js';
import type { ConsistentRegistry } from './consistent.registry.js';
import { ConsistentRepository } from './consistent.repository.js';
import type { EntityContext } from './entity/entity.context.js';
import { InvalidOptionsError } from './errors.js';
import { primaryRunner } from './mysql/statement.timeout.js';
import type { ConsistentEvents } from './observe/consistent.events.js';
import type {
  FinishOptions,
  ReindexOptions,
  ReindexResult,
  ReindexStatus,
  RollbackOptions,
} from './reindex/reindex.types.js';
import { ParkedRows } from './settle/parked.rows.js';
import { Sweeper, type SweepResult } from './settle/sweeper.js';
import type { KeptVerification } from './verify/verification.store.js';
import type { VerifyOptions, VerifyResult } from './verify/verify.types.js';
import { runUnitOfWork, UnitOfWork } from './write/unit-of-work.js';

export interface TransactionOptions {
  /** The DataSource whose transaction it is. Default `default`. */
  dataSource?: string;
}

/** Which table: its consistent repository's class, or its entity's. */
export type VerifyTarget = ConsistentRepositoryClass | Function;

/** What the module offers beside its repositories. Inject it anywhere. */
@Injectable()
export class ConsistentService {
  /** Rows that wait for a person: list, retry, discard. */
  readonly parked: ParkedRows;
  private readonly sweeper = new Sweeper();

  /** @internal */
  constructor(private readonly registry: ConsistentRegistry) {
    this.parked = new ParkedRows(registry);
  }

  /** What happens inside: settles, parked rows, foreign versions, writes, sweeps. */
  get events(): ConsistentEvents {
    return this.registry.events;
  }

  /**
   * A unit of work: what the callback writes (several rows, several entities, plain SQL) is prepared in one MySQL
   * transaction, then indexed, then committed. If the callback throws, nothing was written. After that each row has its
   * own fate in the index: see `PartialWriteError`. The callback holds locks: do no slow work in it.
   * @throws PartialWriteError, or the row's own error where only one was written, OutcomeUnknownError, RowBusyError, and
   *   whatever the callback throws.
   */
  async transaction<T>(body: (unit: UnitOfWork) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    const name = options.dataSource ?? 'default';
    const context = this.registry.all().find(({ binding }) => binding.dataSourceName === name);
    if (!context) {
      throw new InvalidOptionsError(`No consistent repository is registered for the DataSource "${name}".`, {
        dataSource: name,
      });
    }
    // Before a connection is taken: one that waits at the barrier with locks would hold others up.
    for (const { binding, routes, options: module } of this.registry.all()) {
      if (binding.dataSourceName === name) await routes.barrier(binding.alias, module.busyTimeoutMs);
    }
    const runner = primaryRunner(context.binding.dataSource);
    const unit = new UnitOfWork(runner, (target) => this.registry.contextOf(target, name), this.registry.repairer);
    return runUnitOfWork(this.registry.writer, runner, unit, body);
  }

  /**
   * Compares a table with its index while both are in use: every row with its document, then every document with its row.
   * With `repair: true` each difference is driven through the protocol again. One run per table at a time, in all instances.
   * @throws VerificationRunningError, IndexMissingError, InvalidOptionsError
   * @throws VerificationInterruptedError when the signal is aborted, or a store does not answer for too long; its
   *   `data.cursor` is where another run can go on
   */
  verify(target: VerifyTarget, options: VerifyOptions & { dataSource?: string } = {}): Promise<VerifyResult> {
    const { dataSource, ...verify } = options;
    return this.registry.verifier.verify(this.contextFor(target, dataSource), verify);
  }

  /** The last verification of a table, as `consistent_verification` keeps it; null where there was none. */
  lastVerification(target: VerifyTarget, options: { dataSource?: string } = {}): Promise<KeptVerification | null> {
    return this.registry.verifier.last(this.contextFor(target, options.dataSource));
  }

  /**
   * Makes a new index with the declared mapping (or a given one), fills it while writes go on, compares it, and gives it the alias; the former
   * index then follows, so that `rollbackReindex` can go back until `finishReindex`. All tables that share the index are copied.
   * Called again after an interruption, it goes on. Every instance of the application must run this version. With `into: 'current'` it
   * copies a table that has rows and no documents yet into the index that is there. See docs/reindex.md.
   * @throws ReindexRefusedError where documents are refused or differ: then nothing was exchanged
   * @throws ReindexInterruptedError, ReindexRunningError, ReindexStateError, IndexMissingError, MappingConflictError,
   *   UnsupportedOperationError (one index for tables of several DataSources), InvalidOptionsError
   */
  reindex(target: VerifyTarget, options: ReindexOptions & { dataSource?: string } = {}): Promise<ReindexResult> {
    const { dataSource, ...reindex } = options;
    return this.registry.reindexer.reindex(this.contextFor(target, dataSource), reindex);
  }

  /** How far the last reindex of a table's index is; null where there was none. */
  reindexStatus(target: VerifyTarget, options: { dataSource?: string } = {}): Promise<ReindexStatus | null> {
    return this.registry.reindexer.status(this.contextFor(target, options.dataSource));
  }

  /**
   * Gives a reindex up. Where the new index has the alias already, the former one is compared and gets it back; then the new one is
   * deleted, unless `keepIndex` says otherwise.
   * @throws ReindexRefusedError where the former index does not hold what the rows make. Else as `reindex`.
   */
  rollbackReindex(
    target: VerifyTarget,
    options: RollbackOptions & { dataSource?: string } = {},
  ): Promise<ReindexStatus> {
    const { dataSource, ...rollback } = options;
    return this.registry.reindexer.rollback(this.contextFor(target, dataSource), rollback);
  }

  /**
   * Ends a reindex whose new index has the alias: the former index gets no more writes, and is deleted with `deleteFormer`.
   * @throws ReindexStateError, ReindexInterruptedError, ReindexRunningError
   */
  finishReindex(target: VerifyTarget, options: FinishOptions & { dataSource?: string } = {}): Promise<ReindexStatus> {
    const { dataSource, ...finish } = options;
    return this.registry.reindexer.finish(this.contextFor(target, dataSource), finish);
  }

  private contextFor(target: VerifyTarget, dataSource = 'default'): EntityContext {
    const context = this.registry.all().find(({ binding }) => {
      if (binding.dataSourceName !== dataSource) return false;
      return binding.target === target || binding.options === optionsOf(target);
    });
    if (context) return context;
    throw new InvalidOptionsError(
      `${target.name} is neither an entity nor a repository that is registered for the DataSource "${dataSource}".`,
      { target: target.name, dataSource },
    );
  }

  /** Repairs entities anywhere in `value`. Null when `value` itself is an entity without a row to be seen. */
  repair<T>(value: T): Promise<T | null> {
    return this.registry.repairer.repair(value);
  }

  /** Sweeps every table once, now. For an external scheduler, and for tests. */
  async sweep(signal?: AbortSignal): Promise<SweepResult> {
    const total: SweepResult = { claimed: 0, settled: 0, failed: 0, parked: 0 };
    for (const context of this.registry.all()) {
      const result = await this.sweeper.sweep(context, signal);
      for (const name of Object.keys(total) as (keyof SweepResult)[]) total[name] += result[name];
    }
    return total;
  }

  /** @internal The scheduled job's turn. */
  async sweepInTurn(signal: AbortSignal): Promise<void> {
    for (const context of this.registry.all()) {
      if (signal.aborted) return;
      await this.sweeper.sweepUnlessResting(context, signal);
    }
  }
}

/** Undefined for anything but a consistent repository. */
function optionsOf(target: VerifyTarget): object | undefined {
  return target.prototype instanceof ConsistentRepository
    ? definitionOf(target as ConsistentRepositoryClass).options
    : undefined;
}
