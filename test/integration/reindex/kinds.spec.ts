import { afterEach, describe, expect, it } from '@jest/globals';
import { Column, Entity, PrimaryColumn } from 'typeorm';
import { Consistency, type ConsistentService, defineConsistentRepository, isTombstone } from '../../../src/index.js';
import { serviceOf, Stores } from '../../support/application.js';
import { Product, product, productRepository } from '../../support/product.js';
import { NEW_MAPPINGS } from './reindex.fixture.js';

@Entity('poster')
class Poster {
  @PrimaryColumn() id!: string;
  @Column() title!: string;
  @Column(() => Consistency) consistency!: Consistency;
}

const QUICK = { lateRequestMs: 0 };

/** What an index can be beside plain. */
describe('reindexing', () => {
  let stores: Stores;
  afterEach(() => stores.close());

  const begin = async (name: string): Promise<string> => {
    stores = await Stores.create(name);
    return stores.index('all');
  };
  const filterOf = async (alias: string, index: string) =>
    (await stores.client.indices.getAlias({ name: alias }))[index]!.aliases[alias]!.filter;
  const held = async (index: string, id: string) =>
    (await stores.client.get<Record<string, unknown>>({ index, id })) as { _version: number; _source: unknown };

  it('with durable tombstones: they, and the filter that hides them, come along', async () => {
    const alias = await begin('reindex-durable');
    const repository = productRepository(alias, { tombstones: 'durable' });
    const application = await stores.start({ entities: [Product], repositories: [repository] });
    const [products, service] = [application.get(repository), serviceOf(application)];
    const made = await products.saveMany([product(), product(), product()]);
    const [first, second, third] = made.map(({ entity }) => entity);
    const ids = [first!.id, second!.id, third!.id].map(String);
    await products.remove(first!);
    const tombstone = await held(alias, ids[0]!);
    expect(isTombstone(tombstone._source)).toBe(true);
    // The default waits for no late request: each meets its tombstone.
    const mappings = NEW_MAPPINGS;
    const result = await service.reindex(Product, { mappings });
    expect(result).toMatchObject({ rows: 2, copied: 2, index: `${alias}-000002` });
    expect(await held(alias, ids[0]!)).toMatchObject({ _version: tombstone._version, _source: tombstone._source });
    expect(await filterOf(alias, `${alias}-000002`)).toEqual(await filterOf(`${alias}-000001.seat`, `${alias}-000001`));
    await products.remove(second!);
    for (const index of [`${alias}-000001`, `${alias}-000002`]) {
      expect(isTombstone((await held(index, ids[1]!))._source)).toBe(true);
    }
    expect(await service.verify(Product)).toMatchObject({ rows: 1, documents: 1, consistent: true });
    await service.rollbackReindex(Product);
    expect(await service.verify(Product)).toMatchObject({ rows: 1, documents: 1, consistent: true });
    expect(await filterOf(alias, `${alias}-000001`)).toBeDefined();
  });

  it('with rows that `when` leaves out, and two tables in one index: all of them, and no other', async () => {
    const alias = await begin('reindex-shared');
    const documentId = ({ id }: Readonly<Record<string, string>>) => `poster-${id}`;
    const films = productRepository(alias, { when: ({ active }) => active });
    const posters = defineConsistentRepository(Poster, { index: alias, documentId });
    const application = await stores.start({ entities: [Product, Poster], repositories: [films, posters] });
    const service: ConsistentService = serviceOf(application);
    const written = await application
      .get(films)
      .saveMany([product({ active: true }), product({ active: false }), product({ active: true })]);
    await application.get(posters).saveMany([
      { id: '1', title: 'one' },
      { id: '2', title: 'two' },
    ]);
    expect(written.map(({ status }) => status)).toEqual(['committed', 'committed', 'committed']);
    const result = await service.reindex(Poster, { ...QUICK, mappings: NEW_MAPPINGS });
    expect(result).toMatchObject({ rows: 5, copied: 4 });
    expect(await service.verify(Product)).toMatchObject({ rows: 3, missing: 0, orphaned: 0, stale: 0 });
    expect(await service.verify(Poster)).toMatchObject({ rows: 2, missing: 0, orphaned: 0, stale: 0 });
    const { count } = await stores.client.count({ index: alias });
    expect(count).toBe(4);
    const row = await application.get(films).findOneByOrFail({ id: String(written[0]!.entity.id) });
    await application.get(films).update(Object.assign(row, { active: false }));
    expect((await service.verify(Product)).orphaned).toBe(0);
  });
});
