import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { InvalidOptionsError } from '../../../src/index.js';
import { BackstopModule } from '../../../src/binlog/index.js';
import { FaultProxy } from '../../../src/testing/index.js';
import { until } from '../../support/faulty.js';
import { elasticsearchUrl } from '../../support/servers.js';
import { BackstopFixture, leading, productRow } from './backstop.fixture.js';

describe('the life of a backstop', () => {
  let fixture: BackstopFixture;

  beforeEach(async () => {
    fixture = await BackstopFixture.create('backstop-life');
  });

  afterEach(() => fixture.close());

  const insert = (...rows: [id: number, title: string][]): Promise<unknown> =>
    fixture.sql(
      `INSERT INTO product (id, sku, title, revision) VALUES ${rows.map((row) => productRow(...row)).join(', ')}`,
    );

  it('starts and stops any number of times, and goes on where it was', async () => {
    const instance = await fixture.start();
    const { backstop } = instance;
    backstop.start();
    await insert([1, 'one']);
    await fixture.expectAgreement(instance);
    await backstop.stop();
    await backstop.stop();
    expect(backstop.status()).toMatchObject({ state: 'stopped' });
    await insert([2, 'while it was stopped']);
    await fixture.sql('DELETE FROM product WHERE id = 1');
    backstop.start();
    await leading(backstop);
    await fixture.expectAgreement(instance);
    expect(await fixture.documents()).toEqual({ 2: 'while it was stopped' });
  });

  it('one of two instances leads, and hands over when it stops', async () => {
    const first = await fixture.start();
    const second = await fixture.start({ leading: false, synchronize: false });
    await until('the second stands by', () => second.backstop.status().state === 'standby');
    await insert([1, 'one']);
    await fixture.expectAgreement(first);
    await first.backstop.stop();
    await leading(second.backstop);
    await insert([2, 'two']);
    await fixture.expectAgreement(second);
    expect(await fixture.documents()).toEqual({ 1: 'one', 2: 'two' });
  });

  it('stops while Elasticsearch does not answer, and redelivers what was under way', async () => {
    const proxy = new FaultProxy(elasticsearchUrl());
    await proxy.start();
    try {
      const { backstop } = await fixture.start({
        elasticsearchNode: proxy.url,
        backstop: { requestTimeoutMs: 60_000 },
      });
      const silent = proxy.inject({ kind: 'black-hole' }, { path: '/_bulk' });
      await insert([1, 'one'], [2, 'two']);
      await silent.reached();
      await backstop.stop();
      expect(backstop.status().state).toBe('stopped');
      proxy.clear();
      const next = await fixture.start({ synchronize: false });
      await fixture.expectAgreement(next);
      expect(await fixture.documents()).toEqual({ 1: 'one', 2: 'two' });
    } finally {
      await proxy.stop();
    }
  });

  it('redelivery is harmless: a rewind over adoptions, deletes and library writes changes no document', async () => {
    const instance = await fixture.start();
    const { gtidSet } = instance.backstop.status().position!;
    await insert([1, 'one'], [2, 'two'], [3, 'three']);
    await fixture.sql(`UPDATE product SET title = CONCAT(title, '!') WHERE id = 1`);
    await fixture.sql('DELETE FROM product WHERE id = 2');
    await instance.products.update({ id: '3', title: 'by the library' });
    await fixture.expectAgreement(instance);
    const before = await fixture.sql('SELECT id, title, consistency_version FROM product');
    const documents = await Promise.all(['1', '2', '3'].map((id) => fixture.stores.document(fixture.index, id)));
    await instance.backstop.rewind({ gtidSet });
    await leading(instance.backstop);
    await fixture.expectAgreement(instance);
    expect(await fixture.sql('SELECT id, title, consistency_version FROM product')).toEqual(before);
    expect(await Promise.all(['1', '2', '3'].map((id) => fixture.stores.document(fixture.index, id)))).toEqual(
      documents,
    );
  });

  it('begins at a time', async () => {
    const quiet = await fixture.start({ backstop: { autoStart: false }, leading: false });
    const [{ now }] = (await fixture.sql('SELECT UNIX_TIMESTAMP(NOW(6)) * 1000 AS now')) as [{ now: string }];
    await insert([1, 'since then']);
    await quiet.backstop.rewind({ time: new Date(Math.floor(Number(now))) });
    quiet.backstop.start();
    await leading(quiet.backstop);
    await fixture.expectAgreement(quiet);
    expect(await fixture.documents()).toEqual({ 1: 'since then' });
  });

  it('leaves the application alone when it cannot work, and says why', async () => {
    const { backstop, products } = await fixture.start({
      backstop: { connection: { host: '127.0.0.1', port: 1, user: 'nobody' } },
      leading: false,
    });
    await until('it has failed', () => backstop.status().state === 'failed');
    expect(backstop.status()).toMatchObject({ degraded: true, reason: expect.stringContaining('ECONNREFUSED') });
    expect(await products.find()).toEqual([]);
  });

  it('verifies everything when the checkpoint is not of this server', async () => {
    const instance = await fixture.start();
    await insert([1, 'one']);
    await fixture.expectAgreement(instance);
    await instance.backstop.stop();
    const toVerify: string[] = [];
    instance.backstop.events.on('backstopToVerify', ({ reason }) => toVerify.push(reason));
    await fixture.sql(`UPDATE product SET title = 'unseen'`);
    await fixture.sql(
      `UPDATE consistent_checkpoint SET gtid_set = '3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5', server_uuid = 'x'`,
    );
    instance.backstop.start();
    await leading(instance.backstop);
    await fixture.expectAgreement(instance);
    // Other tests write to the same server, in statements too: what those leave to be verified does not count.
    expect(toVerify.filter((reason) => reason.includes('lacks transactions'))).toHaveLength(1);
    expect(await fixture.documents()).toEqual({ 1: 'unseen' });
  });

  it('remembers over a restart what is still to be verified', async () => {
    const instance = await fixture.start();
    await instance.backstop.stop();
    // As a document that came about while nobody looked.
    await fixture.stores.client.index({ index: fixture.index, id: '77', document: { title: 'an orphan' } });
    await fixture.sql(
      `UPDATE consistent_checkpoint SET to_verify = JSON_OBJECT(CONCAT(DATABASE(), '.product'), 'not done yet')`,
    );
    instance.backstop.start();
    await leading(instance.backstop);
    await fixture.expectAgreement(instance);
    expect(await fixture.documents()).toEqual({});
    expect(instance.backstop.status()).toMatchObject({ toVerify: {}, degraded: false });
  });

  it('refuses times to wait and to go back to that are none', async () => {
    const { backstop } = await fixture.start();
    for (const timeoutMs of [Number.NaN, -1, Number.POSITIVE_INFINITY, '5' as unknown as number]) {
      await expect(backstop.waitFor(undefined, timeoutMs)).rejects.toThrow(InvalidOptionsError);
      await expect(backstop.drained(timeoutMs)).rejects.toThrow(InvalidOptionsError);
    }
    for (const time of [new Date(Number.NaN), 5]) {
      await expect(backstop.rewind({ time: time as Date })).rejects.toThrow(InvalidOptionsError);
    }
    expect(backstop.status()).toMatchObject({ state: 'leading' });
  });

  it('refuses options that it cannot use, and entities that it does not know', async () => {
    expect(() => BackstopModule.forRoot({ maxBulkItems: 0 })).toThrow(InvalidOptionsError);
    const { backstop } = await fixture.start({ backstop: { entities: ['Nobody'] }, leading: false });
    await until('it has failed', () => backstop.status().state === 'failed');
    expect(backstop.status().reason).toContain('Nobody');
  });
});
