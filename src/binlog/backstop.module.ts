import {
  type DynamicModule,
  type InjectionToken,
  Module,
  type ModuleMetadata,
  type OptionalFactoryDependency,
  type Provider,
} from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { Client } from '@elastic/elasticsearch';
import type { DataSource } from 'typeorm';
import { CONSISTENT_CLIENT } from '../consistent.module.js';
import { ConsistentRegistry } from '../consistent.registry.js';
import { ConsistentService } from '../consistent.service.js';
import {
  type BackstopModuleOptions,
  resolveBackstopOptions,
  type ResolvedBackstopOptions,
} from './backstop.options.js';
import { BackstopService } from './backstop.service.js';

const OPTIONS = Symbol('nest-consistent:backstop-options');

/** Options of `forRootAsync`: as `forRoot`, from a factory. */
export interface BackstopModuleAsyncOptions extends Pick<ModuleMetadata, 'imports'> {
  useFactory: (...dependencies: any[]) => BackstopModuleOptions | Promise<BackstopModuleOptions>;
  inject?: (InjectionToken | OptionalFactoryDependency)[];
}

/** The binlog backstop of one DataSource. Import it in the root module, after `ConsistentModule`. */
@Module({})
export class BackstopModule {
  /** Throws `InvalidOptionsError` at once when the options are not usable. */
  static forRoot(options: BackstopModuleOptions = {}): DynamicModule {
    return this.root([{ provide: OPTIONS, useValue: resolveBackstopOptions(options) }]);
  }

  static forRootAsync(options: BackstopModuleAsyncOptions): DynamicModule {
    const provider: Provider = {
      provide: OPTIONS,
      inject: options.inject ?? [],
      useFactory: async (...dependencies: unknown[]) =>
        resolveBackstopOptions(await options.useFactory(...dependencies)),
    };
    return this.root([provider], options.imports);
  }

  private static root(options: Provider[], imports: ModuleMetadata['imports'] = []): DynamicModule {
    return {
      module: BackstopModule,
      imports,
      providers: [
        ...options,
        {
          provide: BackstopService,
          inject: [OPTIONS, ModuleRef, ConsistentRegistry, ConsistentService, CONSISTENT_CLIENT],
          useFactory: (
            resolved: ResolvedBackstopOptions,
            modules: ModuleRef,
            registry: ConsistentRegistry,
            service: ConsistentService,
            client: Client,
          ) => {
            const token = getDataSourceToken(resolved.dataSource);
            const dataSource = (): DataSource => modules.get<DataSource>(token, { strict: false });
            return new BackstopService({ options: resolved, dataSource, registry, service, client });
          },
        },
      ],
      exports: [BackstopService],
    };
  }
}
