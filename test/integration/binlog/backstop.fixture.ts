import type { TestingModule } from '@nestjs/testing';
import { DataSource } from 'typeorm';
import { expect } from '@jest/globals';
import { BackstopModule, type BackstopModuleOptions, BackstopService } from '../../../src/binlog/index.js';
import { type ConsistentModuleOptions, type ConsistentRepositoryClass, ConsistentService } from '../../../src/index.js';
import { Stores } from '../../support/application.js';
import { until } from '../../support/faulty.js';
import { Product, type ProductRepository, productRepository } from '../../support/product.js';

export interface BackstopFixtureOptions {
  backstop?: BackstopModuleOptions;
  module?: Partial<ConsistentModuleOptions>;
  elasticsearchNode?: string;
  mysql?: { host?: string; port?: number };
  repository?: ConsistentRepositoryClass;
  synchronize?: boolean;
  /** Waits until it leads. Default true. */
  leading?: boolean;
}

/** An application with a backstop. */
export interface BackstopInstance {
  readonly application: TestingModule;
  readonly backstop: BackstopService;
  readonly products: ProductRepository;
  readonly service: ConsistentService;
}

/** A database, an index, and any number of applications with a backstop on them. SQL goes around the library. */
export class BackstopFixture {
  private constructor(readonly stores: Stores) {}

  static async create(name: string): Promise<BackstopFixture> {
    return new BackstopFixture(await Stores.create(name));
  }

  get index(): string {
    return this.stores.index('products');
  }

  async start(options: BackstopFixtureOptions = {}): Promise<BackstopInstance> {
    const repository = options.repository ?? productRepository(this.index);
    const application = await this.stores.start({
      entities: [Product],
      repositories: [repository],
      module: { bypassGuard: 'off', deadlineMs: 5_000, ...options.module },
      dataSource: { synchronize: options.synchronize ?? true },
      imports: [BackstopModule.forRoot({ checkpointIntervalMs: 50, indexCheckIntervalMs: 200, ...options.backstop })],
      ...(options.elasticsearchNode ? { elasticsearchNode: options.elasticsearchNode } : {}),
      ...(options.mysql ? { mysql: options.mysql } : {}),
    });
    const backstop = application.get(BackstopService);
    if (options.leading ?? true) await leading(backstop);
    return {
      application,
      backstop,
      products: application.get(repository),
      service: application.get(ConsistentService),
    };
  }

  sql(statement: string, values?: unknown[]): Promise<Record<string, unknown>[]> {
    return this.stores.database.query(statement, values);
  }

  /** Several statements in one transaction. */
  async transaction(...statements: string[]): Promise<void> {
    const source = await new DataSource({
      type: 'mysql',
      ...this.stores.database.connection,
      extra: { multipleStatements: true },
    }).initialize();
    try {
      await source.query(['BEGIN', ...statements, 'COMMIT'].join(';'));
    } finally {
      await source.destroy();
    }
  }

  /** Every row as `id → title`, of rows that have a document. */
  async rows(): Promise<Record<string, string>> {
    const rows = await this.sql('SELECT id, title FROM product WHERE deletedAt IS NULL ORDER BY id');
    return Object.fromEntries(rows.map(({ id, title }) => [String(id), String(title)]));
  }

  /** Every document as `id → title`, after a refresh. */
  async documents(): Promise<Record<string, string>> {
    await this.stores.client.indices.refresh({ index: this.index });
    const { hits } = await this.stores.client.search<{ id: unknown; title: string }>({
      index: this.index,
      size: 10_000,
      query: { match_all: {} },
    });
    return Object.fromEntries(hits.hits.map(({ _id, _source }) => [_id!, _source!.title]));
  }

  /** Drained, nothing in `prepare`, and both stores hold the same. */
  async expectAgreement({ backstop, service }: BackstopInstance): Promise<void> {
    await backstop.drained(60_000);
    // Whoever was killed may have left a row undecided, and nobody settles it before its deadline.
    await until('every row is settled', async () => {
      await service.sweep();
      return (await this.undecided()).length === 0;
    });
    await backstop.drained(60_000);
    expect(await this.documents()).toEqual(await this.rows());
  }

  async expectLeading({ backstop }: BackstopInstance): Promise<void> {
    await leading(backstop);
    expect(backstop.status().state).toBe('leading');
  }

  /** Nobody asks for it: somebody settles every row. */
  async expectSettled(): Promise<void> {
    await until('every row is settled', async () => (await this.undecided()).length === 0);
    expect(await this.undecided()).toEqual([]);
  }

  private undecided(): Promise<unknown[]> {
    return this.sql(`SELECT id FROM product WHERE consistency_state <> 'commit'`);
  }

  close(): Promise<void> {
    return this.stores.close();
  }
}

export async function leading(backstop: BackstopService): Promise<void> {
  await until('the backstop leads', () => backstop.status().state === 'leading');
}

/** The values of `(id, sku, title, revision)`, as SQL. */
export function productRow(id: number, title: string): string {
  return `(${id}, 'sku-${id}', '${title}', 1)`;
}
