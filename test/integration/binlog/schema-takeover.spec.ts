import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ConsistentError, IndexRejectedError } from '../../../src/index.js';
import { FaultProxy } from '../../../src/testing/index.js';
import { BULK, until } from '../../support/faulty.js';
import { product } from '../../support/product.js';
import { elasticsearchUrl } from '../../support/servers.js';
import { BackstopProcess } from './backstop.child.js';
import { BackstopFixture, type BackstopInstance, productRow } from './backstop.fixture.js';

/** Every process loads the whole application. */
const PATIENCE_MS = 240_000;

/** One instance leads, in a process of its own that is killed; this one stands by, and its repositories write. */
describe('columns that change while this instance does not lead', () => {
  const proxy = new FaultProxy(elasticsearchUrl());
  let fixture: BackstopFixture;
  let instance: BackstopInstance;
  let leader: BackstopProcess;

  beforeAll(async () => {
    await proxy.start();
    fixture = await BackstopFixture.create('schema-takeover');
    instance = await fixture.start({ elasticsearchNode: proxy.url });
  });

  beforeEach(async () => {
    await instance.backstop.stop();
    await fixture.sql('DELETE FROM product');
    await standBy();
    await instance.products.insert(product({ id: '1', title: 'one' }));
    await fixture.sql(`INSERT INTO product (id, sku, title, revision) VALUES ${productRow(2, 'two')}`);
    await until('the leader works', async () => Object.keys(await fixture.documents()).length === 2);
  }, PATIENCE_MS);

  afterEach(async () => {
    proxy.clear();
    await leader?.kill();
  });

  afterAll(async () => {
    await fixture?.close();
    await proxy.stop();
  });

  const standBy = async (): Promise<void> => {
    leader = new BackstopProcess({
      connection: fixture.stores.database.connection,
      index: fixture.index,
      elasticsearchNode: elasticsearchUrl(),
      backstop: { checkpointIntervalMs: 20 },
    });
    await leader.leads();
    instance.backstop.start();
    await until('it stands by', () => instance.backstop.status().state === 'standby');
  };
  const takesOver = async (): Promise<void> => {
    await leader.kill();
    await fixture.expectLeading(instance);
    await fixture.expectAgreement(instance);
  };
  /** An update whose document Elasticsearch refuses: the row is restored, by this instance's own statements. */
  const restored = async (): Promise<void> => {
    const refused = proxy.inject({ kind: 'answer', status: 400, body: '{}' }, { ...BULK, times: 1 });
    await expect(instance.products.update({ id: '1', title: 'refused' })).rejects.toThrow(IndexRejectedError);
    expect(refused.hits).toBe(1);
  };

  it(
    'ADD COLUMN: nothing is misread after the take-over, and what the column holds is not lost by a restore',
    async () => {
      await fixture.sql(`UPDATE product SET title = 'one before' WHERE id = 1`);
      await fixture.sql(`ALTER TABLE product ADD COLUMN extra VARCHAR(20) NOT NULL DEFAULT 'default' FIRST`);
      await fixture.sql(`UPDATE product SET title = 'two after', extra = 'of SQL' WHERE id = 2`);
      await fixture.sql(`UPDATE product SET extra = 'kept' WHERE id = 1`);
      // Whether or not this instance has noticed yet.
      await restored();
      expect(await fixture.stores.row('product', 1)).toMatchObject({ title: 'one before', extra: 'kept' });
      await takesOver();
      expect(await fixture.documents()).toEqual({ 1: 'one before', 2: 'two after' });
      await restored();
      expect(await fixture.stores.row('product', 1)).toMatchObject({ title: 'one before', extra: 'kept' });
      await fixture.sql(`UPDATE product SET title = CONCAT(title, ' again')`);
      await instance.products.update({ id: '2', title: 'by the library' });
      await fixture.expectAgreement(instance);
      expect(await fixture.documents()).toEqual({ 1: 'one before again', 2: 'by the library' });
      expect(await fixture.sql('SELECT extra FROM product ORDER BY id')).toEqual([
        { extra: 'kept' },
        { extra: 'of SQL' },
      ]);
      await fixture.sql('ALTER TABLE product DROP COLUMN extra');
      await fixture.expectAgreement(instance);
    },
    PATIENCE_MS,
  );

  it(
    'DROP COLUMN: this instance goes on writing without being started anew, and nothing is written wrongly until then',
    async () => {
      await fixture.sql('ALTER TABLE product ADD COLUMN extra INT NULL');
      // So that its statements name the column.
      await takesOver();
      await instance.products.update({ id: '1', title: 'with the column' });
      await instance.backstop.stop();
      await standBy();
      await fixture.sql('ALTER TABLE product DROP COLUMN extra');
      await until('it writes again', async () => {
        const error = await instance.products.update({ id: '1', title: 'without it' }).catch((reason: Error) => reason);
        if (!(error instanceof Error)) return true;
        // MySQL's own: nothing was done.
        expect(error).not.toBeInstanceOf(ConsistentError);
        expect(await fixture.stores.row('product', 1)).toMatchObject({
          title: 'with the column',
          consistency_state: 'commit',
        });
        return false;
      });
      expect(instance.backstop.status().state).toBe('standby');
      await takesOver();
      expect(await fixture.documents()).toEqual({ 1: 'without it', 2: 'two' });
    },
    PATIENCE_MS,
  );

  it(
    'a change that nobody has read yet, as the leader dies first: rows from both sides of it are read by their own columns',
    async () => {
      await instance.backstop.stop();
      await leader.kill();
      await fixture.sql(`UPDATE product SET title = 'before' WHERE id = 1`);
      await fixture.sql(
        `ALTER TABLE product ADD COLUMN first INT NULL FIRST, MODIFY stock BIGINT NOT NULL DEFAULT 7, MODIFY title VARCHAR(300) NOT NULL AFTER stock`,
      );
      await fixture.sql(`UPDATE product SET title = 'after', stock = 4, first = 99 WHERE id = 2`);
      instance.backstop.start();
      await takesOver();
      expect(await fixture.documents()).toEqual({ 1: 'before', 2: 'after' });
      // A BIGINT is exact, as text.
      expect((await fixture.stores.document(fixture.index, '2'))!.source['stock']).toBe('4');
      await restored();
      expect(await fixture.stores.row('product', 1)).toMatchObject({ title: 'before', stock: 7 });
      await fixture.sql('ALTER TABLE product DROP COLUMN first, MODIFY stock INT NOT NULL DEFAULT 7');
      await fixture.expectAgreement(instance);
    },
    PATIENCE_MS,
  );
});
