import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { product } from '../../support/product.js';
import { until } from '../../support/faulty.js';
import { BackstopFixture, type BackstopInstance, productRow } from './backstop.fixture.js';

describe('a table that changes under the backstop', () => {
  let fixture: BackstopFixture;
  let instance: BackstopInstance;
  const toVerify: string[] = [];

  beforeAll(async () => {
    fixture = await BackstopFixture.create('schema-change');
    instance = await fixture.start();
    instance.backstop.events.on('backstopToVerify', ({ reason }) => toVerify.push(reason));
  });

  beforeEach(async () => {
    await fixture.sql('DELETE FROM product');
    await insert([1, 'one'], [2, 'two']);
    await agree();
    toVerify.length = 0;
  });

  afterAll(() => fixture.close());

  const agree = (): Promise<void> => fixture.expectAgreement(instance);
  const insert = (...rows: [id: number, title: string][]): Promise<unknown> =>
    fixture.sql(
      `INSERT INTO product (id, sku, title, revision) VALUES ${rows.map((row) => productRow(...row)).join(', ')}`,
    );
  /** Before, between and after: the log holds rows of both forms, and both are read by their own columns. */
  const around = async (...statements: string[]): Promise<void> => {
    await fixture.sql(`UPDATE product SET title = CONCAT(title, ' before') WHERE id = 1`);
    for (const statement of statements) await fixture.sql(statement);
    await fixture.sql(`UPDATE product SET title = CONCAT(title, ' after')`);
    await agree();
    expect(await fixture.documents()).toEqual({ 1: 'one before after', 2: 'two after' });
  };
  const libraryWrites = async (): Promise<void> => {
    await instance.products.update({ id: '1', title: 'by the library' });
    await instance.products.insert(product({ id: '3', title: 'new' }));
    await instance.products.remove((await instance.products.findOneBy({ id: '2' }))!);
    await agree();
    expect(await fixture.documents()).toEqual({ 1: 'by the library', 3: 'new' });
  };

  it('ADD and DROP of columns that the entity does not map: nothing is misread, the library goes on writing', async () => {
    await around("ALTER TABLE product ADD COLUMN extra VARCHAR(20) NOT NULL DEFAULT 'x' FIRST");
    await libraryWrites();
    await fixture.sql('ALTER TABLE product DROP COLUMN extra');
    await agree();
    await instance.products.update({ id: '1', title: 'after the drop' });
    await agree();
    expect(await fixture.documents()).toEqual({ 1: 'after the drop', 3: 'new' });
    expect(toVerify).toEqual([]);
  });

  it('RENAME of a column that the entity does not map', async () => {
    await fixture.sql('ALTER TABLE product ADD COLUMN one_name INT NULL');
    await around('ALTER TABLE product RENAME COLUMN one_name TO other_name');
    await libraryWrites();
    await fixture.sql('ALTER TABLE product DROP COLUMN other_name');
    expect(toVerify).toEqual([]);
  });

  it('another order of the columns', async () => {
    await around(
      'ALTER TABLE product MODIFY title VARCHAR(255) NOT NULL FIRST',
      'ALTER TABLE product MODIFY sku VARCHAR(255) NOT NULL AFTER revision',
    );
    await libraryWrites();
  });

  it('another type of a column: its documents are verified', async () => {
    await around(
      'ALTER TABLE product MODIFY stock BIGINT NOT NULL DEFAULT 7',
      'ALTER TABLE product MODIFY title VARCHAR(500) NOT NULL',
    );
    expect(toVerify).not.toEqual([]);
    await libraryWrites();
  });

  it('a table that is exchanged for its copy, as gh-ost does it', async () => {
    await fixture.sql('CREATE TABLE _product_gho LIKE product');
    await fixture.sql('ALTER TABLE _product_gho ADD COLUMN extra INT NULL');
    await fixture.sql(`INSERT INTO _product_gho SELECT *, 1 FROM product`);
    // What the copy has and the table had not: no row event of the table tells of it.
    await fixture.sql(`UPDATE _product_gho SET title = 'from the copy' WHERE id = 2`);
    await fixture.sql('RENAME TABLE product TO _product_del, _product_gho TO product');
    await fixture.sql(`UPDATE product SET title = 'after the exchange' WHERE id = 1`);
    await agree();
    expect(await fixture.documents()).toEqual({ 1: 'after the exchange', 2: 'from the copy' });
    expect(toVerify).not.toEqual([]);
    await fixture.sql('DROP TABLE _product_del');
    await libraryWrites();
  });

  it('TRUNCATE: every document is an orphan, and goes', async () => {
    await fixture.sql('TRUNCATE TABLE product');
    await insert([5, 'five']);
    await agree();
    expect(await fixture.documents()).toEqual({ 5: 'five' });
  });

  it('a column that the entity needs: the table stops loudly, and comes back with the column', async () => {
    await fixture.sql('ALTER TABLE product RENAME COLUMN title TO heading');
    await until('the table is closed', () => Object.values(instance.backstop.status().tables)[0]!.closed !== null);
    expect(instance.backstop.status()).toMatchObject({ state: 'leading', degraded: true });
    await fixture.sql(`UPDATE product SET heading = 'unseen' WHERE id = 1`);
    await instance.backstop.waitFor();
    await fixture.sql('ALTER TABLE product RENAME COLUMN heading TO title');
    await agree();
    expect(await fixture.documents()).toEqual({ 1: 'unseen', 2: 'two' });
    expect(instance.backstop.status()).toMatchObject({ degraded: false });
  });

  it('DROP TABLE and a new one by its name', async () => {
    const [{ 'Create Table': create }] = (await fixture.sql('SHOW CREATE TABLE product')) as [
      { 'Create Table': string },
    ];
    await fixture.sql('DROP TABLE product');
    await until('the table is closed', () => Object.values(instance.backstop.status().tables)[0]!.closed !== null);
    await fixture.sql(create);
    await insert([8, 'eight']);
    await agree();
    expect(await fixture.documents()).toEqual({ 8: 'eight' });
  });

  it('a change while the backstop is stopped: rows from before and after it are read by their own columns', async () => {
    await instance.backstop.stop();
    await fixture.sql(`UPDATE product SET title = 'one before' WHERE id = 1`);
    await fixture.sql('ALTER TABLE product ADD COLUMN later INT NULL FIRST');
    await fixture.sql(`UPDATE product SET title = 'two after' WHERE id = 2`);
    await fixture.sql('ALTER TABLE product DROP COLUMN later, MODIFY stock SMALLINT NOT NULL DEFAULT 7');
    await fixture.sql(`INSERT INTO product (id, sku, title, revision) VALUES ${productRow(3, 'three')}`);
    instance.backstop.start();
    await fixture.expectLeading(instance);
    await agree();
    expect(await fixture.documents()).toEqual({ 1: 'one before', 2: 'two after', 3: 'three' });
  });
});
