/**
 * MySQL's clock as this process knows it. Only for measuring: nothing that must be right depends on it.
 */
export class ServerClock {
  private offset = 0;
  private uncertainty = Infinity;

  constructor(private readonly localNow: () => number = Date.now) {}

  /**
   * Asks MySQL a few times and keeps the answer that was under way for the shortest time. To be done at every connect: clocks
   * drift, and another server has another clock. `askUs`: MySQL's time as µs since 1970.
   */
  async measure(askUs: () => Promise<number>, samples = 5): Promise<void> {
    let [offset, uncertainty] = [0, Infinity];
    for (let sample = 0; sample < samples; sample++) {
      const before = this.localNow();
      const theirsMs = (await askUs()) / 1_000;
      const after = this.localNow();
      const half = (after - before) / 2;
      // A local clock that was set back in between tells nothing.
      if (half < 0 || half >= uncertainty) continue;
      [offset, uncertainty] = [theirsMs - (before + half), half];
    }
    if (uncertainty === Infinity) return;
    [this.offset, this.uncertainty] = [offset, uncertainty];
  }

  /** MySQL's time, ms since 1970. */
  now(): number {
    return this.localNow() + this.offset;
  }

  /** MySQL's clock minus this process's, in ms. */
  get offsetMs(): number {
    return this.offset;
  }

  /** How wrong the offset can be, in ms: half the time that the question was under way. Infinity before the first `measure`. */
  get uncertaintyMs(): number {
    return this.uncertainty;
  }
}

/** For `measure`: the statement, and what to make of its only value `us`. */
export const SERVER_TIME_SQL = `SELECT CAST(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) AS CHAR) AS us`;
