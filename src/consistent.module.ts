import {
  type BeforeApplicationShutdown,
  type DynamicModule,
  type InjectionToken,
  Module,
  type ModuleMetadata,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleInit,
  type OptionalFactoryDependency,
  type Provider,
} from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { SchedulerRegistry } from '@nestjs/schedule';
import { getDataSourceToken } from '@nestjs/typeorm';
import { Client } from '@elastic/elasticsearch';
import type { DataSource } from 'typeorm';
import { type ConsistentRepositoryClass, definitionOf, getConsistentRepositoryToken } from './consistent.decorator.js';
import {
  type ClientOptions,
  type ConsistentModuleOptions,
  resolveOptions,
  type ResolvedOptions,
} from './consistent.options.js';
import { ConsistentRegistry } from './consistent.registry.js';
import type { ConsistentRepository } from './consistent.repository.js';
import { ConsistentService } from './consistent.service.js';
import { within } from './mysql/time.watch.js';
import { ConsistentEvents } from './observe/consistent.events.js';
import { StormLogger } from './observe/storm.logger.js';
import { traceSteps } from './observe/tracing.js';
import { ReadRepairInterceptor } from './settle/read-repair.interceptor.js';
import { SweeperJob } from './settle/sweeper.job.js';
import { VerificationJob } from './verify/verification.job.js';

/** Injection token of the Elasticsearch client that the module works with. */
export const CONSISTENT_CLIENT = Symbol('nest-consistent:client');
const OPTIONS = Symbol('nest-consistent:options');

/** Options of `forRootAsync`: as `forRoot`, from a factory. */
export interface ConsistentModuleAsyncOptions extends Pick<ModuleMetadata, 'imports'> {
  useFactory: (...dependencies: any[]) => ConsistentModuleOptions | Promise<ConsistentModuleOptions>;
  inject?: (InjectionToken | OptionalFactoryDependency)[];
}

/** Options of `forFeature` beside the repositories. */
export interface ConsistentFeatureOptions extends Pick<ModuleMetadata, 'imports'> {
  /** Name of the TypeORM DataSource. Default `default`. */
  dataSource?: string;
}

/** Starts the sweeper, and on shutdown lets writes under way end before the connections go. */
class ConsistentLifecycle
  implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown
{
  private readonly logger = new StormLogger('ConsistentModule');
  private readonly job: SweeperJob;
  private readonly verification: VerificationJob;
  private untrace: (() => void) | undefined;

  constructor(
    private readonly registry: ConsistentRegistry,
    service: ConsistentService,
    private readonly client: Client,
    scheduler: SchedulerRegistry | undefined,
  ) {
    this.job = new SweeperJob(service, registry.options.sweeper, scheduler);
    this.verification = new VerificationJob(registry, registry.options.verification, scheduler);
  }

  async onModuleInit(): Promise<void> {
    this.untrace ??= await traceSteps(this.registry.instruments);
  }

  onApplicationBootstrap(): void {
    this.job.start();
    this.verification.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    const { verifier, reindexer } = this.registry;
    await Promise.all([this.job.stop(), this.verification.stop(), verifier.close(), reindexer.close()]);
    const { shutdownTimeoutMs } = this.registry.options;
    if (!(await this.registry.writer.drain(shutdownTimeoutMs))) {
      this.logger.warn(`writes were still under way after ${shutdownTimeoutMs} ms; their rows will be settled later`);
    }
  }

  async onApplicationShutdown(): Promise<void> {
    this.untrace?.();
    this.untrace = undefined;
    // A client that the application gave us is the application's to close.
    if (!(this.registry.options.elasticsearch instanceof Client)) await this.closeClient();
  }

  /** The client waits for every answer, and has no limit for one whose body stalls: any request of the application's own. */
  private async closeClient(): Promise<void> {
    const { shutdownTimeoutMs } = this.registry.options;
    const closing = this.client.close().then(() => true);
    if (!(await within(closing, shutdownTimeoutMs, () => false))) {
      this.logger.warn(
        `the Elasticsearch client still waited for an answer after ${shutdownTimeoutMs} ms, and was left`,
      );
    }
  }
}

/**
 * Keeps MySQL rows and their Elasticsearch documents consistent. `forRoot` once in the root module, beside
 * `TypeOrmModule.forRoot` and `ScheduleModule.forRoot`; `forFeature` wherever repositories are used.
 */
@Module({})
export class ConsistentModule {
  /** Throws `InvalidOptionsError` at once when the options are not usable. */
  static forRoot(options: ConsistentModuleOptions): DynamicModule {
    return this.root([{ provide: OPTIONS, useValue: resolveOptions(options) }]);
  }

  static forRootAsync(options: ConsistentModuleAsyncOptions): DynamicModule {
    const provider: Provider = {
      provide: OPTIONS,
      inject: options.inject ?? [],
      useFactory: async (...dependencies: unknown[]) => resolveOptions(await options.useFactory(...dependencies)),
    };
    return this.root([provider], options.imports);
  }

  /**
   * Registers repositories for one DataSource: its name, or options with it. Entities and tables are checked and indices
   * are prepared before anybody gets a repository.
   */
  static forFeature(
    repositories: ConsistentRepositoryClass[],
    options: string | ConsistentFeatureOptions = {},
  ): DynamicModule {
    const { dataSource = 'default', imports = [] } = typeof options === 'string' ? { dataSource: options } : options;
    const providers = repositories.map((target): Provider => {
      definitionOf(target);
      return {
        provide: getConsistentRepositoryToken(target, dataSource),
        inject: [ModuleRef, ConsistentRegistry, getDataSourceToken(dataSource)],
        useFactory: async (moduleRef: ModuleRef, registry: ConsistentRegistry, source: DataSource) => {
          const repository = await moduleRef.create(target as new () => ConsistentRepository<any>);
          return registry.attach(repository, target, source, dataSource);
        },
      };
    });
    const tokens = repositories.map((target) => getConsistentRepositoryToken(target, dataSource));
    return { module: ConsistentModule, imports, providers, exports: tokens };
  }

  private static root(options: Provider[], imports: ModuleMetadata['imports'] = []): DynamicModule {
    return {
      module: ConsistentModule,
      global: true,
      imports,
      providers: [
        ...options,
        {
          provide: CONSISTENT_CLIENT,
          inject: [OPTIONS],
          useFactory: ({ elasticsearch }: ResolvedOptions) =>
            elasticsearch instanceof Client ? elasticsearch : new Client(elasticsearch as ClientOptions),
        },
        ConsistentEvents,
        {
          provide: ConsistentRegistry,
          inject: [CONSISTENT_CLIENT, OPTIONS, ConsistentEvents],
          useFactory: (client: Client, resolved: ResolvedOptions, events: ConsistentEvents) =>
            new ConsistentRegistry(client, resolved, events),
        },
        {
          provide: ConsistentService,
          inject: [ConsistentRegistry],
          useFactory: (registry: ConsistentRegistry) => new ConsistentService(registry),
        },
        {
          provide: ConsistentLifecycle,
          inject: [
            ConsistentRegistry,
            ConsistentService,
            CONSISTENT_CLIENT,
            { token: SchedulerRegistry, optional: true },
          ],
          useFactory: (
            registry: ConsistentRegistry,
            service: ConsistentService,
            client: Client,
            scheduler?: SchedulerRegistry,
          ) => new ConsistentLifecycle(registry, service, client, scheduler),
        },
        ReadRepairInterceptor,
      ],
      exports: [CONSISTENT_CLIENT, ConsistentEvents, ConsistentRegistry, ConsistentService, ReadRepairInterceptor],
    };
  }
}
