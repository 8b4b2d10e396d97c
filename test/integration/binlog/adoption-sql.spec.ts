import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { product } from '../../support/product.js';
import { BackstopFixture, type BackstopInstance, productRow } from './backstop.fixture.js';

const ids = (rows: Record<string, unknown>): string[] => Object.keys(rows).toSorted((a, b) => Number(a) - Number(b));

describe('changes around the library reach the index', () => {
  let fixture: BackstopFixture;
  let instance: BackstopInstance;
  const toVerify: string[] = [];

  beforeAll(async () => {
    fixture = await BackstopFixture.create('adoption-sql');
    instance = await fixture.start();
    instance.backstop.events.on('backstopToVerify', ({ reason }) => toVerify.push(reason));
  });

  beforeEach(async () => {
    await fixture.sql('DELETE FROM product');
    await agree();
  });

  afterAll(() => fixture.close());

  // Nothing of this may be left to a verification.
  afterEach(() => expect(toVerify).toEqual([]));

  const agree = (): Promise<void> => fixture.expectAgreement(instance);
  const insert = (...rows: [id: number, title: string][]): Promise<unknown> =>
    fixture.sql(
      `INSERT INTO product (id, sku, title, revision) VALUES ${rows.map((row) => productRow(...row)).join(', ')}`,
    );

  it('an INSERT of several rows, an UPDATE of some, a DELETE of others', async () => {
    await insert([1, 'one'], [2, 'two'], [3, 'three']);
    await agree();
    expect(await fixture.documents()).toEqual({ 1: 'one', 2: 'two', 3: 'three' });
    await fixture.sql(`UPDATE product SET title = CONCAT(title, '!') WHERE id <= 2`);
    await agree();
    expect(await fixture.documents()).toEqual({ 1: 'one!', 2: 'two!', 3: 'three' });
    await fixture.sql('DELETE FROM product WHERE id >= 2');
    await agree();
    expect(await fixture.documents()).toEqual({ 1: 'one!' });
  });

  it('one change of a row needs no write to MySQL, and the row keeps its version', async () => {
    await instance.products.insert(product({ id: '1', title: 'one' }));
    const { consistency_version: version } = (await fixture.stores.row('product', 1))!;
    await fixture.sql(`UPDATE product SET title = 'two' WHERE id = 1`);
    await agree();
    expect(await fixture.stores.row('product', 1)).toMatchObject({ consistency_version: version });
    expect(await fixture.stores.document(fixture.index, '1')).toMatchObject({ version: Number(version) + 1 });
  });

  it('a row that SQL changes again and again', async () => {
    await insert([1, 'one']);
    for (let round = 1; round <= 5; round++) {
      await fixture.sql(`UPDATE product SET title = 'round ${round}' WHERE id = 1`);
      await agree();
      expect(await fixture.documents()).toEqual({ 1: `round ${round}` });
    }
  });

  it('REPLACE, and INSERT … ON DUPLICATE KEY UPDATE', async () => {
    await insert([1, 'one'], [2, 'two']);
    await fixture.sql(
      `REPLACE INTO product (id, sku, title, revision) VALUES ${productRow(1, 'replaced')}, ${productRow(3, 'new')}`,
    );
    await fixture.sql(
      `INSERT INTO product (id, sku, title, revision) VALUES ${productRow(2, 'x')}, ${productRow(4, 'four')} ON DUPLICATE KEY UPDATE title = 'duplicate'`,
    );
    await agree();
    expect(await fixture.documents()).toEqual({ 1: 'replaced', 2: 'duplicate', 3: 'new', 4: 'four' });
  });

  it('a row that a REPLACE moves to another key by a second unique index', async () => {
    await insert([1, 'one']);
    await fixture.sql(`REPLACE INTO product (id, sku, title, revision) VALUES (9, 'sku-1', 'moved', 1)`);
    await agree();
    expect(await fixture.documents()).toEqual({ 9: 'moved' });
  });

  it('an UPDATE of several tables', async () => {
    await insert([1, 'one'], [2, 'two']);
    await fixture.sql('CREATE TABLE title (film INT PRIMARY KEY, text VARCHAR(50))');
    await fixture.sql(`INSERT INTO title VALUES (1, 'joined one'), (2, 'joined two')`);
    await fixture.sql(
      "UPDATE product JOIN title ON title.film = product.id SET product.title = title.text, title.text = ''",
    );
    await agree();
    expect(await fixture.documents()).toEqual({ 1: 'joined one', 2: 'joined two' });
    await fixture.sql('DROP TABLE title');
  });

  it('a change of the primary key', async () => {
    await insert([1, 'one'], [2, 'two']);
    await fixture.sql('UPDATE product SET id = id + 10');
    await agree();
    expect(await fixture.documents()).toEqual({ 11: 'one', 12: 'two' });
  });

  it('several changes of one row in one transaction, as one request', async () => {
    await instance.products.insert(product({ id: '1', title: 'one' }));
    await agree();
    const before = (await fixture.stores.document(fixture.index, '1'))!.version;
    await fixture.transaction(
      `UPDATE product SET title = 'a' WHERE id = 1`,
      `UPDATE product SET title = 'b' WHERE id = 1`,
      `UPDATE product SET title = 'c' WHERE id = 1`,
    );
    await agree();
    const document = await fixture.stores.document(fixture.index, '1');
    expect({ title: document!.source['title'], version: document!.version }).toEqual({
      title: 'c',
      version: before + 1,
    });
  });

  it('nothing of a transaction that is rolled back', async () => {
    await insert([1, 'one']);
    await fixture.transaction(`UPDATE product SET title = 'never' WHERE id = 1`, 'ROLLBACK');
    await agree();
    expect(await fixture.documents()).toEqual({ 1: 'one' });
  });

  it('soft deletes, and rows that come back', async () => {
    await insert([1, 'one']);
    await fixture.sql('UPDATE product SET deletedAt = NOW() WHERE id = 1');
    await agree();
    expect(await fixture.documents()).toEqual({});
    await fixture.sql('UPDATE product SET deletedAt = NULL WHERE id = 1');
    await agree();
    expect(await fixture.documents()).toEqual({ 1: 'one' });
  });

  it('thousands of rows in one statement', async () => {
    await fixture.sql('SET SESSION cte_max_recursion_depth = 10000').catch(() => undefined);
    const values = Array.from({ length: 6_000 }, (_, at) => productRow(at + 1, `title ${at + 1}`));
    await fixture.sql(`INSERT INTO product (id, sku, title, revision) VALUES ${values.join(', ')}`);
    await fixture.sql(`UPDATE product SET title = CONCAT('again ', id)`);
    await agree();
    expect(ids(await fixture.documents())).toHaveLength(6_000);
  });

  it('rows that a foreign key removes', async () => {
    await fixture.sql('CREATE TABLE shelf (id INT PRIMARY KEY)');
    await fixture.sql('INSERT INTO shelf VALUES (7), (8)');
    await insert([1, 'one'], [2, 'two']);
    await fixture.sql('UPDATE product SET stock = 8 WHERE id = 2');
    await fixture.sql(
      'ALTER TABLE product ADD CONSTRAINT on_shelf FOREIGN KEY (stock) REFERENCES shelf (id) ON DELETE CASCADE',
    );
    await agree();
    await fixture.sql('DELETE FROM shelf WHERE id = 8');
    await agree();
    expect(await fixture.documents()).toEqual({ 1: 'one' });
    await fixture.sql('ALTER TABLE product DROP FOREIGN KEY on_shelf');
    await fixture.sql('DROP TABLE shelf');
  });

  it('a key that the library has deleted and SQL brings back, and the other way round', async () => {
    await instance.products.insert(product({ id: '1', title: 'first life' }));
    await instance.products.remove((await instance.products.findOneBy({ id: '1' }))!);
    await insert([1, 'second life']);
    await agree();
    expect(await fixture.documents()).toEqual({ 1: 'second life' });
    await fixture.sql('DELETE FROM product WHERE id = 1');
    await instance.products.insert(product({ id: '1', title: 'third life' }));
    await agree();
    expect(await fixture.documents()).toEqual({ 1: 'third life' });
  });

  it('sends nothing where no column changes that the document shows', async () => {
    await instance.products.insert(product({ id: '1', title: 'one' }));
    await agree();
    const before = await fixture.stores.document(fixture.index, '1');
    await fixture.sql('ALTER TABLE product ADD COLUMN remark VARCHAR(20) NULL');
    await fixture.sql(`UPDATE product SET updatedAt = updatedAt, remark = 'not shown' WHERE id = 1`);
    await agree();
    expect(await fixture.stores.document(fixture.index, '1')).toEqual(before);
    await fixture.sql('ALTER TABLE product DROP COLUMN remark');
  });
});
