import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type CanActivate, Controller, type ExecutionContext, Get, Injectable, Param, Res } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { HealthCheck, HealthCheckService, TerminusModule } from '@nestjs/terminus';
import { Test } from '@nestjs/testing';
import { InjectRepository, TypeOrmModule } from '@nestjs/typeorm';
import { Registry } from 'prom-client';
import type { Repository } from 'typeorm';
import { ConsistentHealthIndicator, ConsistentHealthModule } from '../../src/health/index.js';
import { ReadRepairInterceptor } from '../../src/index.js';
import { ConsistentMetricsModule } from '../../src/observe/metrics.index.js';
import { ConsistentStatusModule } from '../../src/status/index.js';
import { Stores } from '../support/application.js';
import { LostAnswers } from '../support/lost.answers.js';
import { Product, product, type ProductRepository, productRepository } from '../support/product.js';

const COOKIE = 'session=let-me-in';
const metrics = new Registry();

@Injectable()
class SessionGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    return context.switchToHttp().getRequest<{ headers: { cookie?: string } }>().headers.cookie === COOKIE;
  }
}

/** What an application would have: plain reads, metrics, health. */
@Controller()
class ApplicationController {
  constructor(
    @InjectRepository(Product) private readonly products: Repository<Product>,
    private readonly health: HealthCheckService,
    private readonly consistent: ConsistentHealthIndicator,
  ) {}

  @Get('products')
  all() {
    return this.products.find({ order: { sku: 'ASC' } });
  }

  @Get('products/:id')
  one(@Param('id') id: string) {
    return this.products.findOneBy({ id });
  }

  @Get('metrics')
  async metrics(@Res({ passthrough: true }) reply: { header(name: string, value: string): unknown }) {
    reply.header('content-type', metrics.contentType);
    return metrics.metrics();
  }

  @Get('health')
  @HealthCheck()
  ready() {
    return this.health.check([() => this.consistent.readiness()]);
  }
}

describe('an application on Fastify', () => {
  let stores: Stores;
  let answers: LostAnswers;
  let application: NestFastifyApplication;
  let products: ProductRepository;
  let url: string;

  beforeAll(async () => {
    [stores, answers] = [await Stores.create('fastify'), await LostAnswers.start()];
    const repository = productRepository(stores.index('products'));
    const module = await Test.createTestingModule({
      imports: [
        ...stores.modules({
          entities: [Product],
          repositories: [repository],
          elasticsearchNode: answers.url,
          module: { deadlineMs: 60_000 },
        }),
        TypeOrmModule.forFeature([Product]),
        TerminusModule.forRoot({ logger: false }),
        ConsistentHealthModule.forRoot(),
        ConsistentMetricsModule.forRoot({ registry: metrics }),
        ConsistentStatusModule.forRoot({
          guard: SessionGuard,
          path: '/ops/consistent',
          maxClients: 1,
          intervalMs: 250,
        }),
      ],
      controllers: [ApplicationController],
      providers: [{ provide: APP_INTERCEPTOR, useClass: ReadRepairInterceptor }],
    }).compile();
    application = module.createNestApplication<NestFastifyApplication>(new FastifyAdapter(), { logger: false });
    await application.listen(0, '127.0.0.1');
    url = await application.getUrl();
    products = application.get(repository);
  });
  afterAll(async () => {
    await application?.close();
    await answers?.stop();
    await stores?.close();
  });

  const get = (path: string, cookie = COOKIE) => fetch(`${url}${path}`, { headers: { cookie } });
  const read = async (path: string): Promise<unknown> => {
    const answer = await get(path);
    const text = await answer.text();
    return { status: answer.status, body: text === '' ? null : JSON.parse(text) };
  };

  it('repairs what controllers return: the new image, the previous one, or none', async () => {
    const landed = await products.save(product({ sku: 'a', title: 'before' }));
    const lost = await products.save(product({ sku: 'b', title: 'before' }));
    await answers.landed(() => products.update({ id: landed.id, title: 'after' }));
    await answers.vanished(() => products.update({ id: lost.id, title: 'after' }));
    await answers.vanished(() => products.insert(product({ sku: 'c', title: 'never' })));
    expect(await read(`/products/${landed.id}`)).toMatchObject({ status: 200, body: { title: 'after' } });
    expect(await read(`/products/${lost.id}`)).toMatchObject({ status: 200, body: { title: 'before' } });
    expect(await read('/products')).toMatchObject({
      status: 200,
      body: [
        { sku: 'a', title: 'after' },
        { sku: 'b', title: 'before' },
      ],
    });
    const [row] = await stores.database.query(`SELECT id, title FROM product WHERE sku = 'c'`);
    // It is there, undecided, and not to be seen.
    expect(row).toMatchObject({ title: 'never' });
    expect(await read(`/products/${String(row!['id'])}`)).toMatchObject({ status: 404 });
  });

  it('serves metrics and health', async () => {
    const answer = await get('/metrics');
    expect(answer.headers.get('content-type')).toContain('text/plain');
    expect(await answer.text()).toMatch(/^nest_consistent_\w+\{.*entity="Product".*\} \d/m);
    expect(await read('/health')).toMatchObject({ status: 200, body: { status: 'ok' } });
  });

  it('serves the status page and its report behind the guard, with the headers that keep it safe', async () => {
    expect((await get('/ops/consistent', 'session=none')).status).toBe(403);
    expect((await get('/ops/consistent/report', 'session=none')).status).toBe(403);
    const page = await get('/ops/consistent');
    expect(page.status).toBe(200);
    expect(page.headers.get('content-type')).toContain('text/html');
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(await page.text()).toContain('Product');
    expect(await read('/ops/consistent/report')).toMatchObject({
      status: 200,
      body: { report: { entities: [{ entity: 'Product' }] } },
    });
  });

  it('streams reports, to no more browsers than allowed, and ends the stream when it closes', async () => {
    const watching = await new Promise<{ first: Promise<string>; ended: Promise<void>; type?: string }>(
      (resolve, reject) => {
        const sent = httpRequest(`${url}/ops/consistent/events`, { headers: { cookie: COOKIE } }, (answer) => {
          let text = '';
          const first = new Promise<string>((seen) => {
            answer.setEncoding('utf8').on('data', (chunk: string) => {
              text += chunk;
              if (text.includes('data:')) seen(text);
            });
          });
          const ended = new Promise<void>((end) => answer.once('close', () => end()));
          resolve({ first, ended, type: String(answer.headers['content-type']) });
        });
        sent.on('error', reject).end();
      },
    );
    expect(watching.type).toContain('text/event-stream');
    expect(await watching.first).toContain('"entity":"Product"');
    expect((await get('/ops/consistent/events')).status).toBe(503);
    await application.close();
    await watching.ended;
    await expect(get('/ops/consistent')).rejects.toThrow();
  });
});
