import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { FaultProxy } from '../../../src/testing/index.js';
import { BULK, MGET, until } from '../../support/faulty.js';
import { elasticsearchUrl } from '../../support/servers.js';
import { BackstopFixture, type BackstopInstance, productRow } from './backstop.fixture.js';

describe('Elasticsearch under a working backstop', () => {
  const proxy = new FaultProxy(elasticsearchUrl());
  let fixture: BackstopFixture;
  let instance: BackstopInstance;
  const toVerify: string[] = [];

  beforeAll(async () => {
    await proxy.start();
    fixture = await BackstopFixture.create('backstop-faults');
    instance = await fixture.start({
      elasticsearchNode: proxy.url,
      backstop: { requestTimeoutMs: 1_000, indexCheckIntervalMs: 100, blockedAfterMs: 300 },
    });
    instance.backstop.events.on('backstopToVerify', ({ reason }) => toVerify.push(reason));
  });

  beforeEach(async () => {
    await fixture.sql('DELETE FROM product');
    await fixture.expectAgreement(instance);
    toVerify.length = 0;
  });

  afterEach(async () => {
    proxy.clear();
    await proxy.release();
  });

  afterAll(async () => {
    await fixture.close();
    await proxy.stop();
  });

  const insert = (...rows: [id: number, title: string][]): Promise<unknown> =>
    fixture.sql(
      `INSERT INTO product (id, sku, title, revision) VALUES ${rows.map((row) => productRow(...row)).join(', ')}`,
    );
  const table = () => Object.values(instance.backstop.status().tables)[0]!;
  const retried = (more: number) => {
    const before = table().retried;
    return until('changes are tried again', () => table().retried >= before + more);
  };

  it('waits while it is down, without leaving anything to verification, and goes on', async () => {
    proxy.inject({ kind: 'cut-before' }, {});
    await insert([1, 'one'], [2, 'two']);
    await fixture.sql(`UPDATE product SET title = 'two!' WHERE id = 2`);
    // Longer than a single row would be given: it is nobody's own trouble.
    await retried(12);
    const { position, pendingRows } = instance.backstop.status();
    expect(pendingRows).toBeGreaterThan(0);
    const { gtidSet } = position!;
    await insert([3, 'three']);
    expect(instance.backstop.status().position!.gtidSet).toBe(gtidSet);
    proxy.clear();
    await fixture.expectAgreement(instance);
    expect(await fixture.documents()).toEqual({ 1: 'one', 2: 'two!', 3: 'three' });
    expect(toVerify).toEqual([]);
  });

  it.each([
    ['429 for the whole bulk', { kind: 'answer', status: 429, body: '{}' } as const],
    ['503 of a proxy', { kind: 'answer', status: 503, body: 'busy' } as const],
    ['a bulk that is cut before it arrives', { kind: 'cut-before' } as const],
    ['a bulk that is cut after it was carried out', { kind: 'cut-after' } as const],
    ['an answer that is no JSON', { kind: 'garbage' } as const],
    ['no answer at all', { kind: 'black-hole' } as const],
  ])('tries again after %s', async (_, fault) => {
    const injected = proxy.inject(fault, { ...BULK, times: 2 });
    await insert([1, 'one'], [2, 'two']);
    await injected.reached(2);
    await fixture.expectAgreement(instance);
    expect(await fixture.documents()).toEqual({ 1: 'one', 2: 'two' });
    expect(toVerify).toEqual([]);
  });

  it('tries again where slots cannot be looked at', async () => {
    const injected = proxy.inject({ kind: 'cut-after' }, { ...MGET, times: 3 });
    await insert([1, 'one']);
    await fixture.sql('DELETE FROM product');
    await injected.reached(1);
    await fixture.expectAgreement(instance);
    expect(await fixture.documents()).toEqual({});
  });

  it('is not misled by a bulk that arrives late, after newer changes of the same row', async () => {
    await insert([1, 'one']);
    await fixture.expectAgreement(instance);
    const held = proxy.inject({ kind: 'hold' }, { ...BULK, times: 1 });
    await fixture.sql(`UPDATE product SET title = 'late' WHERE id = 1`);
    await held.reached(1);
    await fixture.sql(`UPDATE product SET title = 'newer' WHERE id = 1`);
    await instance.products.update({ id: '1', title: 'newest' });
    await instance.backstop.drained();
    await proxy.release();
    await fixture.expectAgreement(instance);
    expect(await fixture.documents()).toEqual({ 1: 'newest' });
  });

  it('lets one document that is refused not stop the others, and tells of it until it is mended', async () => {
    // Wider than the field's type in the index.
    await fixture.sql('ALTER TABLE product MODIFY stock BIGINT NOT NULL DEFAULT 7');
    await insert([1, 'one'], [2, 'two'], [3, 'three']);
    await fixture.expectAgreement(instance);
    await fixture.sql(`UPDATE product SET title = 'changed', stock = IF(id = 2, 5000000000, 7)`);
    await instance.backstop.waitFor();
    expect(instance.backstop.refused()).toMatchObject([{ entity: 'Product', documentId: '2' }]);
    expect(instance.backstop.status()).toMatchObject({ degraded: true });
    expect(await fixture.documents()).toEqual({ 1: 'changed', 2: 'two', 3: 'changed' });
    // The same again is not driven again and again.
    const { consistency_version: version } = (await fixture.stores.row('product', 2))!;
    await fixture.sql(`UPDATE product SET title = 'still refused' WHERE id = 2`);
    await instance.backstop.waitFor();
    expect(await fixture.stores.row('product', 2)).toMatchObject({ consistency_version: version });
    await fixture.sql('UPDATE product SET stock = 8 WHERE id = 2');
    await fixture.expectAgreement(instance);
    expect(instance.backstop.refused()).toEqual([]);
    expect(instance.backstop.status()).toMatchObject({ degraded: false, toVerify: {} });
  });

  it('makes a lost index again and fills it', async () => {
    await insert([1, 'one'], [2, 'two']);
    await instance.products.update({ id: '2', title: 'by the library' });
    await fixture.expectAgreement(instance);
    const [lost] = Object.keys(await fixture.stores.client.indices.getAlias({ name: fixture.index }));
    await fixture.stores.client.indices.delete({ index: lost! });
    await fixture.sql(`UPDATE product SET title = 'after' WHERE id = 1`);
    await until('the loss is noticed', () => toVerify.length > 0);
    await fixture.expectAgreement(instance);
    expect(await fixture.documents()).toEqual({ 1: 'after', 2: 'by the library' });
    expect(instance.backstop.status()).toMatchObject({ degraded: false });
  });

  it('verifies when another index is put behind the alias', async () => {
    await insert([1, 'one'], [2, 'two']);
    await fixture.expectAgreement(instance);
    const { client } = fixture.stores;
    const [old] = Object.entries(await client.indices.get({ index: fixture.index }));
    const [name, { mappings }] = old!;
    await client.indices.create({ index: `${fixture.index}-restored`, mappings: mappings! });
    await client.indices.updateAliases({
      actions: [
        { remove: { index: name, alias: fixture.index } },
        { add: { index: `${fixture.index}-restored`, alias: fixture.index, is_write_index: true } },
      ],
    });
    await until('the exchange is noticed', () => toVerify.length > 0);
    await fixture.expectAgreement(instance);
    expect(await fixture.documents()).toEqual({ 1: 'one', 2: 'two' });
  });
});
