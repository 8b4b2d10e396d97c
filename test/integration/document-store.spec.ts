import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { DocumentStore } from '../../src/elasticsearch/document.store.js';
import { LookFailedError } from '../../src/elasticsearch/look.failure.js';
import type { IndexOutcome } from '../../src/protocol/outcome.js';
import { DocumentStoreFixture, kinds, put, remove } from './document-store.fixture.js';

const fixture = new DocumentStoreFixture();
const { alias, proxy } = fixture;
let store: DocumentStore;

beforeAll(async () => {
  await fixture.start();
  ({ store } = fixture);
});
afterEach(() => proxy.clear());
afterAll(() => fixture.stop());

describe('versioned writes', () => {
  it('applies newer versions only, item by item', async () => {
    expect(await fixture.write([put('v', 10), put('v', 10), put('v', 9), put('v', 11)])).toEqual([
      'applied',
      'conflict',
      'conflict',
      'applied',
    ]);
    expect(await store.look(alias, ['v', 'never'])).toEqual([
      { found: true, version: 11, restored: null },
      { found: false },
    ]);
  });

  it('lets a delete of a missing document take its slot', async () => {
    expect(await fixture.write([remove('tomb', 10)])).toEqual(['applied']);
    expect(await fixture.write([put('tomb', 10), remove('tomb', 10), put('tomb', 11)])).toEqual([
      'conflict',
      'conflict',
      'applied',
    ]);
    expect(await fixture.write([remove('tomb', 12)])).toEqual(['applied']);
    expect(await store.look(alias, ['tomb'])).toEqual([{ found: false }]);
  });

  it('does not touch the document of a delete that lost', async () => {
    await fixture.write([put('kept', 10, { title: 'kept' })]);
    const before = await fixture.direct.get({ index: alias, id: 'kept' });
    expect(await fixture.write([remove('kept', 10), remove('kept', 9)])).toEqual(['conflict', 'conflict']);
    expect(await fixture.direct.get({ index: alias, id: 'kept' })).toEqual(before);
  });

  it('refuses what the mapping refuses, and spares its neighbours', async () => {
    const secret = 's'.repeat(2_000);
    const outcomes = await store.write(alias, [put('n1', 1), put('bad', 1, { price: secret }), put('n2', 1)]);
    expect(kinds(outcomes)).toEqual(['applied', 'refused', 'applied']);
    const refused = outcomes[1] as Extract<IndexOutcome, { kind: 'refused' }>;
    expect(refused).toMatchObject({ status: 400, type: 'document_parsing_exception' });
    expect(refused.reason).toContain('price');
    expect(refused.reason.length).toBeLessThanOrEqual(500);
  });

  it('refuses what cannot be sent, and spares its neighbours', async () => {
    const writes = [
      put('', 1),
      put('x'.repeat(513), 1),
      put('é'.repeat(257), 1),
      put('\ud83d', 1),
      put('f', 1.5),
      put('f', 2 ** 53),
      { id: 'f', version: 1, body: '[]' },
      { id: 'broken', version: 1, body: '{"a":' },
      put('fine', 1),
    ];
    expect(await fixture.write(writes)).toEqual([...Array.from({ length: 8 }, () => 'refused'), 'applied']);
  });

  it('carries hostile ids and documents as they are', async () => {
    const ids = ['"quoted"', '😀/../?a=b&c#d', 'x'.repeat(512), '\u0000nul', 'line\nbreak', '__proto__', ' '];
    const text = `${'é'.repeat(500_000)}\u0000"\\\u2028😀`;
    const document = JSON.parse(`{"text":${JSON.stringify(text)},"__proto__":{"admin":true}}`) as object;
    expect(await fixture.write(ids.map((id) => put(id, 7, document)))).toEqual(ids.map(() => 'applied'));
    const found = await store.fetch(alias, ids);
    expect(found.map((one) => one.found && one.id)).toEqual(ids);
    for (const one of found) {
      expect(one.found && one.source['text'] === text).toBe(true);
      expect(one.found && Object.hasOwn(one.source, '__proto__')).toBe(true);
    }
    expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
  });

  it('takes pretty-printed documents and shows the marker', async () => {
    const body = JSON.stringify({ title: 'a\nb', consistency_restored: 5 }, null, 2);
    expect(await fixture.write([{ id: 'pretty', version: 5, body }])).toEqual(['applied']);
    expect(await store.look(alias, ['pretty'])).toEqual([{ found: true, version: 5, restored: 5 }]);
    expect(await store.fetch(alias, ['pretty', 'nothing'])).toEqual([
      { id: 'pretty', found: true, version: 5, restored: 5, source: { title: 'a\nb', consistency_restored: 5 } },
      { id: 'nothing', found: false },
    ]);
  });

  it('splits by count and by bytes, and reads in batches', async () => {
    const small = new DocumentStore(fixture.client, {
      requestTimeoutMs: 10_000,
      maxBulkItems: 200,
      maxBulkBytes: 8_000,
    });
    const writes = Array.from({ length: 620 }, (_, at) => put(`s${at}`, 1, { text: 'x'.repeat(at % 100) }));
    const before = proxy.requests.length;
    expect(new Set(kinds(await small.write(alias, writes)))).toEqual(new Set(['applied']));
    const sizes = proxy.requests.slice(before).map(({ body }) => body.length);
    expect(sizes.length).toBeGreaterThan(5);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(8_000);
    const slots = await store.look(alias, [...writes.map(({ id }) => id), 'absent']);
    expect(slots.filter(({ found }) => found)).toHaveLength(620);
    expect(slots.at(-1)).toEqual({ found: false });
  });

  it('makes searches wait when asked to', async () => {
    await store.write(alias, [put('seen', 1, { title: 'refreshword' })], { refresh: 'wait_for' });
    const { hits } = await fixture.direct.search({ index: alias, query: { match: { title: 'refreshword' } } });
    expect(hits.hits.map(({ _id }) => _id)).toEqual(['seen']);
  });

  it('sends nothing for nothing', async () => {
    const before = proxy.requests.length;
    expect([await store.write(alias, []), await store.look(alias, [])]).toEqual([[], []]);
    expect(proxy.requests.length).toBe(before);
  });
});

