import type { DataSource, QueryRunner } from 'typeorm';
import { discardConnection, primaryRunner } from './statement.timeout.js';

export interface PlainTransaction {
  readonly isolation: 'READ COMMITTED' | 'REPEATABLE READ';
  /** The statement that begins it. */
  readonly start: string;
}

/**
 * Runs `body` in a transaction of the library's own on the primary, by plain statements: the application's TypeORM
 * subscribers have nothing to do with it. A connection whose transaction cannot be ended goes to nobody else.
 */
export async function plainTransaction<T>(
  dataSource: DataSource,
  { isolation, start }: PlainTransaction,
  body: (runner: QueryRunner) => Promise<T>,
): Promise<T> {
  const runner = primaryRunner(dataSource);
  try {
    await runner.query(`SET TRANSACTION ISOLATION LEVEL ${isolation}`);
    await runner.query(start);
    const result = await body(runner).catch(async (error: unknown) => {
      await end(runner, 'ROLLBACK').catch(() => undefined);
      throw error;
    });
    await end(runner, 'COMMIT');
    return result;
  } finally {
    await runner.release();
  }
}

async function end(runner: QueryRunner, statement: 'COMMIT' | 'ROLLBACK'): Promise<void> {
  try {
    await runner.query(statement);
  } catch (error) {
    discardConnection(runner);
    throw error;
  }
}
