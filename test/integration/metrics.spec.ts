import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TestingModule } from '@nestjs/testing';
import { Registry } from 'prom-client';
import { ConsistentService, getConsistentRepositoryToken } from '../../src/index.js';
import { METRICS, type MetricDefinition } from '../../src/observe/metrics.catalogue.js';
import { ConsistentMetricsModule } from '../../src/observe/metrics.index.js';
import { FaultProxy } from '../../src/testing/index.js';
import { Stores } from '../support/application.js';
import { BULK } from '../support/faulty.js';
import { Product, product, type ProductRepository, productRepository } from '../support/product.js';
import { elasticsearchUrl, mysqlUrl } from '../support/servers.js';

type Labels = Record<string, string>;

/** The samples of a scrape, read as Prometheus reads them. */
class Scrape {
  private readonly samples: { name: string; labels: Labels; value: number }[];

  constructor(readonly text: string) {
    this.samples = text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => {
        const [, name, labels = '', value] = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line)!;
        const pairs = [...labels.matchAll(/(\w+)="([^"]*)"/g)].map((pair) => [pair[1]!, pair[2]!]);
        return { name: name!, labels: Object.fromEntries(pairs) as Labels, value: Number(value) };
      });
  }

  /** Of the samples that have these labels; undefined where there are none. */
  sum(name: string, labels: Labels = {}): number | undefined {
    const found = this.samples.filter(
      (sample) =>
        sample.name === `nest_consistent_${name}` &&
        Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
    );
    return found.length === 0 ? undefined : found.reduce((all, { value }) => all + value, 0);
  }

  get labelNames(): Map<string, Set<string>> {
    const all = new Map<string, Set<string>>();
    for (const { name, labels } of this.samples) {
      all.set(name, new Set([...(all.get(name) ?? []), ...Object.keys(labels)]));
    }
    return all;
  }
}

