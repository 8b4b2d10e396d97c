import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import { type LockedWork, NamedLock } from '../../src/mysql/named.lock.js';
import { createTestDatabase, type TestDatabase } from '../support/servers.js';

describe('NamedLock', () => {
  let database: TestDatabase;
  let dataSource: DataSource;

  beforeAll(async () => {
    database = await createTestDatabase('named-lock');
    dataSource = await new DataSource({ type: 'mysql', ...database.connection }).initialize();
  });
  afterAll(async () => {
    await dataSource?.destroy();
    await database?.drop();
  });

  const holderOf = async (name: string): Promise<number | null> => {
    const [row] = await database.query<{ holder: number | null }>('SELECT IS_USED_LOCK(?) AS holder', [name]);
    return row!.holder;
  };

  // The names stand here as earlier versions made them: were they others, two versions would work on one index at once.
  it.each<[LockedWork, string]>([
    ['reindex', 'nest-consistent:reindex:'],
    ['verify', 'nest-consistent:verify:'],
  ])('is held under the same name by every version: %s', async (work, prefix) => {
    const name = prefix + createHash('sha1').update(`${database.name}.products`).digest('base64url');
    expect(await holderOf(name)).toBeNull();
    const lock = await NamedLock.take(dataSource, work, 'products');
    expect(await holderOf(name)).not.toBeNull();
    await lock!.release();
    expect(await holderOf(name)).toBeNull();
  });

  it('is given to one at a time, for each work and subject', async () => {
    const lock = await NamedLock.take(dataSource, 'verify', 'products');
    expect(await NamedLock.take(dataSource, 'verify', 'products')).toBeNull();
    const others = [
      await NamedLock.take(dataSource, 'reindex', 'products'),
      await NamedLock.take(dataSource, 'verify', 'orders'),
    ];
    expect(others).not.toContain(null);
    await lock!.release();
    const next = await NamedLock.take(dataSource, 'verify', 'products');
    expect(next).not.toBeNull();
    for (const each of [next, ...others]) await each!.release();
  });
});
