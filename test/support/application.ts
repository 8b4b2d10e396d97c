import type { DynamicModule, ModuleMetadata, Type } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { Client } from '@elastic/elasticsearch';
import { DataSource } from 'typeorm';
import { type ConsistentModuleOptions, type ConsistentRepositoryClass, ConsistentService } from '../../src/index.js';
import { applicationModules } from './application.modules.js';
import { createTestDatabase, deleteIndices, elasticsearchUrl, indexPrefix, type TestDatabase } from './servers.js';

/** The same tests run over both write paths: shared (the default) and one at a time. */
const GROUP_COMMIT = process.env['TEST_GROUP_COMMIT'] !== 'off';

export interface FixtureOptions {
  entities: Type<object>[];
  repositories: ConsistentRepositoryClass[];
  /** Default: a sweeper that only runs when told. */
  module?: Partial<ConsistentModuleOptions>;
  /** Where Elasticsearch is; a proxy's address, for instance. */
  elasticsearchNode?: string;
  /** Where MySQL is; a proxy's host and port. */
  mysql?: { host?: string; port?: number };
  dataSource?: Record<string, unknown>;
  imports?: ModuleMetadata['imports'];
  providers?: ModuleMetadata['providers'];
  controllers?: ModuleMetadata['controllers'];
}

/** One document as a look past the library sees it. */
export interface StoredDocument {
  version: number;
  source: Record<string, unknown>;
}

/**
 * One test file's stores: a database and an index prefix of its own, any number of applications on them, and looks past
 * the library into both.
 */
export class Stores {
  readonly client = new Client({ node: elasticsearchUrl() });
  private readonly applications: TestingModule[] = [];

  private constructor(
    readonly database: TestDatabase,
    readonly prefix: string,
  ) {}

  static async create(name: string): Promise<Stores> {
    return new Stores(await createTestDatabase(name), indexPrefix(name));
  }

  index(name: string): string {
    return `${this.prefix}${name}`;
  }

  /** A real Nest application on these stores. Closed by `close()`. */
  async start(options: FixtureOptions): Promise<TestingModule> {
    const application = await Test.createTestingModule({
      imports: [...this.modules(options), ...(options.imports ?? [])],
      providers: options.providers ?? [],
      controllers: options.controllers ?? [],
    }).compile();
    this.applications.push(application);
    await application.init();
    return application;
  }

  modules(options: FixtureOptions): DynamicModule[] {
    return applicationModules({
      connection: { ...this.database.connection, ...options.mysql },
      elasticsearchNode: options.elasticsearchNode ?? elasticsearchUrl(),
      entities: options.entities,
      repositories: options.repositories,
      dataSource: { synchronize: true, ...options.dataSource },
      module: { sweeper: false, groupCommit: GROUP_COMMIT, ...options.module },
    });
  }

  /** A row as MySQL holds it. */
  async row(table: string, id: unknown, key = 'id'): Promise<Record<string, unknown> | undefined> {
    const rows = await this.database.query(`SELECT * FROM \`${table}\` WHERE \`${key}\` = ?`, [id]);
    return rows[0];
  }

  /** A document as Elasticsearch holds it, in real time. */
  async document(index: string, id: string): Promise<StoredDocument | undefined> {
    const { docs } = await this.client.mget<Record<string, unknown>>({ index, ids: [id] });
    const doc = docs[0] as { found?: boolean; _version?: number; _source?: Record<string, unknown> };
    return doc.found ? { version: doc._version!, source: doc._source! } : undefined;
  }

  async close(): Promise<void> {
    for (const application of this.applications.splice(0)) await application.close();
    await this.client.close();
    await deleteIndices(this.prefix);
    await this.database.drop();
  }
}

export function serviceOf(application: TestingModule): ConsistentService {
  return application.get(ConsistentService);
}

export function dataSourceOf(application: TestingModule): DataSource {
  return application.get(DataSource);
}
