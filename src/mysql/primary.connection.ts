import type { DataSource, EntityManager } from 'typeorm';
import { primaryRunner } from './statement.timeout.js';

/** Whether TypeORM sends plain reads of this DataSource to replicas. */
export function isReplicated({ options }: DataSource): boolean {
  return 'replication' in options && Boolean(options.replication);
}

/**
 * Runs a read on the primary, within the statements' limit: TypeORM itself would take a replica, which may hold an old
 * `commit` row, and wait for it without limit.
 */
export async function onPrimary<T>(dataSource: DataSource, read: (manager: EntityManager) => Promise<T>): Promise<T> {
  const runner = primaryRunner(dataSource);
  try {
    return await read(runner.manager);
  } finally {
    await runner.release();
  }
}
