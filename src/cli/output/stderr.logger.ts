import type { LoggerService } from '@nestjs/common';

/** Nest's logs on stderr, one line each: warnings and errors, and the rest where it is asked for. */
export class StderrLogger implements LoggerService {
  constructor(private readonly tellsAll: boolean) {}

  log(message: unknown, ...rest: unknown[]): void {
    if (this.tellsAll) this.write('log', message, rest);
  }

  debug(message: unknown, ...rest: unknown[]): void {
    this.log(message, ...rest);
  }

  verbose(message: unknown, ...rest: unknown[]): void {
    this.log(message, ...rest);
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.write('warning', message, rest);
  }

  error(message: unknown, ...rest: unknown[]): void {
    this.write('error', message, rest);
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    this.write('error', message, rest);
  }

  private write(level: string, message: unknown, rest: readonly unknown[]): void {
    const context = rest.at(-1);
    // What Nest says of errors that are thrown anyway would be told twice.
    if (context === 'ExceptionHandler' && !this.tellsAll) return;
    const text =
      message instanceof Error ? message.message : typeof message === 'string' ? message : JSON.stringify(message);
    process.stderr.write(`${level}: ${typeof context === 'string' ? `[${context}] ` : ''}${text}\n`);
  }
}
