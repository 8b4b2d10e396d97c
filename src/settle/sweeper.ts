import { factsOf, logTextOf } from '../observe/log.text.js';
import type { EntityContext } from '../entity/entity.context.js';
import { Unsettled } from './resolution.js';
import { TombstonePurger } from './tombstone.purger.js';

/** What one sweep did. */
export interface SweepResult {
  /** Rows whose deadline had passed. */
  claimed: number;
  settled: number;
  /** Rows that could not be settled now; they come again when their lease ends. */
  failed: number;
  parked: number;
}

/**
 * Settles rows whose deadline has passed, table by table. Any number of instances may run at once: a claim skips rows
 * that another has locked, and gives them a lease.
 */
export class Sweeper {
  private readonly restingUntil = new Map<EntityContext, { at: number; pauseMs: number }>();
  private readonly purger = new TombstonePurger();

  /**
   * One sweep over one table: batches until none is left, a limit is met, or Elasticsearch does not answer. Then durable tombstones
   * that are old enough are removed.
   */
  async sweep(context: EntityContext, signal?: AbortSignal): Promise<SweepResult> {
    const total = await this.settle(context, signal);
    await this.purger.purge(context, signal);
    return total;
  }

  private async settle(context: EntityContext, signal?: AbortSignal): Promise<SweepResult> {
    const total: SweepResult = { claimed: 0, settled: 0, failed: 0, parked: 0 };
    const limits = context.options.sweeper || SWEEP_BY_HAND;
    for (let batch = 0; batch < limits.maxBatchesPerRun && !signal?.aborted; batch++) {
      const claimed = await context.store.claim(limits.batchSize, limits.leaseMs);
      if (claimed.length === 0) break;
      const keys = claimed.map(({ key }) => key);
      const settle = () =>
        context.settler.resolve(keys, {
          purpose: 'sweep',
          // The lease must outlast the work.
          timeoutMs: Math.max(context.options.writeTimeoutMs, limits.leaseMs / 2),
          claimed: new Map(claimed.map(({ key, version }) => [key.id, version])),
        });
      // Not the sweep as a whole: one that finds nothing, each second, is not worth telling.
      const { instruments, binding } = context;
      const results = await (instruments.active ? instruments.run('sweep', binding, keys.length, settle) : settle());
      let failed = 0;
      let why: Unsettled | null = null;
      for (const result of results.values()) {
        if (result instanceof Unsettled) {
          failed++;
          why ??= result;
        } else if (result.parked) total.parked++;
        else if (result.settled) total.settled++;
      }
      total.claimed += keys.length;
      total.failed += failed;
      if (why) {
        context.logger.warn(
          `${binding.name}: ${failed} rows could not be settled: ${logTextOf(why)}`,
          factsOf(context),
        );
      }
      // A store that does not answer is not asked again at once.
      if (failed > keys.length / 2) break;
    }
    context.events.emit('swept', {
      entity: context.binding.name,
      dataSource: context.binding.dataSourceName,
      ...total,
    });
    return total;
  }

  /** As `sweep`, for the scheduled job: after a failed sweep a table rests, longer each time, at most a minute. */
  async sweepUnlessResting(context: EntityContext, signal?: AbortSignal): Promise<void> {
    const rest = this.restingUntil.get(context);
    if (rest && performance.now() < rest.at) return;
    let failed = true;
    try {
      failed = (await this.settle(context, signal)).failed > 0;
      if (!failed) await this.purger.purgeWhenDue(context, signal);
    } catch (error) {
      context.logger.warn(
        `${context.binding.name}: the sweep failed and will be repeated: ${logTextOf(error)}`,
        factsOf(context),
      );
    }
    if (!failed) {
      this.restingUntil.delete(context);
      return;
    }
    const pauseMs = Math.min((rest?.pauseMs ?? FIRST_REST_MS / 2) * 2, MAX_REST_MS);
    this.restingUntil.set(context, { at: performance.now() + pauseMs, pauseMs });
  }
}

const FIRST_REST_MS = 500;
const MAX_REST_MS = 60_000;
/** For `consistent.sweep()` where the scheduled job is off. */
const SWEEP_BY_HAND = { batchSize: 200, leaseMs: 10_000, maxBatchesPerRun: 50 };
