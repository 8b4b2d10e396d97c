import { type DynamicModule, Module } from '@nestjs/common';
import { statusController, STATUS_VIEW } from './status.controller.js';
import { type ConsistentStatusOptions, resolveStatusOptions } from './status.options.js';
import { StatusReport } from './status.report.js';
import { StatusReportModule } from './status.report.module.js';
import { StatusStream } from './status.stream.js';
import { type StatusView, viewOf } from './status.view.js';

/** The status page: read-only, behind a guard, there only where this module is imported. */
@Module({})
export class ConsistentStatusModule {
  /** Throws `InvalidOptionsError` at once when the options are not usable; a missing guard is such. */
  static forRoot(options: ConsistentStatusOptions): DynamicModule {
    const resolved = resolveStatusOptions(options);
    return {
      module: ConsistentStatusModule,
      imports: [StatusReportModule, ...resolved.imports],
      controllers: [statusController(resolved.path, resolved.guard)],
      providers: [
        {
          provide: STATUS_VIEW,
          inject: [StatusReport],
          useFactory: (report: StatusReport) => async (): Promise<StatusView> => viewOf(await report.read(), resolved),
        },
        {
          provide: StatusStream,
          inject: [STATUS_VIEW],
          useFactory: (view: () => Promise<StatusView>) => new StatusStream(view, resolved),
        },
      ],
    };
  }
}
