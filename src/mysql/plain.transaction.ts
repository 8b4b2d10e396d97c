import type { DataSource, QueryRunner } from 'typeorm';

/**
 * Runs `body` in a transaction of the library's own on the primary, by plain statements: the application's TypeORM
 * subscribers have nothing to do with it. A connection whose transaction cannot be ended goes to nobody else.
 */
export async function plainTransaction<T>(
  dataSource: DataSource,
  { isolation, start }: { isolation: 'READ COMMITTED' | 'REPEATABLE READ'; start: string },
  body: (runner: QueryRunner) => Promise<T>,
): Promise<T> {
  const runner = dataSource.createQueryRunner('master');
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
    const connection = (await runner.connect()) as { destroy?: () => void };
    connection.destroy?.();
    throw error;
  }
}
