import type { DataSource } from 'typeorm';
import { quote } from '../../mysql/identifier.js';
import { errnoOf } from '../../mysql/mysql.errors.js';
import { type Ask, tableExists } from '../../mysql/table.facts.js';
import type { InspectedTable, Inspection } from '../inspect/inspected.types.js';
import type { Finding } from './finding.js';

/** Access denied: for the table, for a column. */
const DENIED = new Set([1142, 1143, 1044]);
const RIGHTS = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'] as const;
type Right = (typeof RIGHTS)[number];

/**
 * Rights are tried instead of read: SHOW GRANTS can spell one in a dozen ways (roles, ALL, partial revokes). EXPLAIN wants the
 * rights of the statement that it explains, and changes nothing.
 */
export async function grantFindings(
  table: InspectedTable,
  inspection: Inspection,
  backstop: boolean,
): Promise<Finding[]> {
  const { dataSource } = table;
  const findings: Finding[] = [];
  const column = quote(table.names.state);
  const known = table.metadata ? quote(table.metadata.primaryColumns[0]!.databaseName) : column;
  findings.push(...(await missing(dataSource, table.tablePath, RIGHTS, known)));
  const own = [
    ['consistent_parked', RIGHTS, 'id'],
    ['consistent_verification', ['SELECT', 'INSERT', 'UPDATE'], 'entity'],
    // Who may not see it while an index is exchanged cannot write.
    ['consistent_reindex', ['SELECT', 'INSERT', 'UPDATE'], 'alias'],
    ...(backstop && inspection.backstops.some(({ dataSource: followed }) => followed === table.dataSourceName)
      ? ([['consistent_checkpoint', ['SELECT', 'INSERT', 'UPDATE'], 'name']] as const)
      : []),
  ] as const;
  const ask: Ask = (sql, values) => dataSource.query(sql, values);
  for (const [name, rights, key] of own) {
    if (await tableExists(ask, name)) findings.push(...(await missing(dataSource, name, rights, quote(key))));
    else findings.push(await absent(dataSource, name, rights));
  }
  if (!(await seesTriggers(dataSource, table))) {
    findings.push({
      severity: 'warning',
      subject: `table ${table.tablePath}`,
      problem: `${await account(dataSource)} may not have TRIGGER: UPDATE triggers would not be seen at start-up`,
      fix: `GRANT TRIGGER ON ${path(table.tablePath, dataSource)} TO ${await account(dataSource)};`,
    });
  }
  return findings;
}

async function missing(
  dataSource: DataSource,
  table: string,
  rights: readonly Right[],
  column: string,
): Promise<Finding[]> {
  const lacking: Right[] = [];
  for (const right of rights)
    if (await isDenied(dataSource, statementFor(right, path(table, dataSource), column))) lacking.push(right);
  if (lacking.length === 0) return [];
  const user = await account(dataSource);
  return [
    {
      severity: 'error',
      subject: `table ${table}`,
      problem: `${user} may not ${lacking.join(', ')}`,
      fix: `GRANT ${lacking.join(', ')} ON ${path(table, dataSource)} TO ${user};`,
    },
  ];
}

function statementFor(right: Right, table: string, column: string): string {
  switch (right) {
    case 'SELECT':
      return `EXPLAIN SELECT * FROM ${table}`;
    case 'INSERT':
      return `EXPLAIN INSERT INTO ${table} (${column}) VALUES (DEFAULT)`;
    case 'UPDATE':
      return `EXPLAIN UPDATE ${table} SET ${column} = ${column}`;
    case 'DELETE':
      return `EXPLAIN DELETE FROM ${table}`;
  }
}

/** Anything else that MySQL has against the statement has a finding of its own. */
async function isDenied(dataSource: DataSource, statement: string): Promise<boolean> {
  try {
    await dataSource.query(statement);
    return false;
  } catch (error) {
    return DENIED.has(errnoOf(error) ?? 0);
  }
}

/** MySQL does not tell a table that is not there from one that the user has no right on: what mends either is told. */
async function absent(dataSource: DataSource, table: string, rights: readonly Right[]): Promise<Finding> {
  const user = await account(dataSource);
  const grant = `GRANT ${rights.join(', ')} ON ${path(table, dataSource)} TO ${user};`;
  return {
    // The application makes them itself where it may; a verification does without its table.
    severity: 'warning',
    subject: `table ${table}`,
    problem: `is missing, or ${user} may not see it; it is made when it is first needed, if the user may CREATE`,
    fix: `Where it is missing: nest-consistent migrate --apply, as a user who may CREATE. Then: ${grant}`,
  };
}

/** For a consistent table that the user cannot see. */
export async function tableGrant({ dataSource, tablePath }: InspectedTable): Promise<string> {
  return `GRANT ${[...RIGHTS, 'TRIGGER'].join(', ')} ON ${path(tablePath, dataSource)} TO ${await account(dataSource)};`;
}

/** What information_schema shows of the user's own rights; those of roles are not there. */
async function seesTriggers(dataSource: DataSource, { database, tableName }: InspectedTable): Promise<boolean> {
  const grantee = `GRANTEE = ? AND PRIVILEGE_TYPE = 'TRIGGER'`;
  // There quotes are not doubled.
  const user = (await accountParts(dataSource)).map((part) => `'${part}'`).join('@');
  const found = (await dataSource.query(
    `SELECT 1 FROM information_schema.USER_PRIVILEGES WHERE ${grantee}
     UNION ALL SELECT 1 FROM information_schema.SCHEMA_PRIVILEGES WHERE ${grantee} AND ? LIKE TABLE_SCHEMA
     UNION ALL SELECT 1 FROM information_schema.TABLE_PRIVILEGES WHERE ${grantee} AND TABLE_SCHEMA = ? AND TABLE_NAME = ?`,
    [user, user, database, user, database, tableName],
  )) as unknown[];
  return found.length > 0;
}

/** `'user'@'host'`, as GRANT wants it. */
async function account(dataSource: DataSource): Promise<string> {
  return (await accountParts(dataSource)).map((part) => `'${part.replaceAll("'", "''")}'`).join('@');
}

async function accountParts(dataSource: DataSource): Promise<[string, string]> {
  const [row] = (await dataSource.query('SELECT CURRENT_USER() AS account')) as [{ account: string }];
  const at = row.account.lastIndexOf('@');
  return [row.account.slice(0, at), row.account.slice(at + 1)];
}

function path(table: string, dataSource: DataSource): string {
  const parts = table.includes('.') ? table.split('.') : [String(dataSource.driver.database), table];
  return parts.map(quote).join('.');
}
