import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { ConsistentService } from '../../../src/index.js';
import { serviceOf, Stores } from '../../support/application.js';
import { until } from '../../support/faulty.js';
import { Product, productRepository } from '../../support/product.js';
import { Instance, lost, NEW_MAPPINGS } from './reindex.fixture.js';

const OPTIONS = { mappings: NEW_MAPPINGS, lateRequestMs: 0, barrierMs: 4_000 };
const MODULE = { busyTimeoutMs: 30_000, writeTimeoutMs: 10_000, deadlineMs: 20_000 };

/** The process that carries a reindex out is ended with SIGKILL in each of its steps, while another one writes. */
describe('kill -9 of the process that reindexes', () => {
  let stores: Stores;
  let service: ConsistentService;
  let alias: string;
  const alive: Instance[] = [];

  beforeAll(async () => {
    stores = await Stores.create('reindex-crash');
    alias = stores.index('products');
    const application = await stores.start({
      entities: [Product],
      repositories: [productRepository(alias)],
      module: MODULE,
    });
    service = serviceOf(application);
  });
  afterEach(async () => {
    await Promise.all(alive.splice(0).map((instance) => instance.kill()));
  });
  afterAll(() => stores.close());

  const start = async (): Promise<Instance> => {
    const instance = await Instance.start(stores, alias, MODULE);
    alive.push(instance);
    return instance;
  };

  it('in any step: the next one goes on, nothing is lost, and writers are not held back for ever', async () => {
    const [writer, ...coordinators] = await Promise.all([0, 1, 2, 3, 4, 5].map(start));
    writer!.send({ kind: 'write', lanes: 2 });
    const steps = ['arming', 'copying', 'verifying', 'closing', 'swapping'];
    for (const [at, dieAt] of steps.entries()) {
      coordinators[at]!.send({ kind: 'reindex', options: OPTIONS, dieAt });
      await coordinators[at]!.ended();
      expect(await service.reindexStatus(Product)).toMatchObject({ phase: 'following', index: `${alias}-000001` });
    }
    // Nobody opens the barrier but the writers, once its time is over.
    const [{ before }] = (await stores.database.query<{ before: number }>(
      'SELECT COUNT(*) AS `before` FROM product',
    )) as [{ before: number }];
    await until('the writer goes on', async () => {
      const [{ now }] = (await stores.database.query<{ now: number }>('SELECT COUNT(*) AS now FROM product')) as [
        { now: number },
      ];
      return Number(now) > Number(before) + 5;
    });
    const result = await service.reindex(Product, { ...OPTIONS, barrierMs: 20_000 });
    const { written, errors } = await writer!.stopWriting();
    expect(errors).toEqual({});
    expect(result).toMatchObject({ formerIndex: `${alias}-000001`, index: `${alias}-000002` });
    expect(await lost(stores, alias, written)).toEqual([]);
    expect(await lost(stores, `${alias}-000001.seat`, written)).toEqual([]);
    expect(await service.verify(Product)).toMatchObject({ consistent: true });
  });

  it('in a rollback: the next one goes on', async () => {
    const writer = await start();
    writer.send({ kind: 'write', lanes: 2 });
    expect(await service.reindexStatus(Product)).toMatchObject({ phase: 'swapped' });
    const abort = new AbortController();
    const begun = service.rollbackReindex(Product, {
      signal: abort.signal,
      onProgress: ({ step }) => step === 'closing' && abort.abort(),
    });
    await expect(begun).rejects.toMatchObject({ code: 'REINDEX_INTERRUPTED' });
    expect(await service.reindexStatus(Product)).toMatchObject({ phase: 'swapped', step: 'rolling-back' });
    const status = await service.rollbackReindex(Product, { barrierMs: 20_000 });
    expect(status).toMatchObject({ phase: 'idle', index: `${alias}-000001` });
    const { written, errors } = await writer.stopWriting();
    expect(errors).toEqual({});
    expect(await lost(stores, alias, written)).toEqual([]);
    expect(await service.verify(Product)).toMatchObject({ consistent: true });
  });
});
