import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  Column,
  DataSource,
  DefaultNamingStrategy,
  Entity,
  PrimaryGeneratedColumn,
  type DataSourceOptions,
  type MigrationInterface,
  type QueryRunner,
} from 'typeorm';
import { Consistency } from '../../src/consistency.columns.js';
import { InvalidSchemaError } from '../../src/errors.js';
import {
  addConsistencyColumns,
  consistentColumnsDown,
  consistentColumnsUp,
  createParkedTable,
  dropConsistencyColumns,
  dropParkedTable,
} from '../../src/mysql/consistent.migration.js';
import { introspectTable } from '../../src/mysql/table.introspection.js';
import { createTestDatabase, type TestDatabase } from '../support/servers.js';

@Entity()
class Film {
  @PrimaryGeneratedColumn({ type: 'bigint' }) id!: string;
  @Column() title!: string;
  @Column(() => Consistency) consistency!: Consistency;
}

class AddConsistency1700000000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await createParkedTable(queryRunner);
    await addConsistencyColumns(queryRunner, Film);
  }
  async down(queryRunner: QueryRunner): Promise<void> {
    await dropConsistencyColumns(queryRunner, Film);
    await dropParkedTable(queryRunner);
  }
}

const BARE = `CREATE TABLE film (id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, title varchar(255) NOT NULL)`;
const COLUMNS = `SELECT COLUMN_NAME AS name, COLUMN_TYPE AS type, IS_NULLABLE AS nullable, COLUMN_DEFAULT AS preset
 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION`;
const OURS = [
  { name: 'consistency_state', type: "enum('commit','prepare')", nullable: 'NO', preset: 'commit' },
  { name: 'consistency_version', type: 'bigint unsigned', nullable: 'NO', preset: '0' },
  { name: 'consistency_deadline', type: 'datetime(6)', nullable: 'YES', preset: null },
  { name: 'consistency_pending', type: 'json', nullable: 'YES', preset: null },
];

let database: TestDatabase;
let dataSource: DataSource;
let queryRunner: QueryRunner;

async function open(options: Partial<DataSourceOptions> = {}): Promise<DataSource> {
  return new DataSource({ type: 'mysql', ...database.connection, entities: [Film], ...options } as never).initialize();
}

const columnsOf = (table: string) => dataSource.query(COLUMNS, [table]);
const ddlOf = async (table: string) =>
  (await dataSource.query(`SHOW CREATE TABLE ${table}`))[0]['Create Table'] as string;
/** What TypeORM would still change to make the tables fit the entities. */
const changesWanted = async (source: DataSource) =>
  (await source.driver.createSchemaBuilder().log()).upQueries.map((query) => query.query);

beforeAll(async () => {
  database = await createTestDatabase('migration');
});

afterAll(async () => {
  await database.drop();
});

beforeEach(async () => {
  dataSource = await open({ migrations: [AddConsistency1700000000000] });
  await dataSource.dropDatabase();
  queryRunner = dataSource.createQueryRunner();
});

afterEach(async () => {
  await queryRunner.release();
  await dataSource.destroy();
});

