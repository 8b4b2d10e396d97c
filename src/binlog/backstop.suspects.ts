import { setTimeout as sleep } from 'node:timers/promises';

/** What a verification with repair came to. */
export interface RepairResult {
  readonly repaired: number;
  /** Differences that could not be mended, and rows that could not be looked at. */
  readonly left: number;
}

export interface SuspectsParts {
  /** Makes the table and its index usable again, then verifies it with repair. Throws what keeps it from that. */
  verify(table: string, signal: AbortSignal): Promise<RepairResult>;
  /** A table came to the list. */
  added(table: string, reason: string): void;
  /** The list has changed. */
  changed(): void;
  /** For the log. */
  told(level: 'log' | 'warn' | 'error', message: string): void;
}

interface Suspect {
  reason: string;
  /** Grows with every new reason: one that comes while the table is verified is not settled by that. */
  times: number;
  pauseMs: number;
  dueAt: number;
}

const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 600_000;
const MAX_REASON = 500;

/**
 * Tables in which something may be wrong that the log no longer tells. They stay here, and in the checkpoint, until a
 * verification with repair has ended well. One table at a time; failures are repeated with back-off.
 */
export class SuspectTables {
  private readonly suspects = new Map<string, Suspect>();
  private wake: (() => void) | undefined;

  constructor(private readonly parts: SuspectsParts) {}

  add(table: string, reason: string): void {
    const text = reason.slice(0, MAX_REASON);
    const known = this.suspects.get(table);
    if (known) {
      known.times += 1;
      // The same again and again must not make it be verified without a pause.
      if (known.reason !== text) known.dueAt = 0;
      known.reason = text;
    } else {
      this.suspects.set(table, { reason: text, times: 1, pauseMs: FIRST_PAUSE_MS, dueAt: 0 });
      this.parts.told('warn', `${table} is to be verified: ${text}`);
      this.parts.added(table, text);
    }
    this.parts.changed();
    this.wake?.();
  }

  /** `database.table` → reason. */
  entries(): Record<string, string> {
    return Object.fromEntries([...this.suspects].map(([table, { reason }]) => [table, reason]));
  }

  get size(): number {
    return this.suspects.size;
  }

  /** Works until the signal is aborted. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const [table, suspect] = this.next() ?? [];
      if (table !== undefined) await this.attempt(table, suspect!, signal);
      else await this.pause(signal);
    }
  }

  private next(): [string, Suspect] | undefined {
    const now = performance.now();
    return [...this.suspects].find(([, { dueAt }]) => dueAt <= now);
  }

  private async attempt(table: string, suspect: Suspect, signal: AbortSignal): Promise<void> {
    const { times } = suspect;
    try {
      const { repaired, left } = await this.parts.verify(table, signal);
      if (left > 0) {
        this.later(suspect, `${left} differences could not be mended`);
        this.parts.told(
          'warn',
          `${table} was verified: ${repaired} differences mended, ${left} left; it will be verified again`,
        );
      } else if (suspect.times === times) {
        this.suspects.delete(table);
        this.parts.told('log', `${table} was verified: ${repaired} differences mended, none left`);
      } else this.later(suspect, suspect.reason);
    } catch (error) {
      if (signal.aborted) return;
      this.later(suspect, suspect.reason);
      this.parts.told('warn', `${table} could not be verified and will be again: ${(error as Error).message}`);
    }
    this.parts.changed();
  }

  private later(suspect: Suspect, reason: string): void {
    suspect.reason = reason.slice(0, MAX_REASON);
    suspect.dueAt = performance.now() + suspect.pauseMs;
    suspect.pauseMs = Math.min(2 * suspect.pauseMs, MAX_PAUSE_MS);
  }

  private async pause(signal: AbortSignal): Promise<void> {
    const due = Math.min(...[...this.suspects.values()].map(({ dueAt }) => dueAt));
    const pauseMs = Math.min(Math.max(10, due - performance.now()), 60_000);
    const woken = new AbortController();
    this.wake = () => woken.abort();
    await sleep(pauseMs, undefined, { signal: AbortSignal.any([signal, woken.signal]) }).catch(() => undefined);
    this.wake = undefined;
  }
}
