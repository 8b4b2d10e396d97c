import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Client } from '@elastic/elasticsearch';
import type { DynamicModule } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import type { TestingModule } from '@nestjs/testing';
import { expect } from '@jest/globals';
import { Registry } from 'prom-client';
import { ConsistentHealthIndicator, ConsistentHealthModule } from '../../../src/health/index.js';
import type { ConsistentEntityOptions, ConsistentModuleOptions } from '../../../src/index.js';
import { ConsistentMetrics, ConsistentMetricsModule } from '../../../src/observe/metrics.index.js';
import { ConsistentStatusModule } from '../../../src/status/index.js';
import { STATUS_VIEW } from '../../../src/status/status.controller.js';
import { serviceOf, Stores } from '../../support/application.js';
import { Product, product, type ProductRepository, productRepository } from '../../support/product.js';
import { OutputRecorder } from './output.recorder.js';
import { KeyFront } from './key.front.js';
import { SecuredElasticsearch, type UserRights } from './secured.elasticsearch.js';

/** What differs from a client that trusts the authority and has no credentials; or a client. */
export type Access = Client | ConstructorParameters<typeof Client>[0];

export interface StartOptions {
  module?: Partial<ConsistentModuleOptions>;
  entity?: Partial<ConsistentEntityOptions<Product>>;
  imports?: DynamicModule[];
}

export interface Started {
  readonly application: TestingModule;
  readonly products: ProductRepository;
  readonly index: string;
}

/** Applications on an Elasticsearch with security, everything that they show, and the secrets that must not be in it. */
export class AccessFixture {
  readonly outputs = new OutputRecorder();
  readonly secrets: Record<string, string> = {};
  private readonly clients: Client[] = [];

  private constructor(
    readonly secured: SecuredElasticsearch,
    readonly front: KeyFront,
    readonly stores: Stores,
  ) {
    this.hide('root', secured.password);
    this.outputs.start();
  }

  static async create(name: string): Promise<AccessFixture> {
    const [secured, stores] = await Promise.all([SecuredElasticsearch.start(), Stores.create(name)]);
    return new AccessFixture(secured, await KeyFront.start(secured), stores);
  }

  async close(): Promise<void> {
    this.outputs.stop();
    await this.stores.close();
    for (const client of this.clients) await client.close();
    await this.front.stop();
    await this.secured.remove();
  }

  client(access: ConstructorParameters<typeof Client>[0]): Client {
    const client = this.secured.clientWith(access);
    this.clients.push(client);
    return client;
  }

  /** The privileges that docs/operations.md lists; `prepared`: without those for what start-up finds missing. */
  documented(prepared = false): UserRights {
    const page = readFileSync('docs/operations.md', 'utf8');
    const section = page.split('### Elasticsearch\n')[1]!.split('\n## ')[0]!;
    const rows = section.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| request'));
    const wanted = rows.filter((row) => !prepared || !/ if /.test(row));
    const privileges = wanted.flatMap((row) =>
      [
        ...row
          .split('|')
          .at(-2)!
          .matchAll(/`(\w+)`/g),
      ].map(([, privilege]) => privilege!),
    );
    expect(privileges).toContain('write');
    return { names: [`${this.stores.prefix}*`], privileges: [...new Set(privileges)] };
  }

  /** A user with a password of his own, which must not show anywhere. */
  async user(name: string, rights: UserRights): Promise<{ username: string; password: string }> {
    const password = `p-${randomBytes(12).toString('hex')}`;
    this.hide(name, password);
    await this.secured.user(name, password, rights);
    return { username: name, password };
  }

  /** An API key of a new user with these rights. */
  async key(name: string, rights: UserRights): Promise<string> {
    const { username, password } = await this.user(name, rights);
    const encoded = this.front.issue(username, password);
    this.hideKey(name, encoded);
    return encoded;
  }

