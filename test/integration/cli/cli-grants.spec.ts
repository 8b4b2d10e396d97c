import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fileURLToPath } from 'node:url';
import { checkpointTableSql, parkedTableSql, reindexTableSql, verificationTableSql } from '../../../src/index.js';
import { Stores } from '../../support/application.js';
import { type CliEnd, runCli } from '../../support/cli.run.js';
import { Product, product, productRepository } from '../../support/product.js';
import { elasticsearchUrl } from '../../support/servers.js';

const APP = fileURLToPath(new URL('./fixture/app.mjs', import.meta.url));
const LONG_MS = 600_000;
/** As docs/operations.md lists them. */
const GRANTS = {
  product: 'SELECT, INSERT, UPDATE, DELETE, TRIGGER',
  consistent_parked: 'SELECT, INSERT, UPDATE, DELETE',
  consistent_verification: 'SELECT, INSERT, UPDATE',
  consistent_reindex: 'SELECT, INSERT, UPDATE',
  consistent_checkpoint: 'SELECT, INSERT, UPDATE',
};

describe('the command line as a MySQL user with few privileges', () => {
  let stores: Stores;
  const users: string[] = [];

  beforeAll(async () => {
    stores = await Stores.create('cli-grants');
    const repository = productRepository(stores.index('products'));
    const owner = await stores.start({ entities: [Product], repositories: [repository] });
    await owner.get(repository).saveMany([product(), product(), product()]);
    for (const sql of [parkedTableSql(), verificationTableSql(), reindexTableSql(), checkpointTableSql()])
      await stores.database.query(sql);
  }, LONG_MS);
  afterAll(async () => {
    for (const user of users) await stores.database.query(`DROP USER '${user}'@'%'`);
    await stores.close();
  });

  async function userWith(grants: Record<string, string>, log = true): Promise<string> {
    const user = `nc_cli_${process.pid}_${users.length}`;
    await stores.database.query(`CREATE USER '${user}'@'%' IDENTIFIED BY 'grants'`);
    users.push(user);
    for (const [table, rights] of Object.entries(grants)) {
      await stores.database.query(`GRANT ${rights} ON \`${stores.database.name}\`.\`${table}\` TO '${user}'@'%'`);
    }
    if (log) await stores.database.query(`GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO '${user}'@'%'`);
    return user;
  }

  function cli(user: string, ...args: string[]): Promise<CliEnd> {
    const url = new URL(stores.database.url);
    [url.username, url.password] = [user, 'grants'];
    const env = {
      APP_MYSQL_URL: url.href,
      APP_ELASTICSEARCH_URL: elasticsearchUrl(),
      APP_INDEX: stores.index('products'),
    };
    return runCli([...args, '--app', APP, '--json'], { env });
  }

  const about = ({ stdout }: CliEnd, subject: string) =>
    (JSON.parse(stdout) as { findings: { subject: string; fix: string; severity: string }[] }).findings.filter((one) =>
      one.subject.includes(subject),
    );

  it(
    'does everything but migrate with the rights that are documented',
    async () => {
      const user = await userWith(GRANTS);
      expect(about(await cli(user, 'doctor'), 'table')).toEqual([]);
      await stores.database.query(`UPDATE product SET title = 'by SQL' WHERE id = 1`);
      const verified = await cli(user, 'verify');
      expect(verified.code).toBe(1);
      expect(JSON.parse(verified.stdout)).toEqual({
        rows: 3,
        documents: 3,
        missing: 0,
        stale: 1,
        foreign: 0,
        orphaned: 0,
        seconds: expect.any(Number),
      });
      expect(verified.stderr).toContain('the application prints this');
      expect(verified.stderr).not.toContain('verifications are not kept');
      expect((await cli(user, 'repair')).code).toBe(0);
      expect((await cli(user, 'sweep')).stdout).toBe('{"claimed":0,"settled":0,"failed":0,"parked":0}\n');
      expect(await cli(user, 'parked', 'list')).toMatchObject({ code: 0, stdout: '[]\n' });
      expect((await cli(user, 'migrate')).stdout).toBe('{"statements":[],"applied":false}\n');
      expect((await cli(user, 'backstop', 'rewind', '--now')).code).toBe(0);
      const status = await cli(user, 'status');
      expect(status.stderr).not.toContain('nest-consistent:');
      expect(JSON.parse(status.stdout)).toMatchObject({
        tables: [{ entity: 'Product', undecided: 0, parked: 0, documents: 3, verified: { consistent: true } }],
        backstops: [{ leading: false, toVerify: { [`${stores.database.name}.product`]: expect.any(String) } }],
      });
    },
    LONG_MS,
  );

  it(
    'is told the statement that mends each missing right',
    async () => {
      const user = await userWith({ ...GRANTS, product: 'SELECT, INSERT', consistent_parked: 'SELECT' }, false);
      const end = await cli(user, 'doctor');
      expect(end.code).toBe(1);
      const fixes = about(end, '').map(({ fix }) => fix);
      const { name } = stores.database;
      for (const fix of [
        `GRANT UPDATE, DELETE ON \`${name}\`.\`product\` TO '${user}'@'%';`,
        `GRANT TRIGGER ON \`${name}\`.\`product\` TO '${user}'@'%';`,
        `GRANT INSERT, UPDATE, DELETE ON \`${name}\`.\`consistent_parked\` TO '${user}'@'%';`,
        `GRANT REPLICATION CLIENT ON *.* TO '${user}'@'%';`,
      ]) {
        expect(fixes).toContain(fix);
        await stores.database.query(fix);
      }
      expect(about(await cli(user, 'doctor'), 'table')).toEqual([]);
    },
    LONG_MS,
  );
});
