/** One set of labels: rows within each bound (cumulative), all rows, and the sum of their durations. */
export interface HistogramSnapshot {
  readonly labels: Readonly<Record<string, string>>;
  /** As many as there are bounds. */
  readonly within: readonly number[];
  readonly count: number;
  readonly sum: number;
}

/** A histogram whose counts are kept elsewhere and only shown here: prom-client's own can only observe one by one. */
export class SnapshotHistogram {
  readonly type = 'histogram';
  readonly aggregator = 'sum';
  private snapshots: readonly HistogramSnapshot[] = [];

  constructor(
    readonly name: string,
    readonly help: string,
    private readonly bounds: readonly number[],
    private readonly collect: () => Promise<void>,
  ) {}

  set(snapshots: readonly HistogramSnapshot[]): void {
    this.snapshots = snapshots;
  }

  /** What prom-client's registry calls. */
  async get() {
    await this.collect();
    const { name, help, type, aggregator } = this;
    return { name, help, type, aggregator, values: this.snapshots.flatMap((snapshot) => this.values(snapshot)) };
  }

  /** What prom-client's registry calls. */
  reset(): void {
    this.snapshots = [];
  }

  private values({ labels, within, count, sum }: HistogramSnapshot) {
    const bucket = (le: string, value: number) => ({
      labels: { ...labels, le },
      value,
      metricName: `${this.name}_bucket`,
    });
    return [
      ...this.bounds.map((bound, at) => bucket(String(bound), within[at]!)),
      bucket('+Inf', count),
      { labels, value: sum, metricName: `${this.name}_sum` },
      { labels, value: count, metricName: `${this.name}_count` },
    ];
  }
}
