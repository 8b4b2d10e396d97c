import type { EntityBinding } from '../entity/entity.binding.js';
import { queryPrimary } from '../mysql/statement.timeout.js';
import { estimateRows } from '../mysql/table.facts.js';

/** About how many rows a walk will meet: for its progress. */
export function estimateTable({ dataSource, metadata, driver }: EntityBinding): Promise<number> {
  const database = metadata.database ?? driver.database!;
  return estimateRows((sql, values) => queryPrimary(dataSource, sql, values), database, metadata.tableName);
}
