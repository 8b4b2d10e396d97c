import type { DataSource, QueryRunner } from 'typeorm';
import { addConsistencyColumns, checkpointTableSql, parkedTableSql } from '../../mysql/consistent.migration.js';
import { reindexTableSql } from '../../reindex/reindex.store.js';
import { verificationTableSql } from '../../verify/verification.store.js';
import type { InspectedTable, Inspection } from './inspected.types.js';

/** Statements that a database lacks, in order. */
export interface MigrationPlan {
  readonly dataSourceName: string;
  readonly statements: readonly string[];
}

const TABLES = ['consistent_parked', 'consistent_verification', 'consistent_reindex', 'consistent_checkpoint'] as const;

/** What is missing in each database of the protocol's columns, its index and its tables. Changes nothing. */
export async function planMigration(inspection: Inspection): Promise<MigrationPlan[]> {
  const plans: MigrationPlan[] = [];
  for (const [dataSourceName, dataSource] of inspection.dataSources) {
    const tables = inspection.tables.filter((table) => table.dataSource === dataSource);
    const statements: string[] = [];
    for (const table of tables) statements.push(...(await missingColumns(table)));
    for (const name of await missingTables(dataSource)) {
      if (name === 'consistent_parked') statements.push(parkedTableSql());
      else if (name === 'consistent_verification') statements.push(verificationTableSql());
      else if (name === 'consistent_reindex') statements.push(reindexTableSql());
      else if (inspection.backstops.some(({ dataSource: followed }) => followed === dataSourceName))
        statements.push(checkpointTableSql());
    }
    plans.push({ dataSourceName, statements });
  }
  return plans;
}

/**
 * What `addConsistencyColumns` would run.
 * @throws InvalidSchemaError as that does
 */
export async function missingColumns({ dataSource, tablePath, names }: InspectedTable): Promise<string[]> {
  const statements: string[] = [];
  const recorder = {
    dataSource,
    query: async (sql: string, parameters?: unknown[]): Promise<unknown> => {
      if (/^\s*SELECT\b/i.test(sql)) return dataSource.query(sql, parameters);
      statements.push(sql);
      return [];
    },
  } as unknown as QueryRunner;
  await addConsistencyColumns(recorder, tablePath, { names });
  return statements;
}

/** Runs what is missing. MySQL commits each statement by itself; running it again goes on where it ended. */
export async function applyMigration(
  inspection: Inspection,
  plans: readonly MigrationPlan[],
  done: (statement: string) => void,
): Promise<void> {
  for (const { dataSourceName, statements } of plans) {
    const dataSource = inspection.dataSources.get(dataSourceName)!;
    const runner = dataSource.createQueryRunner('master');
    try {
      for (const { tablePath, names } of inspection.tables.filter((table) => table.dataSource === dataSource)) {
        await addConsistencyColumns(runner, tablePath, { names });
      }
      for (const statement of statements) {
        if (statement.startsWith('CREATE TABLE')) await runner.query(statement);
        done(statement);
      }
    } finally {
      await runner.release();
    }
  }
}

async function missingTables(dataSource: DataSource): Promise<string[]> {
  const found = (await dataSource.query(
    'SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN (?)',
    [TABLES],
  )) as { name: string }[];
  return TABLES.filter((name) => !found.some((one) => one.name === name));
}
