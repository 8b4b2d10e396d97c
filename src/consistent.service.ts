import { Injectable } from '@nestjs/common';
import type { ConsistentRegistry } from './consistent.registry.js';
import { InvalidOptionsError } from './errors.js';
import { primaryRunner } from './mysql/statement.timeout.js';
import type { ConsistentEvents } from './observe/consistent.events.js';
import { ParkedRows } from './settle/parked.rows.js';
import { Sweeper, type SweepResult } from './settle/sweeper.js';
import { runUnitOfWork, UnitOfWork } from './write/unit-of-work.js';

export interface TransactionOptions {
  /** The DataSource whose transaction it is. Default `default`. */
  dataSource?: string;
}

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
    const runner = primaryRunner(context.binding.dataSource);
    const unit = new UnitOfWork(runner, (target) => this.registry.contextOf(target, name), this.registry.repairer);
    return runUnitOfWork(this.registry.writer, runner, unit, body);
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
