import type { LoggerService } from '@nestjs/common';
import { InvalidOptionsError } from '../../errors.js';
import type { CliTarget } from '../application/application.locator.js';
import { inspectApplication } from './application.inspector.js';
import type { Inspection } from './inspected.types.js';
import { inspectUrls } from './url.inspector.js';

/** Looks at the application, or at the servers where none was named. `table` and `index` choose among its tables. */
export async function inspect(target: CliTarget, logger: LoggerService): Promise<Inspection> {
  if (!target.app) return inspectUrls(target);
  const inspection = await inspectApplication(target.app, logger);
  const { table, index } = target;
  if (!table && !index) return inspection;
  const tables = inspection.tables.filter(
    (one) => (!table || one.tableName === table || one.name === table) && (!index || one.alias === index),
  );
  if (tables.length > 0) return { ...inspection, tables };
  const known = inspection.tables.map(({ tableName, alias }) => `${tableName} (index ${alias})`).join(', ');
  throw new InvalidOptionsError(`The application has no consistent table of that name. It has: ${known}.`, {
    table,
    index,
  });
}
