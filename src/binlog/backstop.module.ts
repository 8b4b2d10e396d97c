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
import { InvalidOptionsError } from '../errors.js';
import {
  type BackstopModuleOptions,
  resolveBackstopOptions,
  type ResolvedBackstopOptions,
} from './backstop.options.js';
import { BackstopService } from './backstop.service.js';
import { getBackstopToken } from './backstop.token.js';

const OPTIONS = Symbol('nest-consistent:backstop-options');

/** Options of `forRootAsync`: as `forRoot`, from a factory. */
export interface BackstopModuleAsyncOptions extends Pick<ModuleMetadata, 'imports'> {
  /** Name of the DataSource whose tables are watched: the token depends on it, so the factory cannot choose it. Default `default`. */
  dataSource?: string;
  useFactory: (...dependencies: any[]) => BackstopModuleOptions | Promise<BackstopModuleOptions>;
  inject?: (InjectionToken | OptionalFactoryDependency)[];
}

/**
 * The binlog backstop of one DataSource. Import it in the root module, after `ConsistentModule`; once for each DataSource that is to be
 * followed. The service is injected by `getBackstopToken(dataSource)`.
 */
@Module({})
export class BackstopModule {
  /** Throws `InvalidOptionsError` at once when the options are not usable. */
  static forRoot(options: BackstopModuleOptions = {}): DynamicModule {
    const resolved = resolveBackstopOptions(options);
    return this.root(resolved.dataSource, [{ provide: OPTIONS, useValue: resolved }]);
  }

  /** The factory's options are checked when the application starts: `InvalidOptionsError`, also where they name another DataSource. */
  static forRootAsync(options: BackstopModuleAsyncOptions): DynamicModule {
    const { dataSource = 'default' } = options;
    const provider: Provider = {
      provide: OPTIONS,
      inject: options.inject ?? [],
      useFactory: async (...dependencies: unknown[]) =>
        ofDataSource(dataSource, await options.useFactory(...dependencies)),
    };
    return this.root(dataSource, [provider], options.imports);
  }

  private static root(
    dataSourceName: string,
    options: Provider[],
    imports: ModuleMetadata['imports'] = [],
  ): DynamicModule {
    const token = getBackstopToken(dataSourceName);
    return {
      module: BackstopModule,
      imports,
      providers: [
        ...options,
        {
          provide: token,
          inject: [OPTIONS, ModuleRef, ConsistentRegistry, ConsistentService, CONSISTENT_CLIENT],
          useFactory: (
            resolved: ResolvedBackstopOptions,
            modules: ModuleRef,
            registry: ConsistentRegistry,
            service: ConsistentService,
            client: Client,
          ) => {
            const source = getDataSourceToken(resolved.dataSource);
            const dataSource = (): DataSource => modules.get<DataSource>(source, { strict: false });
            return new BackstopService({ options: resolved, dataSource, registry, service, client });
          },
        },
      ],
      exports: [token],
    };
  }
}

function ofDataSource(dataSource: string, options: BackstopModuleOptions): ResolvedBackstopOptions {
  const resolved = resolveBackstopOptions({ dataSource, ...options });
  if (resolved.dataSource === dataSource) return resolved;
  throw new InvalidOptionsError(
    `BackstopModule.forRootAsync: the factory names the DataSource "${resolved.dataSource}". Name it beside the factory: ` +
      `forRootAsync({ dataSource: '${resolved.dataSource}', useFactory: … }).`,
    { dataSource: resolved.dataSource },
  );
}
