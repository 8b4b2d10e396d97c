export interface LogLimits {
  /** Messages of one template that are written as they come, in one window. Default 5. */
  readonly burst?: number;
  /** Length of a window, in ms. Default 10,000. */
  readonly windowMs?: number;
  /** Templates that are told apart; all others count as one. Default 200. */
  readonly maxTemplates?: number;
}

interface Window {
  written: number;
  held: number;
  last: string;
  readonly startedAt: number;
}

const MS_PER_SECOND = 1_000;
const OTHERS = 'others';
/** What differs between two messages of one kind: quoted texts, ids, numbers. */
const VARIABLE = /"[^"]*"|'[^']*'|`[^`]*`|\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\d[\d.,:-]*/gi;

/** Two messages with the same template are the same news. */
export function templateOf(message: string): string {
  return message.slice(0, 500).replaceAll(VARIABLE, '#');
}

/**
 * Keeps a storm from filling the log: of each template a few messages pass, the rest are counted and told once per window
 * ("… and N more in the last M s"), with the last of them.
 */
export class LogLimiter {
  private readonly windows = new Map<string, Window>();
  private readonly burst: number;
  private readonly windowMs: number;
  private readonly maxTemplates: number;

  constructor(limits: LogLimits = {}) {
    this.burst = limits.burst ?? 5;
    this.windowMs = limits.windowMs ?? 10_000;
    this.maxTemplates = limits.maxTemplates ?? 200;
  }

  /** Whether the message may be written now. `write` is called later for what was held back. */
  admits(template: string, message: string, write: (message: string) => void): boolean {
    const known = this.windows.has(template) || this.windows.size < this.maxTemplates;
    const key = known ? template : OTHERS;
    const window = this.windows.get(key) ?? this.open(key, 0, write);
    if (window.written < this.burst) {
      window.written++;
      return true;
    }
    window.held++;
    window.last = message;
    return false;
  }

  private open(key: string, written: number, write: (message: string) => void): Window {
    const window: Window = { written, held: 0, last: '', startedAt: performance.now() };
    this.windows.set(key, window);
    // A process that wants to end does not wait for it.
    setTimeout(() => this.close(key, window, write), this.windowMs).unref();
    return window;
  }

  private close(key: string, window: Window, write: (message: string) => void): void {
    this.windows.delete(key);
    if (window.held === 0) return;
    const seconds = Math.round((performance.now() - window.startedAt) / MS_PER_SECOND);
    // The storm may go on: until a window is quiet only its sum is told.
    this.open(key, this.burst, write);
    const others = window.held - 1;
    write(others === 0 ? window.last : `${window.last} … and ${others} more in the last ${seconds} s`);
  }
}
