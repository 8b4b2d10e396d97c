import { type DynamicModule, Module } from '@nestjs/common';
import { StatusReport } from '../status/status.report.js';
import { StatusReportModule } from '../status/status.report.module.js';
import { ConsistentHealthIndicator } from './consistent.health.js';
import { type ConsistentHealthOptions, resolveHealthOptions } from './health.options.js';

/** Offers `ConsistentHealthIndicator`. Import it where the health controller is; needs `@nestjs/terminus`. */
@Module({})
export class ConsistentHealthModule {
  /** Throws `InvalidOptionsError` at once when the options are not usable. */
  static forRoot(options: ConsistentHealthOptions = {}): DynamicModule {
    const thresholds = resolveHealthOptions(options);
    return {
      module: ConsistentHealthModule,
      imports: [StatusReportModule],
      providers: [
        {
          provide: ConsistentHealthIndicator,
          inject: [StatusReport],
          useFactory: (report: StatusReport) => new ConsistentHealthIndicator(report, thresholds),
        },
      ],
      exports: [ConsistentHealthIndicator],
    };
  }
}
