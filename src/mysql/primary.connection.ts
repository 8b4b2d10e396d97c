import type { DataSource, EntityManager } from 'typeorm';

/** Whether TypeORM sends plain reads of this DataSource to replicas. */
export function isReplicated({ options }: DataSource): boolean {
  return 'replication' in options && Boolean(options.replication);
}

/** Runs a read on the primary: TypeORM itself would take a replica, which may hold an old `commit` row. */
export async function onPrimary<T>(dataSource: DataSource, read: (manager: EntityManager) => Promise<T>): Promise<T> {
  if (!isReplicated(dataSource)) return read(dataSource.manager);
  const runner = dataSource.createQueryRunner('master');
  try {
    return await read(runner.manager);
  } finally {
    await runner.release();
  }
}
