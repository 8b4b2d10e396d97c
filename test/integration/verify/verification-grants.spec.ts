import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { verificationTableSql, type VerifyResult } from '../../../src/index.js';
import { serviceOf, Stores } from '../../support/application.js';
import { Product, product, productRepository } from '../../support/product.js';

const ROWS = 'SELECT, INSERT, UPDATE, DELETE';

describe('verification by a MySQL user with few privileges', () => {
  let stores: Stores;
  const user = `nc_verify_${process.pid}`;

  beforeAll(async () => {
    stores = await Stores.create('verify-grants');
    const repository = productRepository(stores.index('products'));
    const owner = await stores.start({ entities: [Product], repositories: [repository] });
    await owner.get(repository).save(product());
    await stores.database.query(`CREATE USER '${user}'@'%' IDENTIFIED BY 'grants'`);
    for (const table of ['product', 'consistent_parked']) await grant(table, ROWS);
  });
  afterAll(async () => {
    await stores.database.query(`DROP USER '${user}'@'%'`);
    await stores.close();
  });

  async function grant(table: string, privileges: string): Promise<void> {
    await stores.database.query(`GRANT ${privileges} ON \`${stores.database.name}\`.\`${table}\` TO '${user}'@'%'`);
  }

  async function verified(): Promise<{ result: VerifyResult; kept: unknown }> {
    const application = await stores.start({
      entities: [Product],
      repositories: [productRepository(stores.index('products'))],
      dataSource: { username: user, password: 'grants', synchronize: false },
    });
    const service = serviceOf(application);
    const result = await service.verify(Product, { repair: true });
    const kept = await service.lastVerification(Product);
    await application.close();
    return { result, kept };
  }

  it('without the table: verified, not kept', async () => {
    const { result, kept } = await verified();
    expect(result).toMatchObject({ rows: 1, documents: 1, consistent: true });
    expect(kept).toBeNull();
  });

  it('with the table made by somebody else, and rights on its rows: kept', async () => {
    await stores.database.query(verificationTableSql());
    await grant('consistent_verification', 'SELECT, INSERT, UPDATE');
    const { result, kept } = await verified();
    expect(kept).toMatchObject({ state: 'complete', result: { rows: result.rows, consistent: true } });
  });
});
