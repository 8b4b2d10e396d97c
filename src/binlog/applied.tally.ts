/**
 * Gathers changes that are done: those of one commit are told of together, at the latest when `flush` is called, after the request that
 * they were in.
 */
export class AppliedTally {
  private rows = 0;
  private committedAtMs = 0;

  constructor(private readonly tell: (committedAtMs: number, rows: number) => void) {}

  add(committedAtMs: number): void {
    if (committedAtMs !== this.committedAtMs) this.flush();
    this.committedAtMs = committedAtMs;
    this.rows += 1;
  }

  flush(): void {
    const { rows } = this;
    this.rows = 0;
    if (rows > 0) this.tell(this.committedAtMs, rows);
  }
}