describe('a missing alias', () => {
  it('is never created again, by a put or a delete, alone or together', async () => {
    const gone = `${fixture.name}-gone`;
    for (const writes of [[put('a', 1)], [remove('a', 1)], [remove('a', 1), put('b', 1)]]) {
      const outcomes = await store.write(gone, writes);
      for (const outcome of outcomes) {
        expect(outcome).toMatchObject({ kind: 'refused', status: 404, type: 'index_not_found_exception' });
      }
      expect(await fixture.direct.indices.exists({ index: gone })).toBe(false);
    }
  });

  it('is not absence of documents', async () => {
    await expect(store.look(`${fixture.name}-gone`, ['a'])).rejects.toThrow(LookFailedError);
    await expect(store.fetch(`${fixture.name}-gone`, ['a'])).rejects.toThrow('index_not_found_exception');
  });

  it('nor is an index that took its name, or an alias over two', async () => {
    const usurper = `${fixture.name}-usurper`;
    await fixture.direct.indices.create({ index: usurper, settings: { number_of_replicas: 0 } });
    await expect(store.look(usurper, ['a'])).rejects.toThrow('is an index, not an alias');
    expect(await fixture.write([put('a', 1)], usurper)).toEqual(['refused']);
    // Elasticsearch lets the delete through to the wrong index: that proves nothing about the document.
    expect(await fixture.write([remove('a', 1)], usurper)).toEqual(['unknown']);
    const both = `${fixture.name}-both`;
    await fixture.direct.indices.putAlias({ index: `${alias}-000001,${usurper}`, name: both });
    await expect(store.look(both, ['a'])).rejects.toThrow(LookFailedError);
  });
});
