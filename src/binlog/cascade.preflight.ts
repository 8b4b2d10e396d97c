import type { SqlQuery } from '../mysql/table.introspection.js';
import type { PreflightFinding } from './binlog.preflight.js';
import { logsNoCascades, readCascades } from './cascade.rules.js';

/**
 * Warns where other tables' changes reach the watched ones (`database.table`) by foreign keys, and the server logs nothing of it: each such
 * change costs a verification then.
 */
export async function cascadeFindings(query: SqlQuery, tables: readonly string[]): Promise<PreflightFinding[]> {
  const rules = tables.length > 0 ? await readCascades(query, tables) : [];
  if (rules.length === 0 || !(await logsNoCascades(query))) return [];
  return [...new Set(rules.map(({ child }) => child))].map((child) => {
    const parents = [...new Set(rules.filter((rule) => rule.child === child).map(({ parent }) => parent))].join(', ');
    return {
      setting: `foreign keys of ${child}`,
      found: `such that changes of ${parents} delete or change its rows, which this server does not log`,
      wanted: 'ON DELETE RESTRICT, or a server that logs them',
      fix:
        'Each such change has the whole table verified. From MySQL 9.6 on start mysqld with innodb_native_foreign_keys = OFF; ' +
        'before that let the keys RESTRICT, and delete the children by statements of their own.',
      severity: 'warning',
    };
  });
}
