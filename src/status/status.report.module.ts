import type { Client } from '@elastic/elasticsearch';
import { Module } from '@nestjs/common';
import { CONSISTENT_CLIENT } from '../consistent.module.js';
import { ConsistentRegistry } from '../consistent.registry.js';
import { StatusReport } from './status.report.js';

/** One report for all who look. Needs `ConsistentModule.forRoot` in the application. */
@Module({
  providers: [
    {
      provide: StatusReport,
      inject: [ConsistentRegistry, CONSISTENT_CLIENT],
      useFactory: (registry: ConsistentRegistry, client: Client) => new StatusReport(registry, client),
    },
  ],
  exports: [StatusReport],
})
export class StatusReportModule {}
