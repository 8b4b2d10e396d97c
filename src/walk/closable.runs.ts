/** Long runs that a shutdown ends: each gives up at a place that a later one can go on from. */
export class ClosableRuns {
  private readonly closing = new AbortController();
  private readonly running = new Set<Promise<unknown>>();

  /** Counts the run until it ends. */
  add<T>(run: Promise<T>): Promise<T> {
    this.running.add(run);
    const forget = () => this.running.delete(run);
    run.then(forget, forget);
    return run;
  }

  /** Aborted by the caller's own signal, and by `close`. */
  signal(given?: AbortSignal): AbortSignal {
    return given ? AbortSignal.any([this.closing.signal, given]) : this.closing.signal;
  }

  /** Gives runs under way up, and waits for their end. */
  async close(): Promise<void> {
    this.closing.abort();
    await Promise.allSettled(this.running);
  }
}
