import { createHash } from 'node:crypto';
import type { QueryRunner } from 'typeorm';
import type { EntityBinding } from '../entity/entity.binding.js';
import { VerificationRunningError } from '../errors.js';
import { primaryRunner } from '../mysql/statement.timeout.js';

/** MySQL's limit for the name of a lock. */
const PREFIX = 'nest-consistent:verify:';

/** One verification of a table at a time, in all instances: a lock of MySQL that lives as long as its connection. */
export class VerificationLock {
  private constructor(
    private readonly runner: QueryRunner,
    private readonly name: string,
  ) {}

  /** @throws VerificationRunningError */
  static async take(binding: EntityBinding): Promise<VerificationLock> {
    const runner = primaryRunner(binding.dataSource);
    try {
      const table = `${String(binding.driver.database)}.${binding.metadata.tablePath}`;
      const name = PREFIX + createHash('sha1').update(table).digest('base64url');
      const [row] = (await runner.query('SELECT GET_LOCK(?, 0) AS taken', [name])) as { taken: unknown }[];
      if (Number(row!.taken) === 1) return new VerificationLock(runner, name);
    } catch (error) {
      await runner.release();
      throw error;
    }
    await runner.release();
    throw new VerificationRunningError(`${binding.name} is being verified already; wait for that run.`, {
      entity: binding.name,
    });
  }

  /** Where the connection is gone, so is the lock. */
  async release(): Promise<void> {
    await this.runner.query('DO RELEASE_LOCK(?)', [this.name]).catch(() => undefined);
    await this.runner.release();
  }
}
