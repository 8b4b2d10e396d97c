import type { InjectionToken } from '@nestjs/common';
import { BackstopService } from './backstop.service.js';

/**
 * What the backstop of a DataSource is injected by: `BackstopService` itself for the DataSource `default`, else a name of its own, so that
 * several can stand side by side.
 *
 * ```ts
 * constructor(@Inject(getBackstopToken('films')) private readonly backstop: BackstopService) {}
 * ```
 */
export function getBackstopToken(dataSource = 'default'): InjectionToken<BackstopService> {
  return dataSource === 'default' ? BackstopService : `${dataSource}BackstopService`;
}
