import type { LoggerService } from '@nestjs/common';
import { ConsistentRegistry } from '../../consistent.registry.js';
import { ConsistentService } from '../../consistent.service.js';
import type { EntityContext } from '../../entity/entity.context.js';
import { InvalidOptionsError } from '../../errors.js';
import type { CliTarget } from './application.locator.js';
import { openApplication } from './application.opener.js';

/** The application with its repositories ready, as far as a command works on it. */
export interface AttachedApplication {
  readonly registry: ConsistentRegistry;
  readonly service: ConsistentService;
  /** The tables that were chosen, in order of registration. */
  readonly contexts: readonly EntityContext[];
  close(): Promise<void>;
}

/**
 * Opens the application, whose entities are checked and whose indices are prepared as at its start.
 * @throws InvalidOptionsError without an application, or where it has no such table
 */
export async function attachApplication(
  { app, table, index }: CliTarget,
  dataSource: string | undefined,
  logger: LoggerService,
): Promise<AttachedApplication> {
  if (!app) {
    throw new InvalidOptionsError(
      'This command writes or compares documents, and only the application knows what they look like: give --app dist/app.module.js.',
    );
  }
  const context = await openApplication(app, logger);
  const registry = context.get(ConsistentRegistry, { strict: false });
  const contexts = registry
    .all()
    .filter(
      ({ binding }) =>
        (!table || binding.metadata.tableName === table || binding.name === table) &&
        (!index || binding.alias === index) &&
        (!dataSource || binding.dataSourceName === dataSource),
    );
  if (contexts.length === 0) {
    const known = registry.all().map(({ binding }) => `${binding.metadata.tableName} (index ${binding.alias})`);
    throw new InvalidOptionsError(
      `The application has no such consistent table. It has: ${known.join(', ') || 'none'}.`,
    );
  }
  return {
    registry,
    service: context.get(ConsistentService, { strict: false }),
    contexts,
    // What of the application was never started may not know how to stop.
    close: () => context.close().catch(() => undefined),
  };
}
