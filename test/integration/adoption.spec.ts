import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Column, DataSource, Entity, PrimaryGeneratedColumn, UpdateDateColumn, VersionColumn } from 'typeorm';
import {
  addConsistencyColumns,
  Consistency,
  type ConsistentRepository,
  type ConsistentService,
  createParkedTable,
  defineConsistentRepository,
} from '../../src/index.js';
import { serviceOf, Stores } from '../support/application.js';

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
  let service: ConsistentService;

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
    const application = await stores.start({ entities: [Film], repositories: [repository], dataSource });
    films = application.get(repository);
    service = serviceOf(application);
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

  it('a verification with repair gives each its document, and changes nothing else', async () => {
    const before = await stores.database.query('SELECT id, title, revision, updatedAt FROM film ORDER BY id');
    const result = await service.verify(Film, { repair: true, maxRowsPerSecond: 2_000, resume: true });
    expect(result).toMatchObject({ rows: 3, missing: 3, repaired: 3, failed: 0, consistent: true });
    expect(await stores.database.query('SELECT id, title, revision, updatedAt FROM film ORDER BY id')).toEqual(before);
    for (const { id, title } of before) {
      const row = await stores.row('film', id);
      const version = Number(row!.consistency_version);
      expect(version).toBeGreaterThan(0);
      expect(await stores.document(films.index, String(id))).toMatchObject({ version, source: { id, title } });
    }
  });
});
