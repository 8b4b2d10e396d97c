import type { SchedulerRegistry } from '@nestjs/schedule';
import { InvalidOptionsError } from './errors.js';

export interface IntervalJobParts {
  /** The job's name in the scheduler's registry. */
  readonly name: string;
  /** Undefined: the job is off. */
  readonly intervalMs: number | undefined;
  /** Undefined where the application has no `ScheduleModule`. */
  readonly scheduler: SchedulerRegistry | undefined;
  /** What an application is told that wants the job and has no scheduler. */
  readonly withoutScheduler: string;
}

/**
 * A job of `@nestjs/schedule` at an interval, one run at a time. Start and stop are idempotent; stop aborts the signal of the run under way,
 * and waits for its end.
 */
export abstract class IntervalJob {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;
  private abort = new AbortController();

  constructor(private readonly parts: IntervalJobParts) {}

  /** Throws `InvalidOptionsError` where there is no scheduler. */
  start(): void {
    const { name, intervalMs, scheduler, withoutScheduler } = this.parts;
    if (intervalMs === undefined || this.timer) return;
    if (!scheduler) throw new InvalidOptionsError(withoutScheduler);
    this.abort = new AbortController();
    this.timer = setInterval(() => this.tick(), intervalMs);
    scheduler.addInterval(name, this.timer);
  }

  async stop(): Promise<void> {
    const { name, scheduler } = this.parts;
    if (this.timer) {
      clearInterval(this.timer);
      this.timer = undefined;
      if (scheduler?.getIntervals().includes(name)) scheduler.deleteInterval(name);
    }
    this.abort.abort();
    await this.running;
  }

  /** One run. Must not reject. */
  protected abstract run(signal: AbortSignal): Promise<void>;

  private tick(): void {
    this.running ??= this.run(this.abort.signal).finally(() => {
      this.running = undefined;
    });
  }
}
