import { Logger } from '@nestjs/common';
import { LogLimiter, type LogLimits, templateOf } from './log.limiter.js';

/**
 * Nest's logger, whose warnings and errors are limited under storms. Facts may stand beside a message, for loggers that keep
 * structure: names and codes, never keys or values.
 */
export class StormLogger extends Logger {
  private readonly limiter: LogLimiter;

  constructor(context: string, limits: LogLimits = {}) {
    super(context);
    this.limiter = new LogLimiter(limits);
  }

  override warn(message: unknown, ...facts: unknown[]): void {
    const write = (text: unknown) => super.warn(text, ...facts);
    if (typeof message !== 'string' || this.limiter.admits(`warn ${templateOf(message)}`, message, write))
      write(message);
  }

  override error(message: unknown, ...facts: unknown[]): void {
    const write = (text: unknown) => super.error(text, ...facts);
    if (typeof message !== 'string' || this.limiter.admits(`error ${templateOf(message)}`, message, write))
      write(message);
  }
}
