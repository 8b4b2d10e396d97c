import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { ConsistentRegistry } from '../../src/consistent.registry.js';
import { ConsistentService, getConsistentRepositoryToken } from '../../src/index.js';
import { FaultProxy } from '../../src/testing/index.js';
import { Stores } from '../support/application.js';
import { BULK } from '../support/faulty.js';
import { Product, product, type ProductRepository, productRepository } from '../support/product.js';
import { elasticsearchUrl } from '../support/servers.js';

describe('traces of a real application', () => {
  const elasticsearch = new FaultProxy(elasticsearchUrl());
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  let stores: Stores;
  const start = async () => {
    const repository = productRepository(stores.index('products'));
    const application = await stores.start({
      entities: [Product],
      repositories: [repository],
      elasticsearchNode: elasticsearch.url,
      module: { writeTimeoutMs: 500, deadlineMs: 1_000, retry: { attempts: 0 } },
    });
    return {
      application,
      products: application.get<ProductRepository>(getConsistentRepositoryToken(repository)),
      service: application.get(ConsistentService),
    };
  };
  const ours = (): ReadableSpan[] => exporter.getFinishedSpans().filter(({ name }) => name.startsWith('consistent '));
  const named = (name: string) => ours().filter((span) => span.name === `consistent ${name}`);

  beforeAll(async () => {
    await elasticsearch.start();
    stores = await Stores.create('traces');
  });

  afterAll(async () => {
    elasticsearch.clear();
    await stores?.close();
    await elasticsearch.stop();
    trace.disable();
    context.disable();
    await provider.shutdown();
  });

  it('nobody observes where no tracer provider is registered', async () => {
    const { application, products } = await start();
    await products.save(product() as Product);
    expect(application.get(ConsistentRegistry).instruments.active).toBe(false);
    await application.close();
  });

  it('a write is a span, its steps are spans in it, and none of them holds data', async () => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    trace.setGlobalTracerProvider(provider);
    const { application, products, service } = await start();
    const saved = await products.save(product({ title: 'jane@example.com' }) as Product);
    const [write] = named('write');
    for (const step of ['prepare', 'index', 'flip']) {
      const [span] = named(step);
      expect(span!.parentSpanContext?.spanId).toBe(write!.spanContext().spanId);
      expect(span!.attributes).toMatchObject({ 'nest_consistent.entity': 'Product', 'nest_consistent.rows': 1 });
    }
    expect(write!.attributes['nest_consistent.outcome']).toBe('ok');

    exporter.reset();
    elasticsearch.inject({ kind: 'black-hole' }, BULK);
    await expect(products.save(product() as Product)).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    elasticsearch.clear();
    expect(named('write')[0]!.attributes).toMatchObject({
      'nest_consistent.outcome': 'OUTCOME_UNKNOWN',
      'error.type': 'OutcomeUnknownError',
    });
    for (let tries = 0; tries < 100 && (await service.sweep()).settled === 0; tries++) await sleep(100);
    const [sweep] = named('sweep');
    expect(named('settle')[0]!.parentSpanContext?.spanId).toBe(sweep!.spanContext().spanId);

    const told = JSON.stringify(
      ours().map(({ name, attributes, events, status }) => [name, attributes, events, status]),
    );
    for (const data of [saved.sku, saved.title]) expect(told).not.toContain(data);
    const { instruments } = application.get(ConsistentRegistry);
    expect(instruments.active).toBe(true);
    await application.close();
    expect(instruments.active).toBe(false);
  });
});
