import { Counter, Gauge, Histogram, type Metric, type Registry } from 'prom-client';
import { InvalidOptionsError } from '../errors.js';
import { type MetricDefinition, type MetricKey, METRICS } from './metrics.catalogue.js';
import { SnapshotHistogram } from './metrics.snapshot.histogram.js';

/** Keys of one type. `delay` is a histogram that the backstop keeps, see `SnapshotHistogram`. */
type KeyOf<Type> = { [Key in MetricKey]: (typeof METRICS)[Key]['type'] extends Type ? Key : never }[MetricKey];
export type CounterKey = KeyOf<'counter'>;
export type GaugeKey = KeyOf<'gauge'>;
export type HistogramKey = Exclude<KeyOf<'histogram'>, 'delay'>;

/** Called when a metric is scraped. Never rejects. */
export type Collect = (key: MetricKey) => Promise<void>;

/** The metrics of one application in one registry. */
export class MetricsSet {
  private readonly made = new Map<MetricKey, Counter | Gauge | Histogram>();
  readonly delay: SnapshotHistogram;

  /** @throws InvalidOptionsError where the registry has metrics of these names already */
  constructor(
    private readonly registry: Registry,
    private readonly prefix: string,
    collect: Collect,
  ) {
    const taken = this.names().find((name) => registry.getSingleMetric(name));
    if (taken) {
      throw new InvalidOptionsError(
        `ConsistentMetricsModule: the registry already has a metric ${taken}. Import the module once, or give each application ` +
          'a registry or a prefix of its own.',
        { metric: taken },
      );
    }
    const { name, help, buckets } = METRICS.delay;
    this.delay = new SnapshotHistogram(prefix + name, help, buckets, () => collect('delay'));
    for (const [key, definition] of Object.entries(METRICS) as [MetricKey, MetricDefinition][]) {
      if (key === 'delay') registry.registerMetric(this.delay as unknown as Metric);
      else
        this.made.set(
          key,
          this.make(definition, () => collect(key)),
        );
    }
  }

  counter(key: CounterKey): Counter {
    return this.made.get(key) as Counter;
  }

  gauge(key: GaugeKey): Gauge {
    return this.made.get(key) as Gauge;
  }

  histogram(key: HistogramKey): Histogram {
    return this.made.get(key) as Histogram;
  }

  /** Takes them out of the registry. Idempotent. */
  remove(): void {
    for (const name of this.names()) this.registry.removeSingleMetric(name);
  }

  private names(): string[] {
    return Object.values(METRICS).map(({ name }) => this.prefix + name);
  }

  private make(definition: MetricDefinition, collect: () => Promise<void>): Counter | Gauge | Histogram {
    const { type, help } = definition;
    const common = {
      name: this.prefix + definition.name,
      help,
      labelNames: [...definition.labels],
      registers: [this.registry],
    };
    if (type === 'counter') return new Counter(common);
    if (type === 'gauge') return new Gauge({ ...common, collect });
    return new Histogram({ ...common, buckets: [...(definition.buckets ?? [])] });
  }
}