  hideKey(name: string, encoded: string): void {
    this.secrets[`the key of ${name}`] = encoded;
    this.secrets[`the key of ${name}, decoded`] = Buffer.from(encoded, 'base64').toString().split(':')[1]!;
  }

  private hide(name: string, password: string): void {
    this.secrets[`the password of ${name}`] = password;
    this.secrets[`the login of ${name}`] = Buffer.from(`${name}:${password}`).toString('base64');
  }

  async start(name: string, access: Access, { module, entity, imports = [] }: StartOptions = {}): Promise<Started> {
    const index = this.stores.index(name);
    const repository = productRepository(index, entity);
    const application = await this.stores.start({
      entities: [Product],
      repositories: [repository],
      module: {
        elasticsearch: access instanceof Client ? access : this.secured.options(access),
        writeTimeoutMs: 10_000,
        bypassGuard: 'off',
        ...module,
      },
      imports: [
        TerminusModule.forRoot({ logger: false }),
        ConsistentHealthModule.forRoot(),
        ConsistentMetricsModule.forRoot({ registry: new Registry() }),
        ConsistentStatusModule.forRoot({ guard: { canActivate: () => true }, showDetails: true }),
        ...imports,
      ],
    });
    return { application, products: application.get(repository), index };
  }

  /** What anybody could be shown of it. */
  async record(application: TestingModule): Promise<void> {
    const { outputs, stores } = this;
    outputs.add(await application.get(ConsistentMetrics).registry.metrics());
    outputs.add(await application.get(ConsistentHealthIndicator).readiness());
    outputs.add(await application.get<() => Promise<unknown>>(STATUS_VIEW, { strict: false })());
    outputs.add(await stores.database.query('SELECT * FROM consistent_parked'));
  }

  async failed(promise: Promise<unknown>): Promise<Error & { code?: string }> {
    const error = await promise.then(
      () => new Error('it succeeded'),
      (reason: Error) => reason,
    );
    this.outputs.add(error);
    return error;
  }

  /** In real time, as the superuser sees it. */
  async documentOf(index: string, id: string): Promise<unknown> {
    const { docs } = await this.secured.client.mget<Record<string, unknown>>({ index, ids: [id] });
    const [doc] = docs as { found?: boolean; _source?: unknown }[];
    return doc!.found ? doc!._source : null;
  }

  /** A client of the front with this key. */
  keyed(encoded: string): Client {
    const client = new Client(this.front.options(encoded));
    this.clients.push(client);
    return client;
  }

  /** The paths of what a client sends from now on. */
  requestsOf(client: Client): string[] {
    const paths: string[] = [];
    client.diagnostic.on('request', (error, event) => {
      if (!error) paths.push(String(event?.meta.request.params.path));
    });
    return paths;
  }

  /** Writes, reads, verifies, repairs, sweeps, removes. */
  async wholeCycle({ application, products, index }: Started): Promise<void> {
    const service = serviceOf(application);
    const saved = await products.save(product());
    await products.update({ id: saved.id, title: 'second' });
    expect(await this.documentOf(index, saved.id)).toMatchObject({ title: 'second' });
    await products.saveMany([product(), product()]);
    const bySql = `UPDATE product SET title = 'by SQL', updatedAt = updatedAt WHERE id = ?`;
    await this.stores.database.query(bySql, [saved.id]);
    const repaired = await service.verify(Product, { repair: true, graceMs: 10 });
    expect(repaired).toMatchObject({ failed: 0, unchecked: 0, consistent: true });
    expect(await this.documentOf(index, saved.id)).toMatchObject({ title: 'by SQL' });
    expect(await service.sweep()).toMatchObject({ failed: 0 });
    expect(await products.findOneBy({ id: saved.id })).toMatchObject({ title: 'by SQL' });
    await products.remove((await products.findOneByOrFail({ id: saved.id })) as Product);
    expect(await this.documentOf(index, saved.id)).toBeNull();
    await this.record(application);
  }
}
