import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import {
  Consistency,
  type ConsistentRepository,
  type ConsistentService,
  defineConsistentRepository,
} from '../../../src/index.js';
import { serviceOf, Stores } from '../../support/application.js';

const ROWS = 50_000;

@Entity('film')
class Film {
  @PrimaryGeneratedColumn() id!: number;
  @Column() title!: string;
  @Column(() => Consistency) consistency!: Consistency;
}

/** A table that had rows before it had the library: no document, version 0. */
describe('copying a table that exists', () => {
  let stores: Stores;
  let service: ConsistentService;
  let films: ConsistentRepository<Film>;

  beforeAll(async () => {
    stores = await Stores.create('reindex-fill');
    const repository = defineConsistentRepository(Film, { index: stores.index('films') });
    const application = await stores.start({ entities: [Film], repositories: [repository] });
    [films, service] = [application.get(repository), serviceOf(application)];
    await stores.database.query(
      `INSERT INTO film (title) WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS})
       SELECT /*+ SET_VAR(cte_max_recursion_depth = ${ROWS}) */ CONCAT('film number ', i) FROM n`,
    );
  });
  afterEach(() => expect(service.verify(Film)).resolves.toMatchObject({ consistent: true }));
  afterAll(() => stores.close());

  it('gives each row its document at its own version, goes on after an interruption, and lets writers write', async () => {
    const abort = new AbortController();
    const first = service.reindex(Film, {
      into: 'current',
      signal: abort.signal,
      onProgress: ({ rows }) => rows >= ROWS / 5 && abort.abort(),
    });
    await expect(first).rejects.toMatchObject({ code: 'REINDEX_INTERRUPTED', retryable: true });
    const writing = films.saveMany([
      { id: 1, title: 'written meanwhile' },
      { id: ROWS, title: 'written meanwhile' },
    ]);
    const removing = films.remove(await films.findOneByOrFail({ id: ROWS - 1 }));
    const result = await service.reindex(Film, { into: 'current' });
    await Promise.all([writing, removing]);
    expect(result).toMatchObject({ formerIndex: null, index: `${films.index}-000001`, barrierMs: 0 });
    expect(result.rows).toBeGreaterThanOrEqual(ROWS - 1);
    expect(await stores.document(films.index, '7')).toMatchObject({ version: 0, source: { title: 'film number 7' } });
    expect(await stores.row('film', 7)).toMatchObject({ consistency_version: 0 });
    expect((await stores.document(films.index, '1'))!.source['title']).toBe('written meanwhile');
    expect((await stores.document(films.index, String(ROWS)))!.source['title']).toBe('written meanwhile');
    expect(await stores.document(films.index, String(ROWS - 1))).toBeUndefined();
  });

  it('finds what changed around the library since it was copied', async () => {
    await stores.database.query("UPDATE film SET title = 'changed by SQL' WHERE id = 8");
    await stores.database.query('DELETE FROM film WHERE id = 9');
    expect(await service.reindex(Film, { into: 'current' })).toMatchObject({ copied: 0, mended: 2 });
    expect((await stores.document(films.index, '8'))!.source['title']).toBe('changed by SQL');
    expect(await stores.document(films.index, '9')).toBeUndefined();
  });
});
