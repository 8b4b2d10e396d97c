import { afterEach, describe, expect, it } from '@jest/globals';
import { createTestDatabase, deleteIndices, elasticsearchUrl, indexPrefix, mysqlUrl } from '../support/servers.js';

const savedEnv = { ...process.env };
afterEach(() => {
  process.env = { ...savedEnv };
});

describe('servers of a test file', () => {
  it('fails with the command to use when there is no server', () => {
    delete process.env.MYSQL_URL;
    delete process.env.ELASTICSEARCH_URL;
    expect(() => mysqlUrl()).toThrow(/MYSQL_URL is not set.*npm test -- <file>/);
    expect(() => elasticsearchUrl()).toThrow(/ELASTICSEARCH_URL is not set.*npm test -- <file>/);
  });

  it('gives every call a database of its own, and removes it', async () => {
    const [one, two] = await Promise.all([createTestDatabase('Weird name; --'), createTestDatabase('Weird name; --')]);
    expect(one.name).not.toBe(two.name);
    await one.query('CREATE TABLE t (id BIGINT PRIMARY KEY)');
    await one.query('INSERT INTO t VALUES (?)', ['9007199254740993']);
    expect(await one.query('SELECT id FROM t')).toEqual([{ id: '9007199254740993' }]);
    expect(await two.query('SHOW TABLES')).toEqual([]);
    await Promise.all([one.drop(), two.drop()]);
    await expect(one.query('SELECT 1')).rejects.toThrow(/Unknown database/);
  });

  it('deletes the indices of one prefix and no others', async () => {
    const [mine, other] = [indexPrefix('x'), indexPrefix('x')];
    for (const index of [`${mine}a`, `${mine}b`, `${other}a`]) {
      await fetch(`${elasticsearchUrl()}/${index}`, { method: 'PUT' });
    }
    await deleteIndices(mine);
    const status = async (index: string) => (await fetch(`${elasticsearchUrl()}/${index}`, { method: 'HEAD' })).status;
    expect(await Promise.all([`${mine}a`, `${mine}b`, `${other}a`].map(status))).toEqual([404, 404, 200]);
    await deleteIndices(other);
  });
});
