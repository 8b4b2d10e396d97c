import { describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import type { BackstopStatus } from '../../src/binlog/backstop.status.js';
import type { ConsistentRegistry } from '../../src/consistent.registry.js';
import { ConsistencyMeter } from '../../src/observe/consistency.meter.js';
import { ConsistentEvents } from '../../src/observe/consistent.events.js';
import { Instruments } from '../../src/observe/instruments.js';
import { ConsistentMetrics } from '../../src/observe/metrics.service.js';

/** What the service reads of a registry, without entities: MySQL is not asked. */
function registryWith(status: () => BackstopStatus): ConsistentRegistry {
  return {
    events: new ConsistentEvents(),
    instruments: new Instruments(),
    options: { sweeper: false },
    all: () => [],
    backstops: new Set([{ name: 'main', dataSource: 'default', status }]),
  } as unknown as ConsistentRegistry;
}

function statusWith(state: BackstopStatus['state']): BackstopStatus {
  let now = 100_000;
  const meter = new ConsistencyMeter({ now: () => now });
  meter.applied(99_500, 2);
  meter.applied(95_000);
  now += 1;
  return {
    state,
    reason: null,
    degraded: true,
    serverId: 1,
    position: null,
    checkpoint: null,
    pendingRows: 3,
    queuedBytes: 4_096,
    toVerify: { 'db.film': 'why' },
    tables: {},
    lag: { meanMs: 1_500, p99Ms: 4_000, ewmaMs: 1_000, oldestMs: 2_500, applied: 3, pending: 3 },
    consistency: meter.snapshot([{ committedAtMs: 97_501, rows: 3 }]),
  };
}

describe('metrics of a backstop', () => {
  it('of the leader: its state, lag, queue, and a histogram with exact bounds', async () => {
    const registry = new Registry();
    const metrics = new ConsistentMetrics(
      registryWith(() => statusWith('leading')),
      { registry },
    );
    const text = await registry.metrics();
    const labels = 'backstop="main",datasource="default"';
    for (const line of [
      `backstop_state{${labels},state="leading"} 1`,
      `backstop_state{${labels},state="standby"} 0`,
      `backstop_degraded{${labels}} 1`,
      `backstop_tables_to_verify{${labels}} 1`,
      `backstop_lag_mean_seconds{${labels}} 1.5`,
      `backstop_lag_oldest_seconds{${labels}} 2.5`,
      `backstop_queue_rows{${labels}} 3`,
      `backstop_queue_bytes{${labels}} 4096`,
      `consistency_delay_seconds_bucket{${labels},le="1"} 2`,
      `consistency_delay_seconds_bucket{${labels},le="10"} 3`,
      `consistency_delay_seconds_bucket{${labels},le="+Inf"} 3`,
      `consistency_delay_seconds_count{${labels}} 3`,
      `consistency_delay_seconds_sum{${labels}} 6`,
      `inconsistent_rows{${labels},older_than_seconds="2"} 3`,
      `inconsistent_rows{${labels},older_than_seconds="10"} 0`,
    ]) {
      expect(text).toContain(`nest_consistent_${line}\n`);
    }
    metrics.onModuleDestroy();
  });

  it('of one that stands by: only its state, so that no zero hides the leader', async () => {
    const registry = new Registry();
    const metrics = new ConsistentMetrics(
      registryWith(() => statusWith('standby')),
      { registry, prefix: 'other_' },
    );
    const text = await registry.metrics();
    expect(text).toContain('other_backstop_state{backstop="main",datasource="default",state="standby"} 1');
    expect(text).not.toMatch(/^other_backstop_lag/m);
    metrics.onModuleDestroy();
  });

  it('a backstop that cannot say fails no scrape, and is counted', async () => {
    const registry = new Registry();
    const silent = registryWith(() => {
      throw new Error('no status');
    });
    const metrics = new ConsistentMetrics(silent, { registry });
    await registry.metrics();
    const text = await registry.metrics();
    expect(text).toMatch(/^nest_consistent_scrape_errors_total\{part="backstop"\} [1-9]/m);
    expect(text).not.toMatch(/^nest_consistent_backstop_state\{/m);
    metrics.onModuleDestroy();
  });

  it('refuses a registry that has these names, and a prefix that is none', () => {
    const registry = new Registry();
    const status = () => statusWith('leading');
    const metrics = new ConsistentMetrics(registryWith(status), { registry });
    expect(() => new ConsistentMetrics(registryWith(status), { registry })).toThrow(/already has a metric/);
    expect(() => new ConsistentMetrics(registryWith(status), { registry, prefix: '1 x' })).toThrow(/prefix/);
    metrics.onModuleDestroy();
    expect(registry.getMetricsAsArray()).toEqual([]);
  });
});
