import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Column, DataSource, Entity, MoreThan, PrimaryGeneratedColumn, UpdateDateColumn, VersionColumn } from 'typeorm';
import {
  addConsistencyColumns,
  Consistency,
  type ConsistentRepository,
  createParkedTable,
  defineConsistentRepository,
} from '../../src/index.js';
import { Stores } from '../support/application.js';

@Entity('film')
class Film {
  @PrimaryGeneratedColumn() id!: number;
  @Column() title!: string;
  @UpdateDateColumn({ precision: 6 }) updatedAt!: Date;
  @VersionColumn() revision!: number;
  @Column(() => Consistency) consistency!: Consistency;
}

/** The steps of docs/operations.md for a table that has rows already. */
describe('adopting a table that exists', () => {
  let stores: Stores;
  let films: ConsistentRepository<Film>;

  beforeAll(async () => {
    stores = await Stores.create('adoption');
    await stores.database.query(
      `CREATE TABLE film (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, title VARCHAR(255) NOT NULL, revision INT NOT NULL,
        updatedAt DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6))`,
    );
    await stores.database.query(
      "INSERT INTO film (title, revision, updatedAt) VALUES ('one', 4, '2001-02-03 04:05:06.789012'), ('two', 1, NOW(6)), ('three', 1, NOW(6))",
    );
    await migrate();
    const repository = defineConsistentRepository(Film, { index: stores.index('films') });
    const dataSource = { synchronize: false };
    films = (await stores.start({ entities: [Film], repositories: [repository], dataSource })).get(repository);
  });
  afterAll(() => stores.close());

  async function migrate(): Promise<void> {
    const source = await new DataSource({ type: 'mysql', url: stores.database.url }).initialize();
    const runner = source.createQueryRunner();
    await addConsistencyColumns(runner, 'film');
    await createParkedTable(runner);
    await runner.release();
    await source.destroy();
  }

  it('existing rows are readable, and have no documents', async () => {
    expect(await films.find({ order: { id: 'ASC' } })).toMatchObject([
      { title: 'one', consistency: { state: 'commit', version: 0 } },
      { title: 'two' },
      { title: 'three' },
    ]);
    expect(await stores.document(films.index, '1')).toBeUndefined();
  });

  it('saving them in chunks gives each its document, and changes nothing else', async () => {
    const before = await stores.database.query('SELECT id, title, revision, updatedAt FROM film ORDER BY id');
    let last = 0;
    for (;;) {
      const rows = await films.find({
        where: { id: MoreThan(last) },
        order: { id: 'ASC' },
        take: 2,
        withDeleted: true,
      });
      if (rows.length === 0) break;
      for (const outcome of await films.saveMany(rows)) expect(outcome.status).toBe('committed');
      last = rows.at(-1)!.id;
    }
    expect(await stores.database.query('SELECT id, title, revision, updatedAt FROM film ORDER BY id')).toEqual(before);
    for (const { id, title } of before) {
      const row = await stores.row('film', id);
      const version = Number(row!.consistency_version);
      expect(version).toBeGreaterThan(0);
      expect(await stores.document(films.index, String(id))).toMatchObject({ version, source: { id, title } });
    }
  });
});
