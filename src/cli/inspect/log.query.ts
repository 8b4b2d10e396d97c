import type { ResolvedBackstopOptions } from '../../binlog/backstop.options.js';
import { primaryConnectionOf } from '../../binlog/backstop.connection.js';
import { askServer } from '../../binlog/backstop.preflight.js';
import { InvalidOptionsError } from '../../errors.js';
import type { SqlQuery } from '../../mysql/table.introspection.js';
import type { Inspection } from './inspected.types.js';

/**
 * Asks the server whose log the backstop reads, as the user that reads it. `backstop`: null for the DataSource `default`.
 * @throws InvalidOptionsError where the backstop names a DataSource that has no consistent table
 */
export function checkedQuery<T>(
  { dataSources }: Inspection,
  backstop: ResolvedBackstopOptions | null,
  signal: AbortSignal,
  work: (query: SqlQuery) => Promise<T>,
): Promise<T> {
  const name = backstop?.dataSource ?? 'default';
  const dataSource = dataSources.get(name);
  if (!dataSource) throw new InvalidOptionsError(`No consistent table is registered for the DataSource "${name}".`);
  return askServer(backstop?.connection ?? primaryConnectionOf(dataSource), signal, work);
}
