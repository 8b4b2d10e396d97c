import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { InvalidSchemaError } from '../../src/index.js';
import { serviceOf, Stores } from '../support/application.js';
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

  async function userWith(grants: Record<string, string>): Promise<string> {
    const user = `nc_grants_${process.pid}_${users.length}`;
    await stores.database.query(`CREATE USER '${user}'@'%' IDENTIFIED BY 'grants'`);
    users.push(user);
    for (const [table, privileges] of Object.entries(grants)) {
      await stores.database.query(`GRANT ${privileges} ON \`${stores.database.name}\`.\`${table}\` TO '${user}'@'%'`);
    }
    return user;
  }

  const start = (username: string, name: string) => {
    const repository = repositoryOf(name);
    const dataSource = { username, password: 'grants', synchronize: false };
    return stores.start({ entities: [Product], repositories: [repository], dataSource }).then((application) => ({
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
});

function repositoryClass(repository: object) {
  return repository.constructor as ReturnType<typeof productRepository>;
}
