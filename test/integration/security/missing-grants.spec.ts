import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createConnection } from 'mysql2/promise';
import { examine } from '../../../src/cli/doctor/doctor.js';
import { inspectUrls } from '../../../src/cli/inspect/url.inspector.js';
import {
  checkpointTableSql,
  consistentColumnsUp,
  parkedTableSql,
  reindexTableSql,
  verificationTableSql,
} from '../../../src/index.js';
import { createTestDatabase, mysqlUrl, type TestDatabase } from '../../support/servers.js';
import { documentedGrants } from './documented.grants.js';

/** The page's grants, each left out once: the doctor names the statement, and running it makes the user as the page wants it. */
describe('a grant that is missing', () => {
  let database: TestDatabase;
  const users: string[] = [];

  beforeAll(async () => {
    database = await createTestDatabase('missing-grants');
    await database.query('CREATE TABLE film (id INT PRIMARY KEY AUTO_INCREMENT, title VARCHAR(99))');
    for (const sql of consistentColumnsUp('film')) await database.query(sql);
    for (const sql of [parkedTableSql(), verificationTableSql(), reindexTableSql(), checkpointTableSql()])
      await database.query(sql);
  });
  afterAll(async () => {
    await database.drop();
    const root = await createConnection({ uri: mysqlUrl() });
    for (const user of users) await root.query(`DROP USER ${user}`);
    await root.end();
  });

  /** Names with what breaks a statement that does not quote them. */
  const nameOf = (serial: number): string => `nc@o'${process.pid}_${serial}`;
  const written = (name: string): string => `'${name.replaceAll("'", "''")}'@'%'`;

  async function userWith(statements: readonly string[]): Promise<string> {
    const name = nameOf(users.length);
    users.push(written(name));
    await database.query(`CREATE USER ${written(name)} IDENTIFIED BY 'grants'`);
    for (const statement of statements) await database.query(statement);
    return name;
  }
  const grantsOf = async (name: string): Promise<string[]> =>
    (await database.query(`SHOW GRANTS FOR ${written(name)}`))
      .flatMap((row) => Object.values(row) as string[])
      .map((grant) => grant.replaceAll(/TO .*$/g, ''))
      .toSorted();

  async function doctor(name: string) {
    const url = new URL(database.url);
    [url.username, url.password] = [encodeURIComponent(name), 'grants'];
    const inspection = await inspectUrls({ mysql: url.href, table: 'film' });
    try {
      return await examine(inspection, true, new AbortController().signal);
    } finally {
      await inspection.close();
    }
  }

  /** The page says what it says: one test for each of its statements. */
  const statements = documentedGrants('x', 'y').map((grant, at) => [grant.replaceAll(/`x`\.|TO .*/g, ''), at] as const);

  it.each(statements)('%s', async (_name, left) => {
    const whole = (name: string): string[] => documentedGrants(database.name, name.replaceAll("'", "''"));
    const lacking = await userWith(whole(nameOf(users.length)).filter((_, at) => at !== left));
    const findings = await doctor(lacking);
    const fixes = findings.flatMap(({ fix }) => fix.match(/GRANT [^;]*;/g) ?? []);
    expect(fixes).not.toEqual([]);
    for (const fix of fixes) await database.query(fix);
    const granted = await grantsOf(lacking);
    const right = await userWith(whole(nameOf(users.length)));
    expect(granted).toEqual(await grantsOf(right));
    expect(await doctor(lacking)).toEqual([]);
  });
});
