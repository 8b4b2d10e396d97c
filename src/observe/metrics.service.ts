import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { register, type Registry } from 'prom-client';
import type { ConsistentRegistry } from '../consistent.registry.js';
import { type MetricKey } from './metrics.catalogue.js';
import { DatabaseFigures } from './metrics.database.js';
import { LocalFigures } from './metrics.local.js';
import { countEvents, MetricsObserver } from './metrics.observer.js';
import { type ConsistentMetricsOptions, resolvePrefix } from './metrics.options.js';
import { ScrapePart, type ScrapeHooks, type ScrapeLimits } from './metrics.scrape.js';
import { MetricsSet } from './metrics.set.js';

/** The metrics of one scrape ask for the same figures at the same time. */
const LOCAL: ScrapeLimits = { ttlMs: 100, patienceMs: 1_000 };
/** Prometheus gives a scrape 10 s by default; MySQL's parts are asked at the same time. */
const MYSQL: ScrapeLimits = { ttlMs: 5_000, patienceMs: 2_000 };
const MS_PER_SECOND = 1_000;

type PartName = 'queues' | 'prepare' | 'parked' | 'verification' | 'backstop';

const PART_OF: Partial<Record<MetricKey, PartName>> = {
  queues: 'queues',
  prepareRows: 'prepare',
  prepareOldest: 'prepare',
  parkedRows: 'parked',
  verificationDifferences: 'verification',
  verificationRows: 'verification',
  verificationTime: 'verification',
  verificationDuration: 'verification',
  backstopState: 'backstop',
  backstopDegraded: 'backstop',
  backstopToVerify: 'backstop',
  backstopRefused: 'backstop',
  backstopLagMean: 'backstop',
  backstopLagP99: 'backstop',
  backstopOldest: 'backstop',
  backstopPending: 'backstop',
  backstopBytes: 'backstop',
  delay: 'backstop',
  share: 'backstop',
  inconsistent: 'backstop',
};

/** Exports what the library does, as long as the application runs. */
@Injectable()
export class ConsistentMetrics implements OnApplicationBootstrap, OnModuleDestroy {
  /** Where the metrics are: serve `await registry.metrics()`. */
  readonly registry: Registry;
  private readonly metrics: MetricsSet;
  private readonly parts: Readonly<Record<PartName, ScrapePart>>;
  private readonly stops: (() => void)[];

  /** @internal */
  constructor(
    private readonly consistent: ConsistentRegistry,
    options: ConsistentMetricsOptions,
  ) {
    this.registry = options.registry ?? register;
    this.metrics = new MetricsSet(this.registry, resolvePrefix(options), async (key) => {
      const part = PART_OF[key];
      if (part) await this.parts[part].collect();
    });
    this.parts = this.makeParts();
    this.stops = [
      countEvents(this.metrics, consistent.events),
      consistent.instruments.add(new MetricsObserver(this.metrics)),
      () => this.metrics.remove(),
    ];
  }

  onApplicationBootstrap(): void {
    // A sweeper that never ends a sweep must be seen too.
    if (this.consistent.options.sweeper === false) return;
    for (const { binding } of this.consistent.all()) {
      const labels = { entity: binding.name, datasource: binding.dataSourceName };
      this.metrics.gauge('lastSweep').set(labels, Date.now() / MS_PER_SECOND);
    }
  }

  onModuleDestroy(): void {
    for (const stop of this.stops.splice(0)) stop();
  }

  private makeParts(): Record<PartName, ScrapePart> {
    const database = new DatabaseFigures(this.consistent, this.metrics);
    const local = new LocalFigures(this.consistent, this.metrics);
    const part = (name: PartName, limits: ScrapeLimits, hooks: Omit<ScrapeHooks, 'failed'>) =>
      new ScrapePart(limits, { ...hooks, failed: () => this.metrics.counter('scrapeErrors').inc({ part: name }) });
    return {
      queues: part('queues', LOCAL, { fill: () => local.queues(), clear: () => local.clearQueues() }),
      backstop: part('backstop', LOCAL, { fill: () => local.backstops(), clear: () => local.clearBackstops() }),
      prepare: part('prepare', MYSQL, {
        fill: () => database.prepareRows(),
        clear: () => database.clearPrepares(),
      }),
      parked: part('parked', MYSQL, { fill: () => database.parkedRows(), clear: () => database.clearParked() }),
      verification: part('verification', MYSQL, {
        fill: () => database.verifications(),
        clear: () => database.clearVerifications(),
      }),
    };
  }
}