describe('adding the consistency columns', () => {
  it('makes existing rows commit at version 0, and leaves a table that TypeORM is content with', async () => {
    await dataSource.query(BARE);
    await dataSource.query(`INSERT INTO film (title) VALUES ('Alien'), ('Brazil')`);
    const before = await ddlOf('film');

    await dataSource.runMigrations();
    expect((await columnsOf('film')).slice(2)).toEqual(OURS);
    expect(await dataSource.query('SELECT * FROM film')).toEqual(
      ['Alien', 'Brazil'].map((title, at) => ({
        id: String(at + 1),
        title,
        consistency_state: 'commit',
        consistency_version: '0',
        consistency_deadline: null,
        consistency_pending: null,
      })),
    );
    expect(await changesWanted(dataSource)).toEqual([]);

    const after = await ddlOf('film');
    await addConsistencyColumns(queryRunner, Film);
    await createParkedTable(queryRunner);
    expect(await ddlOf('film')).toBe(after);

    await dataSource.undoLastMigration();
    await dropConsistencyColumns(queryRunner, 'film');
    expect(await ddlOf('film')).toBe(before);
  });

  it('adds only what is missing, to a table given with its database', async () => {
    await dataSource.query(BARE);
    await dataSource.query(`ALTER TABLE film ADD consistency_version bigint unsigned NOT NULL DEFAULT '0'`);
    await addConsistencyColumns(queryRunner, `${database.name}.film`);
    expect(await changesWanted(dataSource)).toEqual([]);
  });

  it('does not need ALGORITHM=INSTANT where MySQL refuses it', async () => {
    await dataSource.query(`CREATE TABLE film (id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, title varchar(255) NOT NULL,
      FULLTEXT KEY words (title)) ROW_FORMAT=COMPRESSED`);
    await addConsistencyColumns(queryRunner, 'film');
    expect((await columnsOf('film')).slice(2)).toEqual(OURS);
    await dropConsistencyColumns(queryRunner, 'film');
    expect(await columnsOf('film')).toHaveLength(2);
  });

  it('states the same as plain SQL', async () => {
    await dataSource.query(BARE);
    for (const statement of consistentColumnsUp('film')) await dataSource.query(statement);
    expect(await changesWanted(dataSource)).toEqual([]);
    for (const statement of consistentColumnsDown('film')) await dataSource.query(statement);
    expect(await columnsOf('film')).toHaveLength(2);
  });

  it('takes the names of the naming strategy', async () => {
    class Shouting extends DefaultNamingStrategy {
      override columnName(property: string, custom: string, prefixes: string[]): string {
        return super.columnName(property, custom, prefixes).toUpperCase();
      }
    }
    const shouting = await open({ namingStrategy: new Shouting() });
    try {
      await dataSource.query(
        `CREATE TABLE film (ID bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, TITLE varchar(255) NOT NULL)`,
      );
      const runner = shouting.createQueryRunner();
      await addConsistencyColumns(runner, 'film');
      await runner.release();
      expect((await columnsOf('film')).map((column: { name: string }) => column.name)).toContain('CONSISTENCY_PENDING');
      expect(await changesWanted(shouting)).toEqual([]);
    } finally {
      await shouting.destroy();
    }
  });

  it('refuses a missing table, and a column of that name with another type', async () => {
    await expect(addConsistencyColumns(queryRunner, 'nowhere')).rejects.toThrow(InvalidSchemaError);
    await dataSource.query(BARE);
    await dataSource.query('ALTER TABLE film ADD consistency_state int');
    await expect(addConsistencyColumns(queryRunner, Film)).rejects.toThrow(/consistency_state is int/);
  });

  it('does not drop undo images that are still needed, unless told to', async () => {
    await dataSource.query(BARE);
    await addConsistencyColumns(queryRunner, Film);
    await dataSource.query(`INSERT INTO film (title, consistency_state) VALUES ('Alien', 'prepare')`);
    await expect(dropConsistencyColumns(queryRunner, Film)).rejects.toThrow(/sweeper/);
    expect((await columnsOf('film')).slice(2)).toEqual(OURS);
    await dropConsistencyColumns(queryRunner, Film, { evenIfPending: true });
    expect(await columnsOf('film')).toHaveLength(2);
  });
});

describe('Consistency in an entity', () => {
  it('is synchronised once, and then left alone', async () => {
    await dataSource.synchronize();
    expect((await columnsOf('film')).slice(2)).toEqual(OURS);
    const ddl = await ddlOf('film');
    expect(ddl).toContain('KEY `IDX_consistency_deadline` (`consistency_deadline`)');
    expect(await changesWanted(dataSource)).toEqual([]);
    await dataSource.synchronize();
    expect(await ddlOf('film')).toBe(ddl);
    await addConsistencyColumns(queryRunner, Film);
    expect(await ddlOf('film')).toBe(ddl);
  });

  it('is read, but never written by save()', async () => {
    await dataSource.synchronize();
    const films = dataSource.getRepository(Film);
    const consistency = Object.assign(new Consistency(), { state: 'prepare', version: 7, deadline: null, pending: {} });
    const film = await films.save(films.create({ title: 'Alien', consistency }));
    await dataSource.query(`UPDATE film SET consistency_version = 1700000000000001`);
    film.title = 'Aliens';
    await films.save(film);

    const found = await films.findOneByOrFail({ id: film.id });
    expect(found).toMatchObject({ title: 'Aliens', consistency: { state: 'commit', version: 1700000000000001 } });
    expect(Object.keys(found.consistency).sort()).toEqual(['state', 'version']);
  });

  it('refuses a version that JavaScript would round', async () => {
    await dataSource.synchronize();
    await dataSource.query(`INSERT INTO film (title, consistency_version) VALUES ('Alien', 9007199254740993)`);
    await expect(dataSource.getRepository(Film).find()).rejects.toThrow(InvalidSchemaError);
  });
});

