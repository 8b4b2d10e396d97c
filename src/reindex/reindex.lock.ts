import { createHash } from 'node:crypto';
import type { DataSource, QueryRunner } from 'typeorm';
import { ReindexRunningError } from '../errors.js';
import { primaryRunner } from '../mysql/statement.timeout.js';

const PREFIX = 'nest-consistent:reindex:';

/**
 * One process at a time works on the index of an alias: a lock of MySQL that lives as long as its connection. It spares two of
 * them the work of each other; what keeps them from harm is the epoch.
 */
export class ReindexLock {
  private constructor(
    private readonly runner: QueryRunner,
    private readonly name: string,
  ) {}

  /** @throws ReindexRunningError */
  static async take(dataSource: DataSource, alias: string): Promise<ReindexLock> {
    const runner = primaryRunner(dataSource);
    try {
      const name =
        PREFIX +
        createHash('sha1')
          .update(`${String(dataSource.driver.database)}.${alias}`)
          .digest('base64url');
      const [row] = (await runner.query('SELECT GET_LOCK(?, 0) AS taken', [name])) as { taken: unknown }[];
      if (Number(row!.taken) === 1) return new ReindexLock(runner, name);
    } catch (error) {
      await runner.release();
      throw error;
    }
    await runner.release();
    throw new ReindexRunningError(`The index of "${alias}" is being worked on already; wait for that run.`, { alias });
  }

  /** Where the connection is gone, so is the lock. */
  async release(): Promise<void> {
    await this.runner.query('DO RELEASE_LOCK(?)', [this.name]).catch(() => undefined);
    await this.runner.release();
  }
}
