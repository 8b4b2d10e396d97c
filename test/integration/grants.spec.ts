import type { DynamicModule } from '@nestjs/common';
import type { TestingModule } from '@nestjs/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import { BackstopModule, BackstopService } from '../../src/binlog/index.js';
import {
  addConsistencyColumns,
  checkpointTableSql,
  createCheckpointTable,
  createParkedTable,
  dropConsistencyColumns,
  InvalidSchemaError,
  verificationTableSql,
} from '../../src/index.js';
import { grantFindings } from '../../src/cli/doctor/grant.doctor.js';
import type { InspectedTable, Inspection } from '../../src/cli/inspect/inspected.types.js';
import { CONSISTENCY_NAMES } from '../../src/mysql/consistent.migration.js';
import { serviceOf, Stores } from '../support/application.js';
import { until } from '../support/faulty.js';
import { Product, product, productRepository } from '../support/product.js';

/** The grants that docs/operations.md lists, and what happens without them. */
describe('a MySQL user with few privileges', () => {
  let stores: Stores;
  const users: string[] = [];
  const repositoryOf = (name: string) => productRepository(stores.index(name));

  beforeAll(async () => {
    stores = await Stores.create('grants');
    // The tables come from migrations that another user runs.
    await stores.start({ entities: [Product], repositories: [repositoryOf('made')] });
  });
  afterAll(async () => {
    for (const user of users) await dropUser(user);
    await stores.close();
  });

  /** Its connections too: an application that fails at start-up leaves its pool open. */
  async function dropUser(user: string): Promise<void> {
    const connections = await stores.database.query<{ id: number }>(
      'SELECT ID AS id FROM information_schema.PROCESSLIST WHERE USER = ?',
      [user],
    );
    for (const { id } of connections) await stores.database.query(`KILL ${id}`);
    await stores.database.query(`DROP USER '${user}'@'%'`);
  }

  async function userWith(grants: Record<string, string>, everywhere?: string): Promise<string> {
    const user = `nc_grants_${process.pid}_${users.length}`;
    await stores.database.query(`CREATE USER '${user}'@'%' IDENTIFIED BY 'grants'`);
    users.push(user);
    if (everywhere) await stores.database.query(`GRANT ${everywhere} ON *.* TO '${user}'@'%'`);
    for (const [table, privileges] of Object.entries(grants)) {
      await stores.database.query(`GRANT ${privileges} ON \`${stores.database.name}\`.\`${table}\` TO '${user}'@'%'`);
    }
    return user;
  }

  const start = (username: string, name: string, imports: DynamicModule[] = []) => {
    const repository = repositoryOf(name);
    const dataSource = { username, password: 'grants', synchronize: false };
    return stores
      .start({ entities: [Product], repositories: [repository], dataSource, imports })
      .then((application) => ({
        application,
        products: application.get(repository),
      }));
  };
  const ROWS = 'SELECT, INSERT, UPDATE, DELETE';

  it('can do everything with the rights on rows of the two tables', async () => {
    const user = await userWith({ product: ROWS, consistent_parked: ROWS });
    const { application, products } = await start(user, 'enough');
    const service = serviceOf(application);
    const saved = await products.save(product());
    await products.update({ id: saved.id, title: 'second' });
    await products.softRemove(saved);
    await products.recover(saved);
    expect(await products.findOneBy({ id: saved.id })).toMatchObject({ title: 'second' });
    await products.saveMany([product(), product()]);
    await service.transaction(async (unit) => {
      await unit.getRepository(repositoryClass(products)).save(product() as Product);
    });
    expect(await products.count()).toBe(4);
    await products.remove(saved);
    expect(await service.sweep()).toEqual({ claimed: 0, settled: 0, failed: 0, parked: 0 });
    expect(await service.parked.list()).toEqual([]);
  });

  it.each([
    ['the table', { consistent_parked: ROWS }, /may not see it/],
    ['the table of parked rows', { product: ROWS }, /createParkedTable/],
  ])('without rights on %s: start-up says so', async (_name, grants, message) => {
    const failed = start(await userWith(grants), 'none');
    await expect(failed).rejects.toThrow(InvalidSchemaError);
    await expect(failed).rejects.toThrow(message);
  });

  it('sees UPDATE triggers only with the TRIGGER privilege', async () => {
    await stores.database.query('CREATE TRIGGER touch BEFORE UPDATE ON product FOR EACH ROW SET NEW.stock = NEW.stock');
    const blind = await userWith({ product: ROWS, consistent_parked: ROWS });
    await expect(start(blind, 'blind')).resolves.toBeDefined();
    const seeing = await userWith({ product: `${ROWS}, TRIGGER`, consistent_parked: ROWS });
    await expect(start(seeing, 'seeing')).rejects.toThrow(/Trigger `touch` \(BEFORE UPDATE\)/);
    await stores.database.query('DROP TRIGGER touch');
  });

  it('verifies and repairs without a table of its own, and keeps the result where it has one', async () => {
    const without = await userWith({ product: ROWS, consistent_parked: ROWS });
    const first = await start(without, 'verified');
    await first.products.save(product());
    const title = `title = 'by SQL', updatedAt = updatedAt`;
    await stores.database.query(`UPDATE product SET ${title}`);
    const repaired = await serviceOf(first.application).verify(Product, { graceMs: 10, repair: true });
    expect(repaired).toMatchObject({ failed: 0, unchecked: 0, consistent: true });
    expect(repaired.repaired).toBeGreaterThan(0);

    await stores.database.query(verificationTableSql());
    const rights = { product: ROWS, consistent_parked: ROWS, consistent_verification: 'SELECT, INSERT, UPDATE' };
    const second = serviceOf((await start(await userWith(rights), 'verified')).application);
    await second.verify(Product, { graceMs: 10 });
    await second.verify(Product, { graceMs: 10 });
    expect(await second.lastVerification(Product)).toMatchObject({ state: 'complete', result: { consistent: true } });
  });

  it('follows the log with two rights on the server and three on the table of checkpoints', async () => {
    await stores.database.query(checkpointTableSql());
    const rights = { product: ROWS, consistent_parked: ROWS, consistent_checkpoint: 'SELECT, INSERT, UPDATE' };
    const user = await userWith(rights, 'REPLICATION SLAVE, REPLICATION CLIENT');
    const index = stores.index('followed');
    const { application, products } = await start(user, 'followed', [
      BackstopModule.forRoot({ checkpointIntervalMs: 50 }),
    ]);
    const backstop = application.get(BackstopService);
    await until('it leads', async () => backstop.status().state === 'leading');
    const { id } = await products.save(product());
    await stores.database.query(`UPDATE product SET title = 'by SQL' WHERE id = ?`, [id]);
    await backstop.drained();
    expect((await stores.client.get({ index, id: String(id) }))._source).toMatchObject({ title: 'by SQL' });
    await backstop.rewind('now');
    await stores.database.query('DELETE FROM product WHERE id = ?', [id]);
    await backstop.drained();
    await backstop.stop();
    expect(await doctorOf(application)).toEqual([]);
    const [saved] = await stores.database.query('SELECT gtid_set AS place FROM consistent_checkpoint');
    expect(saved!['place']).not.toBe('');
  });

  it.each(['REPLICATION SLAVE', 'REPLICATION CLIENT'])('with only %s: the backstop names the other', async (right) => {
    const rights = { product: ROWS, consistent_parked: ROWS, consistent_checkpoint: 'SELECT, INSERT, UPDATE' };
    const user = await userWith(rights, right);
    const { application } = await start(user, 'refused', [BackstopModule.forRoot({ checkpointIntervalMs: 50 })]);
    const backstop = application.get(BackstopService);
    const other = right === 'REPLICATION SLAVE' ? 'REPLICATION CLIENT' : 'REPLICATION SLAVE';
    await until('it says why', async () => backstop.status().state === 'failed');
    expect(backstop.status().reason).toContain(`GRANT ${other} ON *.* TO '${user}'@'%';`);
    await backstop.stop();
  });

  it('migrates up and down with rights on tables alone', async () => {
    await stores.database.query('CREATE TABLE adopted (id INT PRIMARY KEY)');
    const username = await userWith({
      adopted: 'SELECT, INSERT, CREATE, ALTER, INDEX',
      consistent_parked: 'CREATE',
      consistent_checkpoint: 'CREATE',
    });
    const source = new DataSource({ type: 'mysql', ...stores.database.connection, username, password: 'grants' });
    await source.initialize();
    const runner = source.createQueryRunner();
    await addConsistencyColumns(runner, 'adopted');
    await createParkedTable(runner);
    await createCheckpointTable(runner);
    await stores.database.query('INSERT INTO adopted (id) VALUES (1)');
    await dropConsistencyColumns(runner, 'adopted');
    await source.destroy();
    expect(await stores.database.query('SELECT * FROM adopted')).toEqual([{ id: 1 }]);
  });
});

/** What \`nest-consistent doctor\` has against the user's rights. */
async function doctorOf(application: TestingModule): Promise<string[]> {
  const dataSource = application.get(DataSource);
  const table = {
    dataSource,
    dataSourceName: 'default',
    database: String(dataSource.driver.database),
    tableName: 'product',
    tablePath: 'product',
    names: CONSISTENCY_NAMES,
    metadata: dataSource.getMetadata(Product),
  } as unknown as InspectedTable;
  const findings = await grantFindings(
    table,
    { backstops: [{ dataSource: 'default' }] } as unknown as Inspection,
    true,
  );
  return findings.filter(({ severity }) => severity === 'error').map(({ fix }) => fix);
}

function repositoryClass(repository: object) {
  return repository.constructor as ReturnType<typeof productRepository>;
}
