import type { SchedulerRegistry } from '@nestjs/schedule';
import type { ConsistentService } from '../consistent.service.js';
import type { ResolvedOptions } from '../consistent.options.js';
import { IntervalJob } from '../interval.job.js';
import { logTextOf } from '../observe/log.text.js';
import { StormLogger } from '../observe/storm.logger.js';

/** The job's name in the scheduler's registry. */
export const SWEEPER_INTERVAL = 'nest-consistent:sweeper';

/** Runs the sweeper at an interval. */
export class SweeperJob extends IntervalJob {
  private readonly logger = new StormLogger('ConsistentSweeper');

  constructor(
    private readonly service: ConsistentService,
    options: ResolvedOptions['sweeper'],
    scheduler: SchedulerRegistry | undefined,
  ) {
    super({
      name: SWEEPER_INTERVAL,
      intervalMs: options === false ? undefined : options.intervalMs,
      scheduler,
      withoutScheduler:
        'The sweeper runs as a job of @nestjs/schedule. Add ScheduleModule.forRoot() to the imports of your root module, or set ' +
        'sweeper: false and call ConsistentService.sweep() from a scheduler of your own.',
    });
  }

  protected override async run(signal: AbortSignal): Promise<void> {
    await this.service
      .sweepInTurn(signal)
      .catch((error: unknown) => this.logger.error(`the sweeper failed: ${logTextOf(error)}`));
  }
}
