import { setTimeout as sleep } from 'node:timers/promises';
import { Controller, Get, type INestApplication, Param, UseInterceptors } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { DataSource } from 'typeorm';
import {
  type ConsistentEntityOptions,
  type ConsistentEventMap,
  type ConsistentModuleOptions,
  ConsistentService,
  ReadRepairInterceptor,
} from '../../src/index.js';
import { FaultProxy } from '../../src/testing/index.js';
import { Stores, type StoredDocument } from './application.js';
import { Product, product, type ProductRepository, productRepository } from './product.js';
import { elasticsearchUrl, mysqlUrl } from './servers.js';

/** The requests that carry documents. */
export const BULK = { method: 'POST', path: '/_bulk' } as const;
/** The requests that look at slots. */
export const MGET = { method: 'POST', path: '/_mget' } as const;
/** Statements as they travel to MySQL. */
export const FLIP = { body: /SET `consistency_state` = 'commit'/ } as const;
export const REMOVAL = { body: /DELETE FROM `product` WHERE/ } as const;
export const COMMIT = { body: /COMMIT$/ } as const;

export type Operation = 'insert' | 'update' | 'delete';
export const OPERATIONS = ['insert', 'update', 'delete'] as const;
export const OLD = 'old title';
export const NEW = 'new title';

/** A write that can be begun, on a row of its own. Titles stand for images; null for no row. */
export interface PlannedWrite {
  readonly operation: Operation;
  readonly id: string;
  readonly before: string | null;
  readonly after: string | null;
  /** Never rejects: what the caller got, `undefined` for success. */
  run(repository?: ProductRepository): Promise<(Error & { code?: string; data?: Record<string, unknown> }) | undefined>;
}

export interface FaultyOptions {
  /** Options of the instance that meets the faults. */
  module?: Partial<ConsistentModuleOptions>;
  /** Options of the other one. */
  otherModule?: Partial<ConsistentModuleOptions>;
  entity?: Partial<ConsistentEntityOptions<Product>>;
  /** Sends the first instance's SQL through `faulty.mysql`. */
  mysqlProxy?: boolean;
}

/** Read by plain TypeORM, and repaired on the way out. */
@Controller('products')
@UseInterceptors(ReadRepairInterceptor)
class ProductController {
  constructor(private readonly dataSource: DataSource) {}

  @Get()
  list(): Promise<Product[]> {
    return this.dataSource.getRepository(Product).find({ order: { id: 'ASC' } });
  }

  @Get(':id')
  async one(@Param('id') id: string): Promise<Product | null> {
    return this.dataSource.getRepository(Product).findOneBy({ id });
  }
}

let serial = 0;

/**
 * Two instances of one application on the same stores: the first meets the faults, the other is healthy and serves HTTP.
 * Deadlines are far away, so that nothing is settled by the passing of time; `expire` brings one about.
 */
export class Faulty {
  readonly elasticsearch = new FaultProxy(elasticsearchUrl());
  readonly mysql = new FaultProxy(mysqlUrl());
  stores!: Stores;
  /** Of the instance that meets the faults. */
  products!: ProductRepository;
  service!: ConsistentService;
  application!: INestApplication;
  /** Of the healthy instance. */
  others!: ProductRepository;
  otherService!: ConsistentService;
  otherApplication!: INestApplication;
  private readonly applications: INestApplication[] = [];
  private entity: Partial<ConsistentEntityOptions<Product>> = {};

  static async start(name: string, options: FaultyOptions = {}): Promise<Faulty> {
    const faulty = new Faulty();
    await faulty.begin(name, options);
    return faulty;
  }

  private async begin(name: string, options: FaultyOptions): Promise<void> {
    await this.elasticsearch.start();
    await this.mysql.start();
    this.stores = await Stores.create(name);
    this.entity = options.entity ?? {};
    const other = await this.instance({}, { module: options.otherModule, synchronize: true });
    this.otherApplication = other.application;
    this.others = other.products;
    this.otherService = other.service;
    const first = await this.instance(
      {},
      {
        module: { retry: { attempts: 2, backoffMs: 5 }, ...options.module },
        elasticsearchNode: this.elasticsearch.url,
        ...(options.mysqlProxy ? { mysql: { host: '127.0.0.1', port: this.mysql.port } } : {}),
      },
    );
    this.application = first.application;
    this.products = first.products;
    this.service = first.service;
  }

  /** One more instance. */
  async instance(
    entity: Partial<ConsistentEntityOptions<Product>>,
    options: {
      module?: Partial<ConsistentModuleOptions> | undefined;
      elasticsearchNode?: string;
      mysql?: { host?: string; port?: number };
      synchronize?: boolean;
      dataSource?: Record<string, unknown>;
    } = {},
  ): Promise<{ application: INestApplication; products: ProductRepository; service: ConsistentService }> {
    const { module, synchronize = false, dataSource, ...rest } = options;
    const repository = productRepository(this.stores.index('products'), { ...this.entity, ...entity });
    const imports = this.stores.modules({
      entities: [Product],
      repositories: [repository],
      module: { deadlineMs: 60_000, busyTimeoutMs: 2_000, ...module },
      dataSource: { synchronize, ...dataSource },
      ...rest,
    });
    const compiled = await Test.createTestingModule({ imports, controllers: [ProductController] }).compile();
    const application = compiled.createNestApplication();
    this.applications.push(application);
    await application.listen(0, '127.0.0.1');
    return { application, products: application.get(repository), service: application.get(ConsistentService) };
  }

