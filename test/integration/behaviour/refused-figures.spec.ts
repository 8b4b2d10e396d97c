import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TestingModule } from '@nestjs/testing';
import { ConsistentService, InvalidOptionsError } from '../../../src/index.js';
import { Stores } from '../../support/application.js';
import { Product, product, productRepository, type ProductRepository } from '../../support/product.js';

/** What comes of a version that was read from a request, a header or a form, and not looked at. */
const NO_VERSIONS: readonly [string, unknown][] = [
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-1', -1],
  ['1.5', 1.5],
  ['9007199254740992', 2 ** 53],
  ['"7"', '7'],
  ['7n', 7n],
  ['null', null],
  ['a value of type object', { version: 7 }],
];

const WRITES = ['save', 'update', 'remove', 'softRemove', 'recover'] as const;

describe('figures that a call is given', () => {
  let stores: Stores;
  let application: TestingModule;
  let products: ProductRepository;
  let service: ConsistentService;
  let repository: ReturnType<typeof productRepository>;
  let existing: Product;
  let before: unknown;

  beforeAll(async () => {
    stores = await Stores.create('figures');
    repository = productRepository(stores.index('products'));
    application = await stores.start({ entities: [Product], repositories: [repository] });
    products = application.get(repository);
    service = application.get(ConsistentService);
    existing = await products.save(product());
    before = await whole();
  });
  afterAll(() => stores.close());

  const whole = async () => [
    await stores.database.query('SELECT * FROM product ORDER BY id'),
    await stores.document(products.index, String(existing.id)),
  ];
  const changed = () => Object.assign(new Product(), existing, { title: 'changed' });

  it.each(NO_VERSIONS)('%s is no expectedVersion', async (shown, value) => {
    const options = { expectedVersion: value as number };
    for (const kind of WRITES) {
      const refused = (async () => (products[kind] as ProductRepository['save'])(changed(), options))();
      await expect(refused).rejects.toThrow(InvalidOptionsError);
      await expect(refused).rejects.toThrow(
        `expectedVersion must be a whole number, 0 … 9007199254740991, not ${shown}.`,
      );
    }
    await expect(products.save(product(), options)).rejects.toThrow(InvalidOptionsError);
    expect(await whole()).toEqual(before);
  });

  it.each(NO_VERSIONS)('%s is none in a unit of work, which may go on', async (_, value) => {
    const options = { expectedVersion: value as number };
    for (const kind of ['save', 'remove', 'softRemove', 'recover'] as const) {
      const refused = service.transaction((unit) => unit.getRepository(repository)[kind](changed(), options));
      await expect(refused).rejects.toThrow(InvalidOptionsError);
    }
    expect(await whole()).toEqual(before);
  });

  it('refuses a misspelt option, which would leave the write unchecked', async () => {
    for (const options of [{ expectVersion: 3 }, { reload: false }, 3, null]) {
      await expect(products.save(changed(), options as never)).rejects.toThrow(InvalidOptionsError);
    }
    expect(await whole()).toEqual(before);
  });

  it('takes the version that was read, and undefined for any', async () => {
    const other = await products.save(product());
    await products.update({ id: other.id, stock: 8 }, { expectedVersion: other.consistency.version });
    const last = await products.update({ id: other.id, stock: 9 }, { expectedVersion: undefined });
    expect(last.stock).toBe(9);
    await expect(products.update({ id: other.id, stock: 1 }, { expectedVersion: 0 })).rejects.toMatchObject({
      code: 'STALE_VERSION',
    });
    await products.remove(last);
  });

  it.each([Number.NaN, 0, -1, 2.5, Number.POSITIVE_INFINITY, '5'])(
    'parked.list takes no limit of %p',
    async (limit) => {
      await expect(service.parked.list({ limit: limit as number })).rejects.toThrow(/limit must be a whole number/);
    },
  );

  it.each([Number.NaN, 0, 1_001, 2.5, '5'])('saveMany and import take no chunkSize of %p', async (given) => {
    const chunkSize = given as number;
    await expect(products.saveMany([product()], { chunkSize })).rejects.toThrow(InvalidOptionsError);
    await expect(products.import([product()], { chunkSize })).rejects.toThrow(InvalidOptionsError);
    expect(await whole()).toEqual(before);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, -1, '5'])('verify and reindex take no figure of %p', async (given) => {
    const figure = given as number;
    await expect(service.verify(repository, { maxRowsPerSecond: figure })).rejects.toThrow(InvalidOptionsError);
    await expect(service.verify(repository, { timeoutMs: figure })).rejects.toThrow(InvalidOptionsError);
    await expect(service.reindex(repository, { barrierMs: figure })).rejects.toThrow(InvalidOptionsError);
    await expect(service.rollbackReindex(repository, { barrierMs: figure })).rejects.toThrow(InvalidOptionsError);
  });
});
