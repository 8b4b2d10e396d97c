import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Client, HttpConnection } from '@elastic/elasticsearch';
import { DocumentStore } from '../../src/elasticsearch/document.store.js';
import { LookFailedError } from '../../src/elasticsearch/look.failure.js';
import type { IndexOutcome } from '../../src/protocol/outcome.js';
import { FaultProxy } from '../../src/testing/index.js';
import { bulk, DocumentStoreFixture, elasticsearchUrl, kinds, put } from './document-store.fixture.js';

const fixture = new DocumentStoreFixture();
const { alias, proxy } = fixture;
let store: DocumentStore;

beforeAll(async () => {
  await fixture.start();
  ({ store } = fixture);
});
afterEach(() => proxy.clear());
afterAll(() => fixture.stop());

describe('faults between us and Elasticsearch', () => {
  it('cut before the server has it: unknown, and nothing there', async () => {
    proxy.inject({ kind: 'cut-before' }, { ...bulk, times: 1 });
    expect(await fixture.write([put('cb', 1)])).toEqual(['unknown']);
    expect(await store.look(alias, ['cb'])).toEqual([{ found: false }]);
  });

  it('cut after the server has it: unknown, and there', async () => {
    for (const style of ['reset', 'close'] as const) {
      proxy.inject({ kind: 'cut-after', style }, { ...bulk, times: 1 });
      expect(await fixture.write([put(`ca-${style}`, 1)])).toEqual(['unknown']);
      expect(await store.look(alias, [`ca-${style}`])).toMatchObject([{ found: true, version: 1 }]);
    }
  });

  it('no answer in time: unknown; the late delivery then meets the taken slot', async () => {
    const hold = proxy.inject({ kind: 'hold' }, { ...bulk, times: 1 });
    expect(await fixture.write([put('late', 10, { title: 'new' })], alias, 150)).toEqual(['unknown']);
    await hold.reached();
    expect(await fixture.write([put('late', 10, { title: 'old', consistency_restored: 10 })])).toEqual(['applied']);
    expect(await proxy.release()).toBe(1);
    expect(await store.look(alias, ['late'])).toEqual([{ found: true, version: 10, restored: 10 }]);
  });

  it('a late delivery without a race lands', async () => {
    proxy.inject({ kind: 'hold' }, { ...bulk, times: 1 });
    expect(await fixture.write([put('lands', 10)], alias, 150)).toEqual(['unknown']);
    await proxy.release();
    expect(await store.look(alias, ['lands'])).toMatchObject([{ found: true, version: 10 }]);
  });

  it('an answer that stalls half-way: unknown, not for ever', async () => {
    proxy.inject({ kind: 'stall-answer' }, { ...bulk, times: 1 });
    expect(await fixture.write([put('stall', 1)], alias, 150)).toEqual(['unknown']);
    proxy.inject({ kind: 'stall-answer' }, { path: '_mget', times: 1 });
    await expect(store.look(alias, ['stall'], { timeoutMs: 150 })).rejects.toThrow(LookFailedError);
    expect(await store.look(alias, ['stall'])).toMatchObject([{ found: true }]);
  });

  it('a bulk that times out leaves its own items unknown, and no others', async () => {
    const parts = new DocumentStore(fixture.client, { requestTimeoutMs: 500, maxBulkItems: 2 });
    proxy.inject({ kind: 'black-hole' }, { ...bulk, body: '"p2"' });
    const writes = ['p0', 'p1', 'p2', 'p3', 'p4', 'p5'].map((id) => put(id, 1));
    expect(kinds(await parts.write(alias, writes))).toEqual([
      'applied',
      'applied',
      'unknown',
      'unknown',
      'applied',
      'applied',
    ]);
  });

  it('what was not sent when the time was over is certain', async () => {
    const parts = new DocumentStore(fixture.client, { requestTimeoutMs: 200, maxBulkItems: 1, maxParallelBulks: 1 });
    proxy.inject({ kind: 'black-hole' }, { ...bulk, times: 1 });
    expect(kinds(await parts.write(alias, [put('t0', 1), put('t1', 1)]))).toEqual(['unknown', 'unavailable true']);
  });

  it('a caller that gives up', async () => {
    const controller = new AbortController();
    const hole = proxy.inject({ kind: 'black-hole' }, { ...bulk, times: 1 });
    const writing = store.write(alias, [put('given-up', 1)], { signal: controller.signal });
    await hole.reached();
    controller.abort();
    expect(kinds(await writing)).toEqual(['unknown']);
    const never = await store.write(alias, [put('given-up', 1)], { signal: controller.signal });
    expect(kinds(never)).toEqual(['unavailable true']);
  });

  it('answers of a proxy in front', async () => {
    const answers = [
      [429, 'unavailable true'],
      [503, 'unknown'],
      [502, 'unknown'],
      [504, 'unknown'],
      [409, 'unknown'],
      [404, 'unknown'],
      [403, 'unknown'],
      [401, 'unavailable true'],
      [200, 'unknown'],
    ] as const;
    for (const [status, outcome] of answers) {
      proxy.inject({ kind: 'answer', status, body: '<html>busy</html>' }, { ...bulk, times: 1 });
      expect([status, ...(await fixture.write([put('p', 1)]))]).toEqual([status, outcome]);
    }
  });

  it("Elasticsearch's own 429 and 503, garbage, and an answer about something else", async () => {
    const headers = { 'content-type': 'application/json', 'x-elastic-product': 'Elasticsearch' };
    const own = (status: number): string =>
      JSON.stringify({ error: { type: 'cluster_block_exception', reason: 'no master' }, status });
    const item = (id: string): string =>
      JSON.stringify({ items: [{ index: { _id: id, _version: 1, result: 'created', status: 201 } }] });
    const answers = [
      [429, own(429), 'unavailable true'],
      [503, own(503), 'unavailable false'],
      [500, own(500), 'unknown'],
      [200, '{"items":[', 'unknown'],
      [200, '{"items":[]}', 'unknown'],
      [200, '{}', 'unknown'],
      [200, item('other'), 'unknown'],
      [200, item('p'), 'applied'],
    ] as const;
    for (const [status, body, outcome] of answers) {
      proxy.inject({ kind: 'answer', status, body, headers }, { ...bulk, times: 1 });
      expect([body, ...(await fixture.write([put('p', 1)]))]).toEqual([body, outcome]);
    }
    proxy.inject({ kind: 'garbage', forward: false }, { ...bulk, times: 1 });
    expect(await fixture.write([put('p', 1)])).toEqual(['unknown']);
  });

  it('a bulk too large for somebody in front is halved until it fits', async () => {
    proxy.inject({ kind: 'answer', status: 413 }, { ...bulk, body: (body) => body.length > 300 });
    const writes = [put('h0', 1), put('h1', 1), put('h2', 1, { text: 'x'.repeat(400) }), put('h3', 1), put('h4', 1)];
    expect(await fixture.write(writes)).toEqual(['applied', 'applied', 'refused', 'applied', 'applied']);
  });

  it('a look fails loudly', async () => {
    for (const status of [404, 429, 503]) {
      proxy.inject({ kind: 'answer', status, body: 'no' }, { path: '_mget', times: 1 });
      await expect(store.look(alias, ['v'])).rejects.toMatchObject({ code: 'LOOK_FAILED' });
    }
    for (const body of ['{"docs":[]}', '{}', 'html', '{"docs":[{"_id":"other","found":false}]}']) {
      const headers = { 'content-type': 'application/json', 'x-elastic-product': 'Elasticsearch' };
      proxy.inject({ kind: 'answer', body, headers }, { path: '_mget', times: 1 });
      await expect(store.look(alias, ['v'])).rejects.toMatchObject({ code: 'LOOK_FAILED' });
    }
  });
});

