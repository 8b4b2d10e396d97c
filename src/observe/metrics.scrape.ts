import { within } from '../mysql/time.watch.js';

/** How often a part may ask, and how long a scrape waits for it. */
export interface ScrapeLimits {
  /** How long figures are good for, in ms. */
  readonly ttlMs: number;
  /** How long a scrape waits, in ms; the question goes on for the next scrape. */
  readonly patienceMs: number;
}

export interface ScrapeHooks {
  /** Asks, and then sets the figures. */
  readonly fill: () => Promise<void> | void;
  /** Takes the figures away: old ones must not look like new ones. */
  readonly clear: () => void;
  readonly failed: () => void;
}

/**
 * One part of a scrape: asked once however many of its metrics are collected, and at most once in `ttlMs` however often
 * somebody scrapes. What it cannot say is left out; the scrape goes on.
 */
export class ScrapePart {
  private flight: Promise<void> | undefined;
  private askedAt = -Infinity;
  private toldLate = false;

  constructor(
    private readonly limits: ScrapeLimits,
    private readonly hooks: ScrapeHooks,
  ) {}

  /** Never rejects. */
  async collect(): Promise<void> {
    if (this.flight === undefined) {
      if (performance.now() - this.askedAt < this.limits.ttlMs) return;
      this.flight = this.ask();
    }
    const asked = this.flight.then(() => true);
    if (await within(asked, this.limits.patienceMs, () => false)) return;
    this.hooks.clear();
    // Once, though each of its metrics waits.
    if (!this.toldLate) this.hooks.failed();
    this.toldLate = true;
  }

  private async ask(): Promise<void> {
    this.toldLate = false;
    try {
      await this.hooks.fill();
    } catch {
      this.hooks.clear();
      this.hooks.failed();
    } finally {
      this.askedAt = performance.now();
      this.flight = undefined;
    }
  }
}
