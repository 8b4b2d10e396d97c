import type { BypassGuard } from '../../consistent.options.js';
import { checkEntity, checkTable } from '../../entity/entity.checks.js';
import { ConsistentError } from '../../errors.js';
import { introspectTable, type TableShape } from '../../mysql/table.introspection.js';
import type { InspectedTable } from '../inspect/inspected.types.js';
import { missingColumns } from '../inspect/migration.plan.js';
import type { Finding } from './finding.js';
import { tableGrant } from './grant.doctor.js';

/** The protocol's columns and index, and whatever else start-up would refuse. */
export async function tableFindings(
  table: InspectedTable,
  guard: BypassGuard,
): Promise<{ exists: boolean; findings: Finding[] }> {
  const findings: Finding[] = [];
  const find = (severity: Finding['severity'], problem: string, fix: string): void =>
    void findings.push({ severity, subject: `table ${table.tablePath}`, problem, fix });
  let shape: TableShape | null = null;
  try {
    const query = (sql: string, parameters?: unknown[]) => table.dataSource.query(sql, parameters) as Promise<any[]>;
    shape = await introspectTable(query, table.database, table.tableName);
    // Seen, but not one of its columns: the rights that are missing are told, not columns that only seem to be.
    if (shape.columns.length === 0) return { exists: true, findings };
    const statements = await missingColumns(table);
    for (const statement of statements) {
      const isIndex = statement.startsWith('CREATE INDEX');
      const problem = isIndex ? 'the index on the deadline is missing' : 'consistency columns are missing';
      // Without the index it works, but every sweep reads the whole table.
      find(isIndex && statements.length === 1 ? 'warning' : 'error', problem, `${statement};`);
    }
    if (statements.some((statement) => !statement.startsWith('CREATE INDEX'))) return { exists: true, findings };
    if (table.metadata) {
      checkEntity(table.metadata);
      const { deadlineIndex: _, ...names } = table.names;
      for (const problem of checkTable(table.metadata, shape, names, guard))
        find('warning', problem, 'See the message.');
    }
  } catch (error) {
    if (!(error instanceof ConsistentError)) throw error;
    // A table that the user has no right on looks as one that is not there.
    const fix = shape ? 'See the message.' : `Make the table. Where it is there: ${await tableGrant(table)}`;
    find('error', error.message, fix);
  }
  return { exists: shape !== null, findings };
}