describe('a connection that is never made', () => {
  const refusing = async (node: string, options: object = {}): Promise<IndexOutcome[]> => {
    const lost = new Client({ node, ...options });
    const outcomes = await new DocumentStore(lost, { requestTimeoutMs: 2_000 }).write(alias, [
      put('r', 1),
      put('q', 1),
    ]);
    await lost.close();
    return outcomes;
  };

  it('is certain, by address and by name', async () => {
    const gone = new FaultProxy(elasticsearchUrl);
    await gone.start();
    await gone.stop();
    for (const host of ['127.0.0.1', 'localhost', '[::1]']) {
      const outcomes = await refusing(`http://${host}:${gone.port}`);
      expect([host, ...kinds(outcomes)]).toEqual([host, 'unavailable true', 'unavailable true']);
    }
    expect(kinds(await refusing('http://no-such-host.invalid:9200'))[0]).toBe('unavailable true');
  });

  it('is certain with TLS against a server without', async () => {
    expect(kinds(await refusing(elasticsearchUrl.replace('http:', 'https:')))[0]).toBe('unavailable true');
  });

  it('is certain with the other HTTP layer where its message is clear', async () => {
    const outcomes = await refusing('http://127.0.0.1:1', { Connection: HttpConnection });
    expect(kinds(outcomes)[0]).toBe('unavailable true');
  });

  it('is certain for a request that never got one of the connections', async () => {
    const narrow = new Client({ node: proxy.url, agent: { connections: 1 }, compression: true });
    const one = new DocumentStore(narrow, { requestTimeoutMs: 1_000 });
    const hole = proxy.inject({ kind: 'black-hole' }, { ...bulk, times: 1 });
    const first = one.write(alias, [put('w0', 1)]);
    await hole.reached();
    expect(kinds(await one.write(alias, [put('w1', 1)], { timeoutMs: 100 }))).toEqual(['unavailable true']);
    expect(kinds(await first)).toEqual(['unknown']);
    expect(kinds(await one.write(alias, [put('w2', 1)]))).toEqual(['applied']);
    expect(await store.look(alias, ['w1'])).toEqual([{ found: false }]);
    await narrow.close();
  });

  it('comes back', async () => {
    expect(await store.check()).toMatchObject({ status: expect.stringMatching(/green|yellow|red/) });
    await proxy.refuse();
    await expect(store.check()).rejects.toMatchObject({ code: 'LOOK_FAILED' });
    await proxy.start();
    expect(await fixture.write([put('back', 1)])).toEqual(['applied']);
  });
});