describe('metrics of a real application', () => {
  const elasticsearch = new FaultProxy(elasticsearchUrl());
  const mysql = new FaultProxy(mysqlUrl());
  const registry = new Registry();
  let stores: Stores;
  let application: TestingModule;
  let products: ProductRepository;
  let service: ConsistentService;
  const scrape = async () => new Scrape(await registry.metrics());
  /** MySQL is asked at most every few seconds. */
  const scrapeUntil = async (holds: (scrape: Scrape) => boolean): Promise<Scrape> => {
    for (let tries = 0; ; tries++) {
      const seen = await scrape();
      if (holds(seen) || tries > 100) return seen;
      await sleep(200);
    }
  };

  beforeAll(async () => {
    await elasticsearch.start();
    await mysql.start();
    stores = await Stores.create('metrics');
    const repository = productRepository(stores.index('products'));
    application = await stores.start({
      entities: [Product],
      repositories: [repository],
      elasticsearchNode: elasticsearch.url,
      mysql: { host: '127.0.0.1', port: mysql.port },
      module: { writeTimeoutMs: 500, deadlineMs: 1_000, retry: { attempts: 0 }, sweeper: false },
      imports: [ConsistentMetricsModule.forRoot({ registry })],
    });
    products = application.get<ProductRepository>(getConsistentRepositoryToken(repository));
    service = application.get(ConsistentService);
  });

  afterAll(async () => {
    elasticsearch.clear();
    mysql.clear();
    await stores?.close();
    await elasticsearch.stop();
    await mysql.stop();
  });

  it('counts writes and times their steps', async () => {
    const saved = await products.save(product() as Product);
    await products.remove(saved);
    await products.saveMany([product(), product(), product()] as Product[]);
    const seen = await scrape();
    const entity = { entity: 'Product', datasource: 'default' };
    expect(seen.sum('writes_total', { ...entity, operation: 'insert', outcome: 'committed' })).toBe(4);
    expect(seen.sum('writes_total', { ...entity, operation: 'delete', outcome: 'committed' })).toBe(1);
    for (const [step, outcome] of Object.entries({ write: 'ok', prepare: 'ok', index: 'applied', flip: 'ok' })) {
      const one = { ...entity, step, outcome, size: 'one' };
      expect(seen.sum('step_duration_seconds_count', one)).toBe(2);
      expect(seen.sum('step_duration_seconds_sum', one)).toBeGreaterThan(0);
      expect(seen.sum('step_duration_seconds_count', { ...one, size: 'many' })).toBe(1);
    }
    expect(seen.sum('batch_rows_sum', { ...entity, step: 'index' })).toBe(5);
    for (const queue of ['prepare', 'index', 'flip', 'resolve']) expect(seen.sum('queue_rows', { queue })).toBe(0);
  });

  it('counts what MySQL refuses, by a reason that is bounded', async () => {
    const first = await products.save(product() as Product);
    await expect(products.save(product({ sku: first.sku }) as Product)).rejects.toThrow();
    const seen = await scrape();
    expect(seen.sum('writes_refused_total', { entity: 'Product', reason: 'OTHER' })).toBe(1);
    expect(seen.text).not.toContain(first.sku);
  });

  it('shows a write of unknown outcome, its row in prepare, and its settlement by a sweep', async () => {
    elasticsearch.inject({ kind: 'black-hole' }, BULK);
    await expect(products.save(product() as Product)).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    elasticsearch.clear();
    const undecided = await scrapeUntil((seen) => seen.sum('prepare_rows', { older_than_seconds: '0' }) === 1);
    expect(undecided.sum('prepare_rows', { older_than_seconds: '0' })).toBe(1);
    expect(undecided.sum('prepare_rows', { older_than_seconds: '3600' })).toBe(0);
    expect(undecided.sum('prepare_oldest_seconds')).toBeGreaterThan(0);
    expect(undecided.sum('writes_total', { outcome: 'OUTCOME_UNKNOWN' })).toBe(1);
    expect(undecided.sum('step_duration_seconds_count', { step: 'index', outcome: 'unknown' })).toBe(1);
    expect(undecided.sum('step_duration_seconds_count', { step: 'write', outcome: 'OUTCOME_UNKNOWN' })).toBe(1);
    let settled = 0;
    for (let tries = 0; settled === 0 && tries < 100; tries++) {
      settled = (await service.sweep()).settled;
      await sleep(100);
    }
    const after = await scrapeUntil((seen) => seen.sum('prepare_rows', { older_than_seconds: '0' }) === 0);
    expect(after.sum('prepare_rows', { older_than_seconds: '0' })).toBe(0);
    expect(after.sum('settles_total', { purpose: 'sweep', verdict: 'restore' })).toBe(1);
    expect(after.sum('settle_rows_total', { purpose: 'sweep' })).toBe(1);
    expect(after.sum('settle_duration_seconds_count', { purpose: 'sweep', outcome: 'ok' })).toBe(1);
    expect(after.sum('sweep_rows_total', { result: 'claimed' })).toBe(1);
    expect(after.sum('sweep_rows_total', { result: 'settled' })).toBe(1);
    expect(after.sum('sweeps_total', { outcome: 'ok' })).toBeGreaterThan(0);
    expect(after.sum('sweep_last_timestamp_seconds')).toBeGreaterThan(1_700_000_000);
  });

  it('shows a parked row by its reason', async () => {
    const row = await products.save(product() as Product);
    const freed = row.sku;
    elasticsearch.inject({ kind: 'black-hole' }, BULK);
    row.sku = `${freed}-new`;
    await expect(products.save(row)).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    elasticsearch.clear();
    // The old unique value is taken meanwhile: the undo image cannot go back.
    await products.save(product({ sku: freed }) as Product);
    let parked = 0;
    for (let tries = 0; parked === 0 && tries < 100; tries++) {
      parked = (await service.sweep()).parked;
      await sleep(100);
    }
    const seen = await scrapeUntil((each) => each.sum('parked_rows', { reason: 'restore-refused' }) === 1);
    expect(seen.sum('parked_rows', { entity: 'Product', reason: 'restore-refused' })).toBe(1);
    expect(seen.sum('parked_rows', { entity: 'Product', reason: 'document-refused' })).toBe(0);
    expect(seen.sum('parkings_total', { entity: 'Product', reason: 'restore-refused' })).toBe(1);
    expect(seen.text).not.toContain(freed);
  });

  it('shows the last verification', async () => {
    const { rows } = await service.verify(Product);
    const lost = await products.save(product() as Product);
    await stores.client.delete({ index: stores.index('products'), id: String(lost.id) });
    const result = await service.verify(Product);
    const seen = await scrapeUntil(
      (each) => each.sum('verification_differences', { kind: 'missing' }) === result.missing,
    );
    expect(result.missing).toBe(1);
    expect(seen.sum('verification_differences', { kind: 'missing' })).toBe(result.missing);
    expect(seen.sum('verification_differences', { kind: 'orphaned' })).toBe(0);
    expect(seen.sum('verification_rows')).toBe(rows + 1);
    expect(seen.sum('verification_last_timestamp_seconds')).toBeGreaterThan(1_700_000_000);
  });

  it('exports nothing but what the catalogue names, with its labels', async () => {
    const allowed = new Map<string, readonly string[]>();
    for (const { name, type, labels } of Object.values<MetricDefinition>(METRICS)) {
      const suffixes = type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
      for (const suffix of suffixes) {
        allowed.set(`nest_consistent_${name}${suffix}`, suffix === '_bucket' ? [...labels, 'le'] : labels);
      }
    }
    const { labelNames } = await scrape();
    expect(labelNames.size).toBeGreaterThan(20);
    for (const [name, labels] of labelNames) {
      expect([...allowed.keys()]).toContain(name);
      expect(allowed.get(name)).toEqual(expect.arrayContaining([...labels]));
    }
  });

  it('answers while MySQL is silent: without its figures, with the others', async () => {
    await scrapeUntil((seen) => seen.sum('prepare_oldest_seconds') !== undefined);
    mysql.inject({ kind: 'black-hole' }, { body: /AS undecided/ });
    const silent = await scrapeUntil((seen) => seen.sum('prepare_oldest_seconds') === undefined);
    expect(silent.sum('prepare_oldest_seconds')).toBeUndefined();
    expect(silent.sum('writes_total')).toBeGreaterThan(0);
    expect(silent.sum('queue_rows', { queue: 'index' })).toBe(0);
    const told = await scrapeUntil((seen) => (seen.sum('scrape_errors_total', { part: 'prepare' }) ?? 0) > 0);
    expect(told.sum('scrape_errors_total', { part: 'prepare' })).toBeGreaterThan(0);
    mysql.clear();
    const again = await scrapeUntil((seen) => seen.sum('prepare_oldest_seconds') !== undefined);
    expect(again.sum('prepare_oldest_seconds')).toBeDefined();
  });

  it('leaves the registry when the application ends', async () => {
    await application.close();
    expect(await registry.metrics()).not.toContain('nest_consistent_');
  });
});
