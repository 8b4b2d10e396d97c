import type { Connection, Pool, PoolConnection } from 'mysql2';
import { createPool, format } from 'mysql2';
import type { DataSource } from 'typeorm';

/** Prepares under way at the same time, and one to spare for a ROLLBACK that takes long. */
const CONNECTIONS = 4;

/** A batch that came to nothing. `lost`: the connection broke, so its COMMIT may have been carried out. */
export class BatchFailed extends Error {
  constructor(
    readonly lost: boolean,
    cause: unknown,
  ) {
    super((cause as Error).message, { cause });
  }
}

/**
 * A few connections of the library's own that take several statements in one round trip, which an application's pool
 * rightly does not. Made from the DataSource's options, on first use; only statements of row.statements and
 * group.statements go here, with every value escaped.
 */
export class StatementPool {
  private pool: Pool | undefined;

  constructor(private readonly dataSource: DataSource) {}

  /** Values as this connection writes them: the time zone of dates is the DataSource's. */
  format(sql: string, values: readonly unknown[]): string {
    const { timezone } = this.dataSource.options as { timezone?: string };
    return format(sql, [...values] as string[], true, (timezone ?? 'local') as 'local');
  }

  /** Runs statements on one connection in turn: each call of `step` is one round trip. Rolls back what fails. */
  async session<T>(body: (step: (sql: string) => Promise<unknown[]>) => Promise<T>): Promise<T> {
    const connection = await this.connect();
    try {
      const result = await body((sql) => run(connection, sql));
      connection.release();
      return result;
    } catch (error) {
      const { fatal, sqlState } = error as { fatal?: boolean; sqlState?: string };
      const lost = sqlState === undefined || fatal === true;
      if (!lost) {
        await run(connection, 'ROLLBACK').then(
          () => connection.release(),
          () => connection.destroy(),
        );
      } else connection.destroy();
      throw new BatchFailed(lost && isDriverError(error), error);
    }
  }

  async close(): Promise<void> {
    const { pool } = this;
    this.pool = undefined;
    if (pool) await new Promise<void>((resolve) => pool.end(() => resolve()));
  }

  private connect(): Promise<PoolConnection> {
    this.pool ??= this.open();
    return new Promise((resolve, reject) => {
      this.pool!.getConnection((error, connection) => (error ? reject(error) : resolve(connection)));
    });
  }

  private open(): Pool {
    const driver = this.dataSource.driver as unknown as {
      createConnectionOptions(options: object, credentials: object): object;
    };
    const options = this.dataSource.options as { replication?: { master: object } };
    const credentials = options.replication?.master ?? options;
    const pool = createPool({
      ...driver.createConnectionOptions(options, credentials),
      multipleStatements: true,
      connectionLimit: CONNECTIONS,
      typeCast: true,
    });
    // Escaping relies on the backslash.
    pool.on('connection', (connection: Connection) => {
      connection.query(
        `SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; SET SESSION sql_mode = REPLACE(@@sql_mode, 'NO_BACKSLASH_ESCAPES', '')`,
      );
    });
    return pool;
  }
}

function run(connection: PoolConnection, sql: string): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    connection.query(sql, (error, results) => (error ? reject(error) : resolve(results as unknown[])));
  });
}

function isDriverError(error: unknown): boolean {
  return (error as { code?: unknown }).code !== undefined;
}
