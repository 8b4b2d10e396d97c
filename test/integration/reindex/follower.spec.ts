import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ConsistentService, ReindexRefusedError } from '../../../src/index.js';
import { FaultProxy } from '../../../src/testing/index.js';
import { serviceOf, Stores } from '../../support/application.js';
import { Product, product, type ProductRepository, productRepository } from '../../support/product.js';
import { elasticsearchUrl } from '../../support/servers.js';
import { Instance, NEW_MAPPINGS } from './reindex.fixture.js';

const OPTIONS = { mappings: NEW_MAPPINGS, lateRequestMs: 0, barrierMs: 20_000 };
const MODULE = { writeTimeoutMs: 2_000, deadlineMs: 3_000, busyTimeoutMs: 30_000 };

/** The index that follows, where things go wrong between the two. */
describe('the index that follows', () => {
  const proxy = new FaultProxy(elasticsearchUrl());
  let stores: Stores;
  let service: ConsistentService;
  let products: ProductRepository;
  let alias: string;
  let doomed: Instance;
  let id: string;

  beforeAll(async () => {
    await proxy.start();
    stores = await Stores.create('reindex-follower');
    alias = stores.index('products');
    const repository = productRepository(alias);
    const application = await stores.start({ entities: [Product], repositories: [repository], module: MODULE });
    [products, service] = [application.get(repository), serviceOf(application)];
    doomed = await Instance.start(stores, alias, { ...MODULE, sweeper: false }, { elasticsearchNode: proxy.url });
    id = String((await products.insert(product({ title: 'before' }) as Product)).id);
  });
  afterAll(async () => {
    await doomed.kill();
    await stores.close();
    await proxy.stop();
  });

  const holders = async () => Object.keys(await stores.client.indices.getAlias({ name: alias }));

  it('is not exchanged while a row is parked', async () => {
    const parked = await products.insert(product() as Product);
    await stores.database.query(
      "UPDATE product SET updatedAt = updatedAt, consistency_state = 'prepare', consistency_pending = JSON_OBJECT('operation', 'update', 'next', 'present', 'before', 'present', 'decider', 'elasticsearch') WHERE id = ?",
      [parked.id],
    );
    const error = await service.reindex(Product, OPTIONS).catch((thrown: ReindexRefusedError) => thrown);
    expect(error).toMatchObject({ code: 'REINDEX_REFUSED' });
    expect((error as Error).message).toContain('parked');
    expect(await holders()).toEqual([`${alias}-000001`]);
    await stores.database.query(
      "UPDATE product SET updatedAt = updatedAt, consistency_state = 'commit', consistency_pending = NULL WHERE id = ?",
      [parked.id],
    );
  });

  it('may have the alias although it does not decide, where somebody died in that very moment', async () => {
    const move = (from: number, to: number) =>
      stores.client.indices.updateAliases({
        actions: [
          { remove: { index: `${alias}-00000${from}`, alias } },
          { add: { index: `${alias}-00000${to}`, alias, is_write_index: true } },
        ],
      });
    await move(1, 2);
    expect(await service.reindexStatus(Product)).toMatchObject({ phase: 'following', index: `${alias}-000002` });
    const { id: made } = await products.insert(product({ title: 'in between' }) as Product);
    expect(await stores.document(alias, String(made))).toMatchObject({ source: { title: 'in between' } });
    await products.remove(await products.findOneByOrFail({ id: made }));
    expect(await service.rollbackReindex(Product)).toMatchObject({ phase: 'idle', index: `${alias}-000001` });
    expect(await service.verify(Product)).toMatchObject({ consistent: true });
  });

  it('gets what its writer could not bring any more, also after it was compared', async () => {
    let held: Promise<void> | undefined;
    const result = service.reindex(Product, {
      ...OPTIONS,
      lateRequestMs: 8_000,
      onProgress: ({ step }) => {
        if (step !== 'waiting' || held) return;
        const bulk = proxy.inject({ kind: 'hold' }, { path: `${alias}-000002.seat/_bulk`, times: 1 });
        doomed.send({ kind: 'update', id, title: 'taken by the first' });
        held = bulk.reached().then(() => doomed.kill());
      },
    });
    await expect(result).resolves.toMatchObject({ index: `${alias}-000002` });
    await held;
    expect(await stores.row('product', id)).toMatchObject({ title: 'taken by the first', consistency_state: 'commit' });
    expect(await stores.document(alias, id)).toMatchObject({ source: { title: 'taken by the first' } });
    expect((await service.reindexStatus(Product))!.missed).toBe(0);
    expect(await service.verify(Product)).toMatchObject({ consistent: true });
  });

  it('has the marker of what was put back, so that who lost the slot hears so from it too', async () => {
    const { id: restored } = await products.insert(product({ title: 'old' }) as Product);
    const version = Number((await stores.row('product', restored))!['consistency_version']) + 1;
    const { index } = (await service.reindexStatus(Product))!;
    const source = (await stores.document(alias, String(restored)))!.source;
    for (const each of [`${alias}-000001`, `${alias}-000002`]) {
      const document = { ...source, consistency_restored: version };
      await stores.client.index({ index: each, id: String(restored), version, version_type: 'external', document });
    }
    await stores.database.query('UPDATE product SET consistency_version = ?, updatedAt = updatedAt WHERE id = ?', [
      version,
      restored,
    ]);
    expect(index).toBe(`${alias}-000002`);
    await service.finishReindex(Product, { deleteFormer: true });
    await service.reindex(Product, OPTIONS);
    expect(await stores.document(`${alias}-000003`, String(restored))).toMatchObject({
      version,
      source: { title: 'old', consistency_restored: version },
    });
  });
});
