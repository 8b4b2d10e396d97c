import { inspect } from 'node:util';
import { expect } from '@jest/globals';
import { Logger } from '@nestjs/common';

/** Everything that an application could show of itself: log lines, errors with their causes, pages. For a look for what must not be there. */
export class OutputRecorder {
  private readonly texts: string[] = [];
  private readonly override = Logger.overrideLogger.bind(Logger);

  /** Takes the place of Nest's logger, and keeps it: each testing module would put a silent one there. */
  start(): void {
    const record = (...given: unknown[]): void => this.add(given);
    const recorder = { log: record, warn: record, error: record, debug: record, verbose: record, fatal: record };
    this.override(recorder);
    Logger.overrideLogger = () => this.override(recorder);
  }

  stop(): void {
    Logger.overrideLogger = this.override;
    this.override(undefined as never);
  }

  /** An error as a console and as a structured logger would show it; anything else likewise. */
  add(thing: unknown): void {
    this.texts.push(
      typeof thing === 'string' ? thing : inspect(thing, { depth: 30, maxStringLength: null, maxArrayLength: null }),
    );
    if (typeof thing === 'object') this.texts.push(serialised(thing));
  }

  /** How much there is to look through. */
  get length(): number {
    return this.texts.length;
  }

  includes(text: string): boolean {
    return this.texts.some((each) => each.includes(text));
  }

  /** None of these words is anywhere. */
  expectWithout(secrets: Readonly<Record<string, string>>): void {
    const found = Object.entries(secrets).flatMap(([name, secret]) =>
      this.texts.filter((text) => text.includes(secret)).map((text) => `${name} in: ${around(text, secret)}`),
    );
    expect(found).toEqual([]);
  }
}

/** With what `JSON.stringify` leaves out of errors. */
function serialised(thing: unknown): string {
  const seen = new Set<unknown>();
  return JSON.stringify(thing, (_key, value: unknown) => {
    if (typeof value !== 'object' || value === null) return typeof value === 'bigint' ? String(value) : value;
    if (seen.has(value)) return '[seen]';
    seen.add(value);
    if (!(value instanceof Error)) return value;
    const { name, message, stack, cause } = value;
    return Object.assign(Object.fromEntries(Object.entries(value)), { name, message, stack, cause });
  });
}

function around(text: string, word: string): string {
  const at = text.indexOf(word);
  return text.slice(Math.max(0, at - 200), at);
}
