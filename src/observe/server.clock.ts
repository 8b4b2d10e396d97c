/**
 * MySQL's clock as this process knows it. Only for measuring: nothing that must be right depends on it.
 */
export class ServerClock {
  private offset = 0;
  private uncertainty = Infinity;

  constructor(private readonly localNow: () => number = Date.now) {}

  /** Asks MySQL a few times and keeps the answer with the shortest way. `askUs`: `SELECT UTC_TIMESTAMP(6)` as µs since 1970. */
  async measure(_askUs: () => Promise<number>, _samples = 5): Promise<void> {
    throw new Error('to come');
  }

  /** MySQL's time, ms since 1970. */
  now(): number {
    return this.localNow() + this.offset;
  }

  /** MySQL's clock minus this process's, in ms. */
  get offsetMs(): number {
    return this.offset;
  }

  /** How wrong the offset can be, in ms: half the way of the question. Infinity before the first `measure`. */
  get uncertaintyMs(): number {
    return this.uncertainty;
  }
}