describe('the table of parked rows', () => {
  it('is created once and knows a row once', async () => {
    await createParkedTable(queryRunner);
    await createParkedTable(queryRunner);
    const park = () =>
      queryRunner.query(
        `INSERT INTO consistent_parked (entity, table_name, row_key, key_hash, document_id, version, reason, last_error, parked_at, updated_at)
         VALUES ('Film', 'film', '{"id": "1"}', SHA2('{"id": "1"}', 256), '1', 18446744073709551615, 'restore-refused', 'é😀', NOW(6), NOW(6))`,
      );
    await park();
    await expect(park()).rejects.toThrow(/Duplicate entry/);
    await dropParkedTable(queryRunner);
    await dropParkedTable(queryRunner);
  });
});

describe('introspectTable', () => {
  const shapeOf = (table: string) =>
    introspectTable(async (sql, parameters) => dataSource.query(sql, parameters), database.name, table);

  it('describes columns, keys, triggers and foreign keys of both directions', async () => {
    await dataSource.query('CREATE TABLE parent (a int, b int, PRIMARY KEY (b, a))');
    await dataSource.query(`CREATE TABLE child (id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, a int, b int,
      code varchar(9) CHARACTER SET latin1 NOT NULL DEFAULT 'x', changed timestamp(3) NULL ON UPDATE CURRENT_TIMESTAMP(3),
      twice int GENERATED ALWAYS AS (2 * CHAR_LENGTH(code)) STORED, made datetime NOT NULL DEFAULT CURRENT_TIMESTAMP, UNIQUE KEY codes (code, b),
      CONSTRAINT up FOREIGN KEY (b, a) REFERENCES parent (b, a) ON DELETE CASCADE)`);
    await dataSource.query(
      'CREATE TABLE grandchild (id int PRIMARY KEY, child bigint unsigned, CONSTRAINT down FOREIGN KEY (child) REFERENCES child (id) ON UPDATE CASCADE)',
    );
    await dataSource.query('CREATE TRIGGER stamp BEFORE UPDATE ON child FOR EACH ROW SET NEW.b = NEW.b');

    const shape = await shapeOf('child');
    expect(shape).toMatchObject({
      table: 'child',
      engine: 'InnoDB',
      primaryKey: ['id'],
      uniqueKeys: [{ name: 'codes', columns: ['code', 'b'] }],
      triggers: [{ name: 'stamp', timing: 'BEFORE', event: 'UPDATE' }],
      foreignKeys: [
        {
          name: 'up',
          columns: ['b', 'a'],
          referencedTable: 'parent',
          referencedColumns: ['b', 'a'],
          deleteRule: 'CASCADE',
        },
      ],
      referencedBy: [{ name: 'down', table: 'grandchild', columns: ['child'], updateRule: 'CASCADE' }],
    });
    const column = (name: string) => shape.columns.find((one) => one.name === name);
    expect(shape.columns.map((one) => one.name)).toEqual(['id', 'a', 'b', 'code', 'changed', 'twice', 'made']);
    expect(column('id')).toMatchObject({
      dataType: 'bigint',
      columnType: 'bigint unsigned',
      autoIncrement: true,
      nullable: false,
    });
    expect(column('code')).toMatchObject({ charset: 'latin1', hasDefault: true, generated: false });
    expect(column('changed')).toMatchObject({ onUpdate: true, nullable: true, fractionDigits: 3, hasDefault: false });
    expect(column('twice')).toMatchObject({ generated: true, onUpdate: false });
    expect(column('made')).toMatchObject({ generated: false, hasDefault: true, onUpdate: false });
    expect((await shapeOf('parent')).primaryKey).toEqual(['b', 'a']);
    await dataSource.query('DROP TABLE grandchild, child, parent');
  });

  it('refuses what is not there, and views', async () => {
    await expect(shapeOf('nowhere')).rejects.toThrow(InvalidSchemaError);
    await dataSource.query('CREATE VIEW outlook AS SELECT 1 AS one');
    await expect(shapeOf('outlook')).rejects.toThrow(/view/);
    await dataSource.query('DROP VIEW outlook');
  });
});
