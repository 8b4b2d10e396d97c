import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { HealthCheckService, TerminusModule } from '@nestjs/terminus';
import type { TestingModule } from '@nestjs/testing';
import { ConsistentHealthIndicator, ConsistentHealthModule } from '../../src/health/index.js';
import { FaultProxy } from '../../src/testing/index.js';
import { Stores } from '../support/application.js';
import { until } from '../support/faulty.js';
import { Product, productRepository } from '../support/product.js';
import { elasticsearchUrl, mysqlUrl } from '../support/servers.js';

describe('health for Terminus', () => {
  let stores: Stores;
  let mysql: FaultProxy;
  let elasticsearch: FaultProxy;
  let application: TestingModule;
  let indicator: ConsistentHealthIndicator;

  beforeAll(async () => {
    stores = await Stores.create('l-health');
    mysql = new FaultProxy(mysqlUrl());
    elasticsearch = new FaultProxy(elasticsearchUrl());
    await Promise.all([mysql.start(), elasticsearch.start()]);
    application = await stores.start({
      entities: [Product],
      repositories: [productRepository(stores.index('products'))],
      mysql: { host: '127.0.0.1', port: mysql.port },
      elasticsearchNode: elasticsearch.url,
      imports: [
        TerminusModule.forRoot({ logger: false }),
        ConsistentHealthModule.forRoot({ thresholds: { unreachableMs: 0 } }),
      ],
    });
    indicator = application.get(ConsistentHealthIndicator);
  });

  afterAll(async () => {
    await mysql?.stop();
    await elasticsearch?.stop();
    await stores?.close();
  });

  /** As a controller would: null where Terminus answers 200. */
  async function check(): Promise<{ status: string; http: number; findings: unknown }> {
    const checked = await application
      .get(HealthCheckService)
      .check([() => indicator.readiness()])
      .then((result) => ({ result, http: 200 }))
      .catch((error: { getStatus(): number; getResponse(): never }) => ({
        result: error.getResponse() as { status: string; details: never },
        http: error.getStatus(),
      }));
    const { status, details } = checked.result;
    return {
      status,
      http: checked.http,
      findings: (details as Record<string, { findings?: unknown }>)['consistent']!.findings,
    };
  }

  async function reached(status: string): Promise<Awaited<ReturnType<typeof check>>> {
    let last!: Awaited<ReturnType<typeof check>>;
    await until(`the status is ${status}`, async () => (last = await check()).status === status);
    return last;
  }

  it('is ready while both stores answer', async () => {
    expect(await reached('ok')).toEqual({ status: 'ok', http: 200, findings: undefined });
  });

  it('is degraded, and still answers 200, while a row is parked', async () => {
    await stores.database.query(
      `INSERT INTO consistent_parked (entity, table_name, row_key, key_hash, document_id, version, reason, attempts, last_error, parked_at, updated_at)
       VALUES ('Product', 'product', '{"id": "7"}', SHA2('x', 256), '7', 1, 'restore-refused', 1, 'Duplicate entry secret', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))`,
    );
    const { http, findings } = await reached('degraded');
    expect(http).toBe(200);
    expect(findings).toEqual([{ code: 'parked', subject: 'Product', text: '1 row is parked: a person must decide.' }]);
    await stores.database.query('DELETE FROM consistent_parked');
    await reached('ok');
  });

  it('says which part it cannot read, and the others go on', async () => {
    await stores.database.query('RENAME TABLE consistent_parked TO elsewhere');
    const { findings } = await reached('degraded');
    expect(findings).toEqual([
      { code: 'not-known', subject: 'Product', text: 'Could not be read: parked: ER_NO_SUCH_TABLE.' },
    ]);
    await stores.database.query('RENAME TABLE elsewhere TO consistent_parked');
    await reached('ok');
  });

  const FAULTS = {
    'refuses connections': {
      begin: (proxy: FaultProxy) => proxy.refuse(),
      end: (proxy: FaultProxy) => proxy.start(),
    },
    'says nothing': {
      begin: (proxy: FaultProxy) => void proxy.inject({ kind: 'black-hole' }),
      end: (proxy: FaultProxy) => proxy.clear(),
    },
  };

  for (const [name, proxy] of [
    ['MySQL (default)', () => mysql],
    ['Elasticsearch', () => elasticsearch],
  ] as const) {
    for (const [fault, { begin, end }] of Object.entries(FAULTS)) {
      it(`is not ready while ${name} ${fault}, lives on, and is ready again after`, async () => {
        await begin(proxy());
        const { http, findings } = await reached('error');
        expect(http).toBe(503);
        expect(findings).toContainEqual({
          code: 'unreachable',
          subject: name,
          text: expect.stringMatching(/^Not reached for .+ \(\w+\)\.$/),
        });
        expect(indicator.liveness()).toEqual({ consistent: { status: 'up', uptimeSeconds: expect.any(Number) } });
        await end(proxy());
        await reached('ok');
      });
    }
  }

  it('asks the stores once, however many probes come', async () => {
    await reached('ok');
    const before = elasticsearch.requests.length;
    await Promise.all(Array.from({ length: 200 }, () => indicator.readiness('probe')));
    // One round at most, if the last answer was a second old: the cluster's health and one count.
    expect(elasticsearch.requests.length - before).toBeLessThanOrEqual(2);
  });
});
