import type { BackstopView, ConsistentRegistry } from '../consistent.registry.js';
import type { BackstopState, BackstopStatus } from '../binlog/backstop.status.js';
import type { HistogramSnapshot } from './metrics.snapshot.histogram.js';
import type { GaugeKey, MetricsSet } from './metrics.set.js';

const MS_PER_SECOND = 1_000;
const STATES: readonly BackstopState[] = ['stopped', 'standby', 'starting', 'leading', 'failed'];
const BACKSTOP_GAUGES: readonly GaugeKey[] = [
  'backstopState',
  'backstopDegraded',
  'backstopToVerify',
  'backstopRefused',
  'backstopLagMean',
  'backstopLagP99',
  'backstopOldest',
  'backstopPending',
  'backstopBytes',
  'share',
  'inconsistent',
];

/** What this process knows without asking: its queues, and its backstops. */
export class LocalFigures {
  constructor(
    private readonly registry: ConsistentRegistry,
    private readonly metrics: MetricsSet,
  ) {}

  queues(): void {
    const gauge = this.metrics.gauge('queues');
    for (const { binding, prepares, single, many, queue } of this.registry.all()) {
      const labels = { entity: binding.name, datasource: binding.dataSourceName };
      const lanes = single === many ? [single] : [single, many];
      gauge.set({ ...labels, queue: 'prepare' }, prepares.queued);
      gauge.set({ ...labels, queue: 'index' }, sum(lanes.map(({ index }) => index.queued)));
      gauge.set({ ...labels, queue: 'flip' }, sum(lanes.map(({ flips }) => flips.queued)));
      gauge.set({ ...labels, queue: 'resolve' }, queue.queued);
    }
  }

  backstops(): void {
    this.clearBackstops();
    const delays: HistogramSnapshot[] = [];
    for (const view of this.registry.backstops) delays.push(this.backstop(view, view.status()));
    this.metrics.delay.set(delays);
  }

  clearQueues(): void {
    this.metrics.gauge('queues').reset();
  }

  clearBackstops(): void {
    for (const key of BACKSTOP_GAUGES) this.metrics.gauge(key).reset();
    this.metrics.delay.reset();
  }

  private backstop({ name, dataSource }: BackstopView, status: BackstopStatus): HistogramSnapshot {
    const { metrics } = this;
    const labels = { backstop: name, datasource: dataSource };
    for (const state of STATES) {
      metrics.gauge('backstopState').set({ ...labels, state }, status.state === state ? 1 : 0);
    }
    metrics.gauge('backstopDegraded').set(labels, status.degraded ? 1 : 0);
    const { consistency, lag } = status;
    // Only the leader knows: zeros of the others would hide it in an average.
    if (status.state === 'leading') {
      metrics.gauge('backstopToVerify').set(labels, Object.keys(status.toVerify).length);
      metrics.gauge('backstopRefused').set(labels, sum(Object.values(status.tables).map(({ refused }) => refused)));
      metrics.gauge('backstopPending').set(labels, status.pendingRows);
      metrics.gauge('backstopBytes').set(labels, status.queuedBytes);
      if (lag) {
        metrics.gauge('backstopLagMean').set(labels, lag.meanMs / MS_PER_SECOND);
        metrics.gauge('backstopLagP99').set(labels, lag.p99Ms / MS_PER_SECOND);
        metrics.gauge('backstopOldest').set(labels, lag.oldestMs / MS_PER_SECOND);
      }
      for (const { withinSeconds, share } of consistency.shares) {
        metrics.gauge('share').set({ ...labels, within_seconds: String(withinSeconds) }, share);
      }
      const { rows, olderThan } = consistency.inconsistent;
      for (const older of [{ seconds: 0, rows }, ...olderThan]) {
        metrics.gauge('inconsistent').set({ ...labels, older_than_seconds: String(older.seconds) }, older.rows);
      }
    }
    return {
      labels,
      within: consistency.shares.map(({ changes }) => changes),
      count: consistency.applied,
      sum: (consistency.meanMs * consistency.applied) / MS_PER_SECOND,
    };
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, each) => all + each, 0);
}
