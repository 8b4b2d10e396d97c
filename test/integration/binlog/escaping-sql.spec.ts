import { Readable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createConnection, type Connection } from 'mysql2/promise';
import { silentReporter } from '../../../tools/servers/progress.reporter.mjs';
import type { Server } from '../../../tools/servers/server.types.mjs';
import { startMysql } from '../../../tools/servers/servers.mjs';
import { Product } from '../../support/product.js';
import { BackstopFixture, type BackstopInstance, leading, productRow } from './backstop.fixture.js';

const START_MS = 300_000;

/** On a server of its own: some of it concerns every reader of the log. */
describe('statements and sessions of every kind', () => {
  const { MYSQL_URL } = process.env;
  let server: Server;
  let fixture: BackstopFixture;
  let instance: BackstopInstance;
  let session: Connection;
  const toVerify: string[] = [];

  beforeAll(async () => {
    server = await startMysql({ reporter: silentReporter, settings: ['--local-infile=ON'] });
    process.env['MYSQL_URL'] = server.url;
    fixture = await BackstopFixture.create('escaping-sql');
    instance = await fixture.start();
    instance.backstop.events.on('backstopToVerify', ({ reason }) => toVerify.push(reason));
  }, START_MS);

  beforeEach(async () => {
    await session?.end();
    session = await connect();
    await run(
      'DELETE FROM product',
      `INSERT INTO product (id, sku, title, revision) VALUES ${productRow(1, 'one')}, ${productRow(2, 'two')}`,
    );
    await agree();
    toVerify.length = 0;
  });

  afterAll(async () => {
    await session?.end();
    await fixture?.close();
    if (MYSQL_URL === undefined) delete process.env['MYSQL_URL'];
    else process.env['MYSQL_URL'] = MYSQL_URL;
    await server?.remove();
  }, START_MS);

  const connect = (): Promise<Connection> => createConnection({ uri: fixture.stores.database.url });
  const run = async (...statements: string[]): Promise<void> => {
    for (const statement of statements) await session.query(statement);
  };
  const agree = (): Promise<void> => fixture.expectAgreement(instance);
  const documents = (): Promise<Record<string, string>> => fixture.documents();

  describe('are followed by the log alone', () => {
    it('LOAD DATA LOCAL INFILE, REPLACE in it included', async () => {
      const load = (how: string, rows: string): Promise<unknown> =>
        session.query({
          sql: `LOAD DATA LOCAL INFILE 'rows.csv' ${how} INTO TABLE product FIELDS TERMINATED BY ',' (id, sku, title, revision)`,
          infileStreamFactory: () => Readable.from([Buffer.from(rows)]),
        } as never);
      await load('', '10,l-10,loaded ten,1\n11,l-11,loaded eleven,1\n');
      await load('REPLACE', '1,sku-1,replaced,1\n12,l-12,loaded twelve,1\n');
      await agree();
      const loaded = { 10: 'loaded ten', 11: 'loaded eleven', 12: 'loaded twelve' };
      expect(await documents()).toEqual({ 1: 'replaced', 2: 'two', ...loaded });
      expect(toVerify).toEqual([]);
    });

    it('INSERT … SELECT, CREATE TABLE … SELECT beside it, and an INSERT from a common table expression', async () => {
      await run(
        'CREATE TABLE copy AS SELECT id, title FROM product',
        `INSERT INTO product (id, sku, title, revision) SELECT id + 100, CONCAT('s-', id), CONCAT(title, ' copied'), 1 FROM copy`,
        `INSERT INTO product (id, sku, title, revision) WITH RECURSIVE n AS (SELECT 200 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 202)
         SELECT i, CONCAT('n-', i), 'counted', 1 FROM n`,
        'DROP TABLE copy',
      );
      await agree();
      const counted = { 200: 'counted', 201: 'counted', 202: 'counted' };
      expect(await documents()).toEqual({ 1: 'one', 2: 'two', 101: 'one copied', 102: 'two copied', ...counted });
      expect(toVerify).toEqual([]);
    });

    it('an UPDATE and a DELETE of several tables, by a trigger, and by a procedure', async () => {
      await run(
        'CREATE TABLE other (id INT PRIMARY KEY, title VARCHAR(20))',
        `INSERT INTO other VALUES (1, 'joined'), (2, 'gone'), (3, 'x')`,
        'UPDATE product JOIN other USING (id) SET product.title = other.title, other.title = NULL WHERE id = 1',
        'DELETE product, other FROM product JOIN other USING (id) WHERE id = 2',
        `CREATE TRIGGER echo AFTER UPDATE ON other FOR EACH ROW INSERT INTO product (id, sku, title, revision) VALUES (NEW.id, 'trigger', NEW.title, 1)`,
        `UPDATE other SET title = 'by a trigger' WHERE id = 3`,
        `CREATE PROCEDURE rename_all() UPDATE product SET title = CONCAT(title, '!')`,
        'CALL rename_all()',
        'DROP PROCEDURE rename_all',
        'DROP TABLE other',
      );
      await agree();
      expect(await documents()).toEqual({ 1: 'joined!', 3: 'by a trigger!' });
      expect(toVerify).toEqual([]);
    });

    it('statements that are undone by a savepoint are as if they were not', async () => {
      await run(
        'BEGIN',
        `UPDATE product SET title = 'kept' WHERE id = 1`,
        'SAVEPOINT here',
        `UPDATE product SET title = 'undone' WHERE id = 2`,
        'ROLLBACK TO here',
        'COMMIT',
      );
      await agree();
      expect(await documents()).toEqual({ 1: 'kept', 2: 'two' });
      expect(toVerify).toEqual([]);
    });

    it('compressed transactions of a session that wants them', async () => {
      await run('SET SESSION binlog_transaction_compression = ON', `UPDATE product SET title = 'packed'`);
      await agree();
      expect(await documents()).toEqual({ 1: 'packed', 2: 'packed' });
      expect(toVerify).toEqual([]);
    });
  });

  describe('are seen, but not what they did: the table is verified', () => {
    it.each([
      ['of which the statement is logged', [`SET SESSION binlog_format = 'STATEMENT'`], /binlog_format/],
      ['with a partial image', [`SET SESSION binlog_row_image = 'MINIMAL'`], /binlog_row_image/],
      [
        'with an image without long columns',
        ['ALTER TABLE product ADD COLUMN body TEXT NULL', `SET SESSION binlog_row_image = 'NOBLOB'`],
        /binlog_row_image/,
      ],
    ])('rows %s', async (_, settings, reason) => {
      await run(
        ...settings,
        `UPDATE product SET title = 'odd', attributes = '{"a": 1}' WHERE id = 1`,
        'DELETE FROM product WHERE id = 2',
      );
      await agree();
      expect(await documents()).toEqual({ 1: 'odd' });
      expect(toVerify).toEqual([expect.stringMatching(reason)]);
      // And the log is followed on.
      await fixture.sql(`INSERT INTO product (id, sku, title, revision) VALUES ${productRow(3, 'three')}`);
      await agree();
      expect(await documents()).toEqual({ 1: 'odd', 3: 'three' });
      expect(toVerify).toHaveLength(1);
    });

    it('rows with parts of JSON values', async () => {
      await run(`UPDATE product SET attributes = '{"a": 1, "b": "long enough to be changed in part"}'`);
      await agree();
      await run(
        `SET SESSION binlog_row_value_options = 'PARTIAL_JSON'`,
        `UPDATE product SET attributes = JSON_SET(attributes, '$.a', 2), title = 'partly' WHERE id = 1`,
      );
      await agree();
      expect(await documents()).toEqual({ 1: 'partly', 2: 'two' });
      expect((await fixture.stores.document(fixture.index, '1'))!.source['attributes']).toMatchObject({ a: 2 });
      expect(toVerify).toEqual([expect.stringMatching(/binlog_row_value_options/)]);
    });

    it('LOAD DATA where statements are logged', async () => {
      await run(`SET SESSION binlog_format = 'STATEMENT'`);
      await session.query({
        sql: `LOAD DATA LOCAL INFILE 'rows.csv' INTO TABLE product FIELDS TERMINATED BY ',' (id, sku, title, revision)`,
        infileStreamFactory: () => Readable.from([Buffer.from('10,l-10,loaded as text,1\n')]),
      } as never);
      await agree();
      expect(await documents()).toMatchObject({ 10: 'loaded as text' });
      expect(toVerify).toEqual([expect.stringMatching(/binlog_format/)]);
    });

    it('a partition that changes places with a table', async () => {
      const [{ name }] = (await fixture.sql(
        `SELECT INDEX_NAME AS name FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'product' AND COLUMN_NAME = 'sku'`,
      )) as [{ name: string }];
      await run(
        `ALTER TABLE product DROP INDEX \`${name}\``,
        'ALTER TABLE product PARTITION BY RANGE (id) (PARTITION small VALUES LESS THAN (100), PARTITION large VALUES LESS THAN MAXVALUE)',
        'CREATE TABLE spare LIKE product',
        'ALTER TABLE spare REMOVE PARTITIONING',
        `INSERT INTO spare (id, sku, title, revision) VALUES ${productRow(5, 'exchanged')}`,
      );
      await agree();
      toVerify.length = 0;
      await run('ALTER TABLE product EXCHANGE PARTITION small WITH TABLE spare');
      await agree();
      expect(await documents()).toEqual({ 5: 'exchanged' });
      expect(toVerify).toHaveLength(1);
      await run(
        'ALTER TABLE product REMOVE PARTITIONING',
        'DROP TABLE spare',
        `ALTER TABLE product ADD UNIQUE INDEX \`${name}\` (sku)`,
      );
    });
  });

  describe('of XA transactions are not used before they are decided', () => {
    const branch = (name: string, id: number): string[] => [
      `XA START '${name}'`,
      `UPDATE product SET title = '${name}' WHERE id = ${id}`,
      `XA END '${name}'`,
    ];

    it('committed in one phase, in two, and undone', async () => {
      await run(...branch('one phase', 1), `XA COMMIT 'one phase' ONE PHASE`);
      await run(...branch('undone', 2), `XA PREPARE 'undone'`);
      await instance.backstop.waitFor();
      expect((await documents())['2']).toBe('two');
      await run(`XA ROLLBACK 'undone'`);
      await agree();
      expect(await documents()).toEqual({ 1: 'one phase', 2: 'two' });
      await run(...branch('two phases', 2), `XA PREPARE 'two phases'`, `XA COMMIT 'two phases'`);
      await agree();
      expect(await documents()).toEqual({ 1: 'one phase', 2: 'two phases' });
      expect(toVerify).toEqual([expect.stringContaining('XA'), expect.stringContaining('XA')]);
    });

    it('prepared before the backstop stopped, and committed while it was away: every table is verified', async () => {
      await run(...branch('over a stop', 1), `XA PREPARE 'over a stop'`);
      await instance.backstop.waitFor();
      await instance.backstop.stop();
      // Another session, as after a crash of the coordinator: this one may not do anything else before its end.
      await session.end();
      session = await connect();
      await run(`XA COMMIT 'over a stop'`);
      instance.backstop.start();
      await leading(instance.backstop);
      await agree();
      expect(await documents()).toEqual({ 1: 'over a stop', 2: 'two' });
      expect(toVerify).toEqual([expect.stringContaining('prepared earlier')]);
    });
  });

  it('what is not logged at all escapes, until somebody compares', async () => {
    await run(
      'SET SESSION sql_log_bin = 0',
      `UPDATE product SET title = 'unlogged' WHERE id = 1`,
      'DELETE FROM product WHERE id = 2',
    );
    await instance.backstop.drained();
    expect(await documents()).toEqual({ 1: 'one', 2: 'two' });
    const found = await instance.service.verify(Product, { repair: true });
    expect(found).toMatchObject({ stale: 1, orphaned: 1, repaired: 2 });
    await agree();
    expect(await documents()).toEqual({ 1: 'unlogged' });
  });
});
