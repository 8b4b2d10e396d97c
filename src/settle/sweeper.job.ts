import type { SchedulerRegistry } from '@nestjs/schedule';
import type { ConsistentService } from '../consistent.service.js';
import type { ResolvedOptions } from '../consistent.options.js';
import { InvalidOptionsError } from '../errors.js';
import { logTextOf } from '../observe/log.text.js';
import { StormLogger } from '../observe/storm.logger.js';

/** The job's name in the scheduler's registry. */
export const SWEEPER_INTERVAL = 'nest-consistent:sweeper';

/** Runs the sweeper at an interval, one run at a time. Start and stop are idempotent; stop waits for the run under way. */
export class SweeperJob {
  private readonly logger = new StormLogger('ConsistentSweeper');
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;
  private abort = new AbortController();

  constructor(
    private readonly service: ConsistentService,
    private readonly options: ResolvedOptions['sweeper'],
    private readonly scheduler: SchedulerRegistry | undefined,
  ) {}

  start(): void {
    if (this.options === false || this.timer) return;
    if (!this.scheduler) {
      throw new InvalidOptionsError(
        'The sweeper runs as a job of @nestjs/schedule. Add ScheduleModule.forRoot() to the imports of your root module, or set ' +
          'sweeper: false and call ConsistentService.sweep() from a scheduler of your own.',
      );
    }
    this.abort = new AbortController();
    this.timer = setInterval(() => this.tick(), this.options.intervalMs);
    this.scheduler.addInterval(SWEEPER_INTERVAL, this.timer);
  }

  async stop(): Promise<void> {
    if (this.timer) {
      clearInterval(this.timer);
      this.timer = undefined;
      if (this.scheduler?.getIntervals().includes(SWEEPER_INTERVAL)) this.scheduler.deleteInterval(SWEEPER_INTERVAL);
    }
    this.abort.abort();
    await this.running;
  }

  private tick(): void {
    if (this.running) return;
    this.running = this.service
      .sweepInTurn(this.abort.signal)
      .catch((error: unknown) => this.logger.error(`the sweeper failed: ${logTextOf(error)}`))
      .finally(() => {
        this.running = undefined;
      });
  }
}