  /** Switches every fault off. What is held is delivered. */
  async heal(): Promise<void> {
    for (const proxy of [this.elasticsearch, this.mysql]) {
      proxy.clear();
      await proxy.start();
      await proxy.release();
    }
  }

  async close(): Promise<void> {
    for (const application of this.applications) await application.close();
    await this.stores.close();
    await this.elasticsearch.stop();
    await this.mysql.stop();
  }

  /** A row and its document, written by the healthy instance. */
  seed(properties: Partial<Product> = {}): Promise<Product> {
    return this.others.insert(product({ id: freshId(), title: OLD, ...properties })) as Promise<Product>;
  }

  /** A write by the first instance, or by the one that is given to `run`. */
  async plan(operation: Operation, properties: Partial<Product> = {}): Promise<PlannedWrite> {
    if (operation === 'insert') {
      const id = freshId();
      return planned({ operation, id, before: null, after: NEW }, this.products, (repository) =>
        repository.insert(product({ id, title: NEW, ...properties })),
      );
    }
    const seeded = await this.seed();
    const change = operation === 'update' ? { before: OLD, after: NEW } : { before: OLD, after: null };
    return planned({ operation, id: seeded.id, ...change }, this.products, (repository) =>
      operation === 'update'
        ? repository.update({ id: seeded.id, title: NEW, ...properties })
        : repository.remove(seeded),
    );
  }

  /** Leaves a row in `prepare` whose request never reaches Elasticsearch. */
  async abandon(operation: Operation, properties: Partial<Product> = {}): Promise<PlannedWrite> {
    const write = await this.plan(operation, properties);
    const fault = this.elasticsearch.inject({ kind: 'cut-before' }, { ...BULK, times: 1 });
    const error = await write.run();
    if (error?.code !== 'OUTCOME_UNKNOWN' || fault.hits !== 1) throw error ?? new Error('the fault was not met');
    return write;
  }

  /** Lets the deadlines of these rows (default: of all) have passed. */
  async expire(...ids: string[]): Promise<void> {
    const which = ids.length > 0 ? 'AND id IN (?)' : '';
    await this.stores.database.query(
      `UPDATE product SET updatedAt = updatedAt, consistency_deadline = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND
        WHERE consistency_deadline IS NOT NULL ${which}`,
      ids.length > 0 ? [ids] : [],
    );
  }

  async row(id: string): Promise<Record<string, unknown> | undefined> {
    return this.stores.row('product', id);
  }

  document(id: string): Promise<StoredDocument | undefined> {
    return this.stores.document(this.stores.index('products'), id);
  }

  /** What readers get, each as the title that it saw. Asked one after the other, the index last. */
  async seen(id: string): Promise<{ repository: string | null; http: string | null; index: string | null }> {
    const repository = (await this.others.findOneBy({ id }))?.title ?? null;
    const http = await this.overHttp(id);
    return { repository, http, index: ((await this.document(id))?.source['title'] as string | undefined) ?? null };
  }

  private async overHttp(id: string): Promise<string | null> {
    const response = await fetch(`${await this.otherApplication.getUrl()}/products/${id}`);
    if (response.status === 404) return null;
    const text = await response.text();
    if (!response.ok) throw new Error(`status ${response.status}: ${text}`);
    return text === '' ? null : ((JSON.parse(text) as Product | null)?.title ?? null);
  }

  /** Rows that are in `prepare`. */
  async undecided(): Promise<string[]> {
    const rows = await this.stores.database.query<{ id: number }>(
      "SELECT id FROM product WHERE consistency_state = 'prepare' ORDER BY id",
    );
    return rows.map(({ id }) => String(id));
  }

  /** Records an event of one instance. */
  record<Name extends keyof ConsistentEventMap>(
    name: Name,
    service = this.otherService,
  ): ConsistentEventMap[Name][0][] {
    const events: ConsistentEventMap[Name][0][] = [];
    service.events.on(name, ((event: ConsistentEventMap[Name][0]) => events.push(event)) as never);
    return events;
  }
}

function planned(
  facts: Pick<PlannedWrite, 'operation' | 'id' | 'before' | 'after'>,
  first: ProductRepository,
  write: (repository: ProductRepository) => Promise<unknown>,
): PlannedWrite {
  return {
    ...facts,
    run: (repository = first) =>
      write(repository).then(
        () => undefined,
        (error: Error) => error,
      ),
  };
}

export function freshId(): string {
  // Far apart: AUTO_INCREMENT goes on behind the last one.
  return String(1_000_000 + 1_000 * ++serial);
}

/** A row without the protocol's columns. */
export function columnsOf(row: Record<string, unknown> | undefined): Record<string, unknown> {
  return Object.fromEntries(Object.entries(row ?? {}).filter(([name]) => !name.startsWith('consistency_')));
}

const POLL_MS = 20;
const PATIENCE_MS = 30_000;

/** Waits for a condition; the patience is far beyond what any test needs. */
export async function until(
  what: string,
  condition: () => Promise<boolean> | boolean,
  pollMs = POLL_MS,
): Promise<void> {
  const giveUpAt = performance.now() + PATIENCE_MS;
  while (!(await condition())) {
    if (performance.now() > giveUpAt) throw new Error(`this never came about: ${what}`);
    await sleep(pollMs);
  }
}
