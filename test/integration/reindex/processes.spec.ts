import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { ConsistentService } from '../../../src/index.js';
import { serviceOf, Stores } from '../../support/application.js';
import { Product, productRepository } from '../../support/product.js';
import { Instance, lost, NEW_MAPPINGS } from './reindex.fixture.js';

const OPTIONS = { mappings: NEW_MAPPINGS, lateRequestMs: 0, barrierMs: 20_000 };
const MODULE = { busyTimeoutMs: 30_000, writeTimeoutMs: 10_000, deadlineMs: 20_000 };

/** Several instances of the application, which write through all of it. */
describe.each(['elasticsearch', 'mysql'] as const)(
  'reindexing while several processes write, decider %s',
  (decider) => {
    let stores: Stores;
    let service: ConsistentService;
    let alias: string;
    let instances: Instance[];

    beforeAll(async () => {
      stores = await Stores.create(`reindex-${decider}`);
      alias = stores.index('products');
      const application = await stores.start({
        entities: [Product],
        repositories: [productRepository(alias)],
        module: { ...MODULE, decider },
      });
      service = serviceOf(application);
      instances = await Promise.all([1, 2].map(() => Instance.start(stores, alias, { ...MODULE, decider })));
    });
    afterEach(async () => {
      await Promise.all(instances.map((instance) => instance.kill()));
    });
    afterAll(() => stores.close());

    it('loses no write, brings no delete back, and leaves both indices equal', async () => {
      for (const instance of instances) instance.send({ kind: 'write', lanes: 3 });
      const result = await service.reindex(Product, OPTIONS);
      const written = await Promise.all(instances.map((instance) => instance.stopWriting()));
      for (const { acknowledged, errors } of written) {
        expect(acknowledged).toBeGreaterThan(0);
        expect(errors).toEqual({});
      }
      expect(result.index).toBe(`${alias}-000002`);
      const rows = written.flatMap((each) => each.written);
      expect(rows.some(({ title }) => title === null)).toBe(true);
      expect(await lost(stores, alias, rows)).toEqual([]);
      expect(await service.verify(Product)).toMatchObject({ consistent: true, failed: 0 });
      // The former index follows: it could be gone back to.
      const seat = `${alias}-000001.seat`;
      expect(await lost(stores, seat, rows)).toEqual([]);
      expect(await service.rollbackReindex(Product, { barrierMs: 20_000 })).toMatchObject({ index: `${alias}-000001` });
      expect(await service.verify(Product)).toMatchObject({ consistent: true });
    });
  },
);
