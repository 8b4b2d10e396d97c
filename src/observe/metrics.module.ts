import { type DynamicModule, Module } from '@nestjs/common';
import { ConsistentRegistry } from '../consistent.registry.js';
import { type ConsistentMetricsOptions, resolvePrefix } from './metrics.options.js';
import { ConsistentMetrics } from './metrics.service.js';

/**
 * Registers the library's metrics in a registry of prom-client, which the application serves. Import it in the root module, after
 * `ConsistentModule`.
 */
@Module({})
export class ConsistentMetricsModule {
  /** Throws `InvalidOptionsError` when the prefix is not usable, or the registry has such metrics already. */
  static forRoot(options: ConsistentMetricsOptions = {}): DynamicModule {
    resolvePrefix(options);
    return {
      module: ConsistentMetricsModule,
      providers: [
        {
          provide: ConsistentMetrics,
          inject: [ConsistentRegistry],
          useFactory: (registry: ConsistentRegistry) => new ConsistentMetrics(registry, options),
        },
      ],
      exports: [ConsistentMetrics],
    };
  }
}
