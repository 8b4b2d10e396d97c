import { createHash } from 'node:crypto';
import type { DataSource, QueryRunner } from 'typeorm';
import { primaryRunner } from './statement.timeout.js';

/** What a process does while it holds the lock. */
export type LockedWork = 'reindex' | 'verify';

/**
 * One process at a time works on something of a database: a lock of MySQL that lives as long as its connection. Instances of
 * other versions compete for it too, so its name never changes.
 */
export class NamedLock {
  private constructor(
    private readonly runner: QueryRunner,
    private readonly name: string,
  ) {}

  /** Null where somebody has it. Never waits. */
  static async take(dataSource: DataSource, work: LockedWork, subject: string): Promise<NamedLock | null> {
    const runner = primaryRunner(dataSource);
    try {
      const name = lockName(work, `${String(dataSource.driver.database)}.${subject}`);
      const [row] = (await runner.query('SELECT GET_LOCK(?, 0) AS taken', [name])) as { taken: unknown }[];
      if (Number(row!.taken) === 1) return new NamedLock(runner, name);
    } catch (error) {
      await runner.release();
      throw error;
    }
    await runner.release();
    return null;
  }

  /** Where the connection is gone, so is the lock. */
  async release(): Promise<void> {
    await this.runner.query('DO RELEASE_LOCK(?)', [this.name]).catch(() => undefined);
    await this.runner.release();
  }
}

/** MySQL takes 64 characters; the names of tables and aliases are longer, so only their hash fits. */
function lockName(work: LockedWork, subject: string): string {
  return `nest-consistent:${work}:${createHash('sha1').update(subject).digest('base64url')}`;
}
