import type { SchedulerRegistry } from '@nestjs/schedule';
import type { ConsistentRegistry } from '../consistent.registry.js';
import type { ResolvedOptions } from '../consistent.options.js';
import { VerificationRunningError } from '../errors.js';
import { IntervalJob } from '../interval.job.js';
import { logTextOf } from '../observe/log.text.js';
import { StormLogger } from '../observe/storm.logger.js';

/** The job's name in the scheduler's registry. */
export const VERIFICATION_INTERVAL = 'nest-consistent:verification';

/**
 * Verifies every table at an interval, one after the other. Where another instance is at a table already, or has verified
 * it within the interval, that table is passed over. A stop gives the run under way up, and the next one goes on from there.
 */
export class VerificationJob extends IntervalJob {
  private readonly logger = new StormLogger('ConsistentVerification');

  constructor(
    private readonly registry: ConsistentRegistry,
    private readonly options: ResolvedOptions['verification'],
    scheduler: SchedulerRegistry | undefined,
  ) {
    super({
      name: VERIFICATION_INTERVAL,
      intervalMs: options === false ? undefined : options.intervalMs,
      scheduler,
      withoutScheduler:
        'Verification runs as a job of @nestjs/schedule. Add ScheduleModule.forRoot() to the imports of your root module, or set ' +
        'verification: false and call ConsistentService.verify() from a scheduler of your own.',
    });
  }

  protected override async run(signal: AbortSignal): Promise<void> {
    if (this.options === false) return;
    const { intervalMs, ...verify } = this.options;
    for (const context of this.registry.all()) {
      if (signal.aborted) return;
      const { name } = context.binding;
      try {
        const options = { ...verify, signal, resume: true, unlessWithinMs: intervalMs / 2 };
        const result = await this.registry.verifier.verifyUnlessRecent(context, options);
        if (!result || result.consistent) continue;
        const { missing, stale, foreign, orphaned, repaired, failed, unchecked } = result;
        this.logger.warn(
          `${name}: ${missing} missing, ${stale} stale, ${foreign} foreign, ${orphaned} orphaned; ${repaired} repaired, ${failed} failed, ${unchecked} unchecked`,
        );
      } catch (error) {
        if (signal.aborted || error instanceof VerificationRunningError) continue;
        this.logger.error(`${name}: the verification failed: ${logTextOf(error)}`);
      }
    }
  }
}
