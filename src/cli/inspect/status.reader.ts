import type { Client } from '@elastic/elasticsearch';
import type { DataSource } from 'typeorm';
import { quote } from '../../mysql/identifier.js';
import { type Ask, estimateRows, tableExists } from '../../mysql/table.facts.js';
import type { VerifyResult } from '../../verify/verify.types.js';
import { type BackstopFacts, readBackstops } from './backstop.reader.js';
import type { InspectedTable, Inspection } from './inspected.types.js';

export interface TableFacts {
  readonly entity: string;
  readonly table: string;
  /** MySQL's estimate. */
  readonly estimatedRows: number;
  /** Rows that are undecided now. */
  readonly undecided: number;
  /** Those whose deadline has passed: a sweeper would settle them. */
  readonly overdue: number;
  /** How long the oldest of those has been overdue, in seconds. */
  readonly oldestOverdueSeconds: number | null;
  readonly parked: number;
  readonly alias: string | null;
  /** The index behind the alias; null where there is none. */
  readonly index: string | null;
  /** As of the last refresh. */
  readonly documents: number | null;
  readonly verified: VerifiedFacts | null;
}

export interface VerifiedFacts {
  readonly state: string;
  /** UTC. */
  readonly at: string;
  readonly consistent: boolean | null;
}

export interface StatusReport {
  readonly tables: readonly TableFacts[];
  /** Of each DataSource that is followed. */
  readonly backstops: readonly BackstopFacts[];
  /** What is not as it should be, in words. */
  readonly problems: readonly string[];
}

/** A sweeper comes each second by default; a minute is too late for any. */
const OVERDUE_SECONDS = 60;

export async function readStatus(inspection: Inspection): Promise<StatusReport> {
  const tables: TableFacts[] = [];
  for (const table of inspection.tables) tables.push(await readTable(table, inspection.client));
  const backstops = await readBackstops(inspection);
  return { tables, backstops, problems: problemsOf(tables, backstops) };
}

function problemsOf(tables: readonly TableFacts[], backstops: readonly BackstopFacts[]): string[] {
  const problems: string[] = [];
  for (const { table, parked, oldestOverdueSeconds, overdue, alias, index, verified } of tables) {
    if (parked > 0) problems.push(`${table}: ${parked} parked rows: nest-consistent parked list`);
    if ((oldestOverdueSeconds ?? 0) > OVERDUE_SECONDS) {
      problems.push(
        `${table}: ${overdue} rows wait for a sweeper since ${oldestOverdueSeconds} s: nest-consistent sweep`,
      );
    }
    if (alias && !index) problems.push(`${table}: the alias ${alias} leads to no index: nest-consistent repair`);
    if (verified?.consistent === false)
      problems.push(`${table}: the last verification found differences: nest-consistent repair`);
  }
  for (const { leading, dataSource, toVerify } of backstops) {
    const which = backstops.length > 1 ? ` of the DataSource ${dataSource}` : '';
    if (!leading) problems.push(`no instance leads the backstop${which}: is the application running?`);
    for (const [table, reason] of Object.entries(toVerify)) {
      problems.push(`${table} is to be verified (${reason}): the leader does it, or nest-consistent repair`);
    }
  }
  return problems;
}

async function readTable(table: InspectedTable, client: Client | null): Promise<TableFacts> {
  const { dataSource, database, tableName, names, alias } = table;
  const path = `${quote(database)}.${quote(tableName)}`;
  const deadline = quote(names.deadline);
  // Through the index on the deadline: only undecided rows have one. A lease postpones it.
  const [counts] = (await dataSource.query(
    `SELECT COUNT(*) AS undecided, COALESCE(SUM(${deadline} < UTC_TIMESTAMP(6)), 0) AS overdue,
       TIMESTAMPDIFF(SECOND, MIN(${deadline}), UTC_TIMESTAMP(6)) AS oldest FROM ${path} WHERE ${deadline} IS NOT NULL`,
  )) as [{ undecided: string; overdue: string; oldest: string | null }];
  const overdue = Number(counts.overdue);
  return {
    entity: table.name,
    table: tableName,
    estimatedRows: await estimateRows(askOf(dataSource), database, tableName),
    undecided: Number(counts.undecided),
    overdue,
    oldestOverdueSeconds: overdue > 0 ? Number(counts.oldest) : null,
    parked: await parkedOf(table),
    alias,
    ...(alias && client ? await indexOf(client, alias) : { index: null, documents: null }),
    verified: await verifiedOf(table),
  };
}

async function parkedOf({ dataSource, tablePath }: InspectedTable): Promise<number> {
  if (!(await tableExists(askOf(dataSource), 'consistent_parked'))) return 0;
  const sql = 'SELECT COUNT(*) AS n FROM consistent_parked WHERE table_name = ?';
  const [row] = (await dataSource.query(sql, [tablePath])) as [{ n: string }];
  return Number(row.n);
}

async function verifiedOf({ dataSource, tablePath }: InspectedTable): Promise<VerifiedFacts | null> {
  if (!(await tableExists(askOf(dataSource), 'consistent_verification'))) return null;
  const [row] = (await dataSource.query(
    `SELECT state, CAST(updated_at AS CHAR) AS at, CAST(result AS CHAR) AS result FROM consistent_verification
     WHERE table_name = ?`,
    [tablePath],
  )) as { state: string; at: string; result: string | null }[];
  if (!row) return null;
  const result = row.result ? (JSON.parse(row.result) as VerifyResult) : null;
  return { state: row.state, at: row.at.slice(0, 19), consistent: result?.consistent ?? null };
}

function askOf(dataSource: DataSource): Ask {
  return (sql, values) => dataSource.query(sql, values);
}

async function indexOf(client: Client, alias: string): Promise<{ index: string | null; documents: number | null }> {
  const found = await client.indices.getAlias({ name: alias }).catch((error: { meta?: { statusCode?: number } }) => {
    if (error.meta?.statusCode === 404) return {};
    throw error;
  });
  const index = Object.keys(found)[0] ?? null;
  if (!index) return { index: null, documents: null };
  return { index, documents: (await client.count({ index: alias })).count };
}
