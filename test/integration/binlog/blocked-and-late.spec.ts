import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createConnection } from 'mysql2/promise';
import { FaultProxy } from '../../../src/testing/index.js';
import { product } from '../../support/product.js';
import { until } from '../../support/faulty.js';
import { elasticsearchUrl } from '../../support/servers.js';
import { BackstopFixture, type BackstopInstance, leading, productRow } from './backstop.fixture.js';

const BLOCKED_AFTER_MS = 500;

describe('a row that cannot be brought into the index, and a change that comes late', () => {
  const proxy = new FaultProxy(elasticsearchUrl());
  let fixture: BackstopFixture;
  let instance: BackstopInstance;
  const toVerify: string[] = [];

  beforeAll(async () => {
    await proxy.start();
    fixture = await BackstopFixture.create('blocked-late');
    instance = await fixture.start({
      elasticsearchNode: proxy.url,
      // A request for each row: the others of a bulk would share its fate.
      backstop: { requestTimeoutMs: 1_000, blockedAfterMs: BLOCKED_AFTER_MS, maxBulkItems: 1 },
    });
    instance.backstop.events.on('backstopToVerify', ({ reason }) => toVerify.push(reason));
  });

  beforeEach(async () => {
    await fixture.sql('DELETE FROM product');
    await agree();
    toVerify.length = 0;
  });

  afterEach(async () => {
    proxy.clear();
    await proxy.release();
  });

  afterAll(async () => {
    await fixture?.close();
    await proxy.stop();
  });

  const agree = (): Promise<void> => fixture.expectAgreement(instance);
  const insert = (id: number, title: string): Promise<unknown> =>
    fixture.sql(`INSERT INTO product (id, sku, title, revision) VALUES ${productRow(id, title)}`);
  const table = () => Object.values(instance.backstop.status().tables)[0]!;
  /** Requests that carried these words to Elasticsearch. */
  const sent = (words: string): number =>
    proxy.requests.filter(({ path, body }) => path.includes('/_bulk') && body.includes(words)).length;

  it('one row that keeps failing while others succeed does not hold the checkpoint: its table is left to verification', async () => {
    await insert(1, 'one');
    await agree();
    const poisoned = proxy.inject({ kind: 'answer', status: 503, body: '{}' }, { path: '/_bulk', body: /poison/ });
    await fixture.sql(`UPDATE product SET title = 'poison' WHERE id = 1`);
    await poisoned.reached(1);
    const [{ gtids }] = (await fixture.sql('SELECT @@GLOBAL.gtid_executed AS gtids')) as [{ gtids: string }];
    expect(instance.backstop.status().position!.gtidSet).not.toBe(gtids);
    let id = 1;
    await until('its table is left to verification', async () => {
      await insert(++id, `healthy ${id}`);
      return toVerify.length > 0;
    });
    expect(toVerify).toEqual([expect.stringMatching(/^the change of 1 could not be worked on/)]);
    // It is still refused, and the checkpoint is beyond it.
    await instance.backstop.waitFor();
    expect(instance.backstop.status()).toMatchObject({ state: 'leading', degraded: true });
    expect(Object.keys(instance.backstop.status().toVerify)).toHaveLength(1);
    expect(await fixture.documents()).toMatchObject({ 1: 'one', [id]: `healthy ${id}` });
    proxy.clear();
    await agree();
    expect((await fixture.documents())['1']).toBe('poison');
    expect(instance.backstop.status()).toMatchObject({ degraded: false, toVerify: {} });
  });

  it('one that fails for as long, while nothing succeeds, waits: it is not its own trouble', async () => {
    await insert(1, 'one');
    await agree();
    proxy.inject({ kind: 'answer', status: 503, body: '{}' }, {});
    await fixture.sql(`UPDATE product SET title = 'waiting' WHERE id = 1`);
    const before = table().retried;
    const since = performance.now();
    // By then it would have been given up, were anything else done.
    await until(
      'it was tried for longer',
      () => table().retried > before + 3 && performance.now() - since > 4 * BLOCKED_AFTER_MS,
    );
    expect(toVerify).toEqual([]);
    expect(table().pending).toBe(1);
    proxy.clear();
    await agree();
    expect(await fixture.documents()).toEqual({ 1: 'waiting' });
    expect(toVerify).toEqual([]);
  });

  describe('so late that Elasticsearch may have forgotten a delete', () => {
    /** As the log has it of a transaction that was committed long ago. */
    async function longAgo(statement: string): Promise<void> {
      const session = await createConnection({ uri: fixture.stores.database.url });
      try {
        await session.query(`SET SESSION original_commit_timestamp = ${(Date.now() - 86_400_000) * 1_000}`);
        await session.query(statement);
      } finally {
        await session.end();
      }
    }
    const forget = async (): Promise<void> => {
      await fixture.stores.client.indices.putSettings({ index: fixture.index, settings: { gc_deletes: '1ms' } });
    };
    const remember = async (): Promise<void> => {
      await fixture.stores.client.indices.putSettings({ index: fixture.index, settings: { gc_deletes: '1h' } });
    };

    it('a change of a row that has moved on is not sent, and one of a row that has not, is', async () => {
      await instance.products.insert(product({ id: '1', title: 'one' }));
      await instance.products.insert(product({ id: '2', title: 'two' }));
      await instance.products.insert(product({ id: '3', title: 'three' }));
      await agree();
      await instance.backstop.stop();
      await longAgo(`UPDATE product SET title = 'overtaken words' WHERE id = 1`);
      await longAgo(`UPDATE product SET title = 'removed words' WHERE id = 2`);
      await longAgo(`UPDATE product SET title = 'valid words' WHERE id = 3`);
      await instance.products.update({ id: '1', title: 'newer' });
      await forget();
      try {
        await instance.products.remove((await instance.products.findOneBy({ id: '2' }))!);
        const written = { overtaken: sent('overtaken words'), removed: sent('removed words') };
        instance.backstop.start();
        await leading(instance.backstop);
        await agree();
        expect(await fixture.documents()).toEqual({ 1: 'newer', 3: 'valid words' });
        expect({ overtaken: sent('overtaken words'), removed: sent('removed words') }).toEqual(written);
        expect(sent('valid words')).toBe(1);
        expect(toVerify).toEqual([]);
      } finally {
        await remember();
      }
    });
  });
});
