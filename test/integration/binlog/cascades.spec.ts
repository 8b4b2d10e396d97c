import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';
import { preflight } from '../../../src/binlog/binlog.preflight.js';
import { readCascades } from '../../../src/binlog/cascade.rules.js';
import { silentReporter } from '../../../tools/servers/progress.reporter.mjs';
import type { Server } from '../../../tools/servers/server.types.mjs';
import { startMysql } from '../../../tools/servers/servers.mjs';
import { BackstopFixture, type BackstopInstance } from './backstop.fixture.js';

const START_MS = 300_000;

describe('what foreign keys do to rows', () => {
  const { MYSQL_URL } = process.env;
  let server: Server;
  let fixture: BackstopFixture;
  let instance: BackstopInstance;
  let session: Connection;
  const toVerify: string[] = [];

  /** A family on three levels, and a table beside it that no key points from. */
  async function begin(name: string, settings: string[]): Promise<void> {
    server = await startMysql({ reporter: silentReporter, settings });
    process.env['MYSQL_URL'] = server.url;
    fixture = await BackstopFixture.create(name);
    instance = await fixture.start();
    instance.backstop.events.on('backstopToVerify', ({ reason }) => toVerify.push(reason));
    session = await createConnection({ uri: fixture.stores.database.url, multipleStatements: true });
    await run(
      'CREATE TABLE maker (id INT PRIMARY KEY)',
      `CREATE TABLE shelf (id INT PRIMARY KEY, maker INT NULL, CONSTRAINT of_maker FOREIGN KEY (maker) REFERENCES maker (id) ON DELETE CASCADE)`,
      'CREATE TABLE aside (id INT PRIMARY KEY)',
      'ALTER TABLE product MODIFY stock INT NULL',
      `ALTER TABLE product ADD CONSTRAINT on_shelf FOREIGN KEY (stock) REFERENCES shelf (id) ON DELETE CASCADE ON UPDATE CASCADE`,
      'INSERT INTO maker VALUES (1), (2)',
      'INSERT INTO aside VALUES (1), (2)',
      'INSERT INTO shelf VALUES (10, 1), (11, 1), (20, 2), (30, NULL), (40, NULL)',
      `INSERT INTO product (id, sku, title, revision, stock) VALUES (1, 'a', 'one', 1, 10), (2, 'b', 'two', 1, 11),
       (3, 'c', 'three', 1, 20), (4, 'd', 'four', 1, 30), (5, 'e', 'five', 1, NULL), (6, 'f', 'six', 1, 40)`,
    );
    await agree();
    toVerify.length = 0;
  }

  afterEach(() => {
    toVerify.length = 0;
  });

  async function end(): Promise<void> {
    await session?.end();
    await fixture?.close();
    if (MYSQL_URL === undefined) delete process.env['MYSQL_URL'];
    else process.env['MYSQL_URL'] = MYSQL_URL;
    await server?.remove();
  }

  const run = async (...statements: string[]): Promise<void> => {
    for (const statement of statements) await session.query(statement);
  };
  const agree = (): Promise<void> => fixture.expectAgreement(instance);
  const ids = async (): Promise<string[]> => Object.keys(await fixture.documents());
  const stocks = async (): Promise<unknown[]> => {
    const { hits } = await fixture.stores.client.search<{ stock: unknown }>({ index: fixture.index, sort: ['id'] });
    return hits.hits.map(({ _source }) => _source!.stock);
  };
  const ofKeys = (parent: string) => expect.stringMatching(`rows of .*\\.${parent} were deleted or changed`);

  describe('where the server logs it (MySQL 9.6 and later)', () => {
    beforeAll(() => begin('cascades-logged', []), START_MS);
    afterAll(end, START_MS);

    it('is followed by the log alone: deleted, changed, and through a table between', async () => {
      await run(
        'UPDATE shelf SET id = 31 WHERE id = 30',
        'DELETE FROM shelf WHERE id = 40',
        'DELETE FROM maker WHERE id = 1',
      );
      await agree();
      expect(await ids()).toEqual(['3', '4', '5']);
      expect(await stocks()).toEqual([20, 31, null]);
      expect(toVerify).toEqual([]);
    });

    it.each([
      ['was reset, as pools of other languages do between two uses', (connection: Connection) => connection.reset()],
      ['changed its user', (connection: Connection) => connection.changeUser({})],
    ])('is not logged in a session that %s: found by a verification', async (_, spoil) => {
      await run('INSERT IGNORE INTO shelf VALUES (50, NULL)');
      await run(`REPLACE INTO product (id, sku, title, revision, stock) VALUES (9, 'i', 'nine', 1, 50)`);
      await agree();
      expect(await ids()).toContain('9');
      expect(toVerify).toEqual([]);
      const odd = await createConnection({ uri: fixture.stores.database.url });
      try {
        await spoil(odd);
        await odd.query(`USE \`${fixture.stores.database.name}\``);
        await odd.query('DELETE FROM aside WHERE id = 1');
        await odd.query('UPDATE shelf SET maker = NULL WHERE id = 50');
        await odd.query('DELETE FROM shelf WHERE id = 50');
      } finally {
        await odd.end();
      }
      await agree();
      expect(await ids()).not.toContain('9');
      expect(toVerify).toEqual([ofKeys('shelf')]);
    });

    it('is nothing to be warned of', async () => {
      const { name } = fixture.stores.database;
      expect(await preflight(query, { tables: [`${name}.product`] })).toEqual([]);
    });
  });

  describe('where InnoDB does it by itself (before MySQL 9.6, or innodb_native_foreign_keys)', () => {
    beforeAll(() => begin('cascades-native', ['--innodb-native-foreign-keys=ON']), START_MS);
    afterAll(end, START_MS);

    it('is warned of before anything happens, with the tables that it comes from', async () => {
      const { name } = fixture.stores.database;
      const findings = await preflight(query, { tables: [`${name}.product`, `${name}.aside`] });
      expect(findings).toMatchObject([
        { severity: 'warning', setting: `foreign keys of ${name}.product`, fix: expect.stringContaining('RESTRICT') },
      ]);
      expect(findings[0]!.found).toContain(`${name}.shelf, ${name}.maker`);
    });

    it.each([
      ['a parent is deleted', 'DELETE FROM shelf WHERE id = 40', 'shelf', ['1', '2', '3', '4', '5']],
      ['a key is changed', 'UPDATE shelf SET id = 31 WHERE id = 30', 'shelf', ['1', '2', '3', '4', '5']],
      ['a table between passes it on', 'DELETE FROM maker WHERE id = 1', 'maker', ['3', '4', '5']],
    ])('is found by a verification where %s', async (_, statement, parent, left) => {
      await run(statement);
      await agree();
      expect(await ids()).toEqual(left);
      expect(toVerify).toEqual([ofKeys(parent)]);
    });

    it('costs nothing where no key does anything', async () => {
      await run(
        'DELETE FROM aside',
        'INSERT INTO shelf VALUES (60, NULL)',
        'UPDATE shelf SET maker = 2 WHERE id = 60',
        'SET foreign_key_checks = 0',
        'DELETE FROM shelf WHERE id = 60',
        'SET foreign_key_checks = 1',
      );
      await agree();
      expect(toVerify).toEqual([]);
      expect(await stocks()).toEqual([20, 31, null]);
    });

    it('of a key that comes later is found too', async () => {
      await run(
        'ALTER TABLE product DROP FOREIGN KEY on_shelf',
        'ALTER TABLE product ADD CONSTRAINT set_null FOREIGN KEY (stock) REFERENCES shelf (id) ON DELETE SET NULL',
      );
      await agree();
      toVerify.length = 0;
      await run('DELETE FROM shelf WHERE id = 31');
      await agree();
      expect(await stocks()).toEqual([20, null, null]);
      expect(toVerify).toEqual([ofKeys('shelf')]);
    });

    it('is found where the parent is a table that is followed itself', async () => {
      await run(
        'ALTER TABLE product ADD COLUMN wholeId BIGINT NULL',
        'ALTER TABLE product ADD CONSTRAINT part_of FOREIGN KEY (wholeId) REFERENCES product (id) ON DELETE CASCADE',
        `INSERT INTO product (id, sku, title, revision, wholeId) VALUES (70, 'whole', 'whole', 1, NULL), (71, 'part', 'part', 1, 70)`,
      );
      await agree();
      toVerify.length = 0;
      await run('DELETE FROM product WHERE id = 70');
      await agree();
      expect(await ids()).not.toContain('71');
      expect(toVerify).toEqual([ofKeys('product')]);
    });
  });

  const query = async (sql: string, values?: unknown[]): Promise<any[]> =>
    (await session.query<RowDataPacket[]>(sql, values))[0];

  it('is nothing of a table that has no such keys', async () => {
    expect(await readCascades(async () => [], ['shop.product'])).toEqual([]);
  });
});
