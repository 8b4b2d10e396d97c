import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { ConsistentService } from '../../../src/index.js';
import { serviceOf, Stores } from '../../support/application.js';
import { until } from '../../support/faulty.js';
import { Product, product, type ProductRepository, productRepository } from '../../support/product.js';
import { NEW_MAPPINGS } from './reindex.fixture.js';

const OPTIONS = { mappings: NEW_MAPPINGS, lateRequestMs: 0, barrierMs: 20_000 };
const ROWS = 'SELECT, INSERT, UPDATE, DELETE';

/** It would write to one of the two indices only. So would an older version of the library, which asks for no such table. */
describe('an instance whose user may not see consistent_reindex', () => {
  const user = `nc_unseen_${process.pid}`;
  let stores: Stores;
  let service: ConsistentService;
  let seeing: ProductRepository;
  let blind: ProductRepository;
  let alias: string;

  beforeAll(async () => {
    stores = await Stores.create('reindex-unseen');
    alias = stores.index('products');
    const repository = productRepository(alias);
    const application = await stores.start({ entities: [Product], repositories: [repository] });
    service = serviceOf(application);
    seeing = application.get(repository);
    await stores.database.query(`CREATE USER '${user}'@'%' IDENTIFIED BY 'unseen'`);
    for (const table of ['product', 'consistent_parked'])
      await grant(`${ROWS} ON \`${stores.database.name}\`.${table}`);
    blind = await blindOne();
  });
  afterEach(async () => {
    if ((await service.reindexStatus(Product))?.phase !== 'idle') await service.finishReindex(Product);
  });
  afterAll(async () => {
    await stores.close();
    await stores.database.query(`DROP USER '${user}'@'%'`).catch(() => undefined);
  });

  const grant = (rights: string) => stores.database.query(`GRANT ${rights} TO '${user}'@'%'`);
  async function blindOne(options: Parameters<typeof productRepository>[1] = {}): Promise<ProductRepository> {
    const repository = productRepository(alias, options);
    const dataSource = { username: user, password: 'unseen', synchronize: false };
    return (await stores.start({ entities: [Product], repositories: [repository], dataSource })).get(repository);
  }
  const refused = async (write: Promise<unknown>) => {
    await expect(write).rejects.toMatchObject({
      code: 'INDEX_ACCESS',
      message: expect.stringMatching(/GRANT SELECT, INSERT, UPDATE ON .*consistent_reindex/),
    });
  };
  const isForWriting = async () => {
    const found = Object.values(await stores.client.indices.getAlias({ name: alias }));
    expect(found).toHaveLength(1);
    return found[0]!.aliases[alias]!.is_write_index;
  };

  it('is told so from the beginning of a reindex on, and nothing differs in the end', async () => {
    const kept = await blind.save(product({ title: 'kept' }) as Product);
    const removed = await blind.save(product({ title: 'to be removed' }) as Product);
    const during: Promise<unknown>[] = [];
    await service.reindex(Product, {
      ...OPTIONS,
      onProgress: ({ step }) => {
        if (step === 'verifying')
          during.push(refused(blind.update({ id: kept.id, title: 'past the follower' } as Product)));
      },
    });
    await Promise.all(during);
    expect(during.length).toBeGreaterThan(0);
    await refused(blind.update({ id: kept.id, title: 'to the former index' } as Product));
    await refused(blind.insert(product() as Product));
    await refused(blind.remove((await blind.findOneBy({ id: removed.id }))!));
    expect(await isForWriting()).toBe(false);
    expect(await service.verify(Product)).toMatchObject({ consistent: true, rows: 2, documents: 2 });

    // One that starts meanwhile, too.
    await refused((await blindOne({ mappings: NEW_MAPPINGS })).insert(product() as Product));
    // Who sees the table goes on.
    await seeing.update({ id: kept.id, title: 'by who sees it' } as Product);
    expect(await stores.document(alias, kept.id)).toMatchObject({ source: { title: 'by who sees it' } });

    await grant(`SELECT, UPDATE ON \`${stores.database.name}\`.consistent_reindex`);
    await until('it sees the table', () =>
      blind.update({ id: kept.id, title: 'in both' } as Product).then(
        () => true,
        () => false,
      ),
    );
    for (const index of [`${alias}-000001`, `${alias}-000002`]) {
      expect(await stores.document(index, kept.id)).toMatchObject({ source: { title: 'in both' } });
    }
    await stores.database.query(
      `REVOKE SELECT, UPDATE ON \`${stores.database.name}\`.consistent_reindex FROM '${user}'@'%'`,
    );
  });

  it.each([
    ['finished', () => service.finishReindex(Product)],
    ['taken back', () => service.rollbackReindex(Product, { barrierMs: 20_000 })],
  ])('writes again once the reindex is %s', async (_, end) => {
    await service.reindex(Product, OPTIONS);
    expect(await isForWriting()).toBe(false);
    await end();
    expect(await isForWriting()).toBe(true);
    const other = await blindOne({ mappings: NEW_MAPPINGS });
    await other.insert(product() as Product);
    expect(await service.verify(Product)).toMatchObject({ consistent: true });
  });
});
