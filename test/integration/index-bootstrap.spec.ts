import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from '@elastic/elasticsearch';
import type { estypes } from '@elastic/elasticsearch';
import { DocumentStore } from '../../src/elasticsearch/document.store.js';
import { ensureIndex } from '../../src/elasticsearch/index.bootstrap.js';
import type { EnsureIndexOptions } from '../../src/elasticsearch/index.bootstrap.js';
import { compareMapping } from '../../src/elasticsearch/mapping.compare.js';
import type { Mapping } from '../../src/elasticsearch/mapping.compare.js';
import { InvalidOptionsError, InvalidSchemaError, MappingConflictError } from '../../src/errors.js';

const url = process.env['ELASTICSEARCH_URL'] ?? 'http://127.0.0.1:9200';
const prefix = `index-bootstrap-${process.pid}-${Date.now()}`;
const client = new Client({ node: url });
const settings = { number_of_replicas: 0 };
const marker = { type: 'long', index: false, doc_values: false };
let last = 0;

const newAlias = (): string => `${prefix}-${(last += 1)}`;
const ensure = (alias: string, options: Partial<EnsureIndexOptions> = {}) =>
  ensureIndex(client, { alias, settings, gcDeletesMs: 3_600_000, createIndex: true, ...options });
const propertiesOf = async (alias: string): Promise<Record<string, unknown>> =>
  (Object.values(await client.indices.getMapping({ index: alias }))[0]?.mappings.properties ?? {}) as Record<
    string,
    unknown
  >;
const settingsOf = async (alias: string): Promise<Record<string, unknown>> =>
  Object.values(await client.indices.getSettings({ index: alias, flat_settings: true }))[0]?.settings as Record<
    string,
    unknown
  >;
const make = async (alias: string, body: object): Promise<void> => {
  await client.indices.create({ index: `${alias}-000001`, aliases: { [alias]: {} }, settings, ...body });
};
const failure = async (asked: Promise<unknown>): Promise<Error & { data: Record<string, unknown> }> => {
  try {
    await asked;
  } catch (error) {
    return error as Error & { data: Record<string, unknown> };
  }
  throw new Error('it did not fail');
};

beforeAll(async () => {
  await client.cluster.health();
});
afterAll(async () => {
  const indices = Object.keys(await client.indices.get({ index: `${prefix}-*` }));
  for (const index of indices) await client.indices.delete({ index });
  await client.close();
});

describe('a new index', () => {
  it('gets mapping, settings, alias and marker', async () => {
    const alias = newAlias();
    const mappings: estypes.MappingTypeMapping = { dynamic: 'strict', properties: { price: { type: 'double' } } };
    expect(await ensure(alias, { mappings })).toEqual({
      index: `${alias}-000001`,
      created: true,
      addedFields: [],
      raisedGcDeletes: false,
    });
    expect(await propertiesOf(alias)).toEqual({ price: { type: 'double' }, consistency_restored: marker });
    expect(await settingsOf(alias)).toMatchObject({ 'index.gc_deletes': '3600000ms', 'index.number_of_replicas': '0' });
    const aliases = await client.indices.getAlias({ name: alias });
    expect(aliases[`${alias}-000001`]?.aliases[alias]).toEqual({ is_write_index: true });
    const store = new DocumentStore(client, { requestTimeoutMs: 10_000 });
    const write = { id: '1', version: 5, body: '{"price":1,"consistency_restored":5}' };
    expect(await store.write(alias, [write])).toEqual([{ kind: 'applied' }]);
    expect(await store.look(alias, ['1'])).toEqual([{ found: true, version: 5, restored: 5 }]);
  });

  it('may have a dynamic mapping, and is found again', async () => {
    const alias = newAlias();
    expect(await ensure(alias)).toMatchObject({ created: true });
    expect(await ensure(alias)).toEqual({
      index: `${alias}-000001`,
      created: false,
      addedFields: [],
      raisedGcDeletes: false,
    });
  });

  it('is made once by many instances that start together', async () => {
    const alias = newAlias();
    const clients = Array.from({ length: 8 }, () => new Client({ node: url }));
    const mappings: estypes.MappingTypeMapping = { properties: { title: { type: 'text' } } };
    const made = await Promise.all(
      clients.map((one) => ensureIndex(one, { alias, mappings, settings, gcDeletesMs: 3_600_000, createIndex: true })),
    );
    expect(made.filter(({ created }) => created)).toHaveLength(1);
    expect(new Set(made.map(({ index }) => index))).toEqual(new Set([`${alias}-000001`]));
    await Promise.all(clients.map((one) => one.close()));
  });

  it('keeps a longer gc_deletes, however it is written', async () => {
    for (const own of [{ index: { gc_deletes: '2h' } }, { gc_deletes: '120m' }, { 'index.gc_deletes': '7200s' }]) {
      const alias = newAlias();
      await ensure(alias, { settings: { ...settings, ...own } as estypes.IndicesIndexSettings });
      expect((await settingsOf(alias))['index.gc_deletes']).toBe('7200000ms');
    }
  });

  it('is not made unless allowed, nor with a broken declaration', async () => {
    const alias = newAlias();
    expect(await failure(ensure(alias, { createIndex: false }))).toBeInstanceOf(InvalidSchemaError);
    const nonsense = { properties: { a: { type: 'nonsense' } } } as unknown as estypes.MappingTypeMapping;
    expect(await failure(ensure(alias, { mappings: nonsense }))).toBeInstanceOf(MappingConflictError);
    for (const bad of ['', 'Films', 'a*', 'a,b', '-a', 'a b']) {
      expect(await failure(ensure(bad))).toBeInstanceOf(InvalidOptionsError);
    }
    const taken: estypes.MappingTypeMapping = { properties: { consistency_restored: { type: 'keyword' } } };
    expect(await failure(ensure(alias, { mappings: taken }))).toBeInstanceOf(InvalidOptionsError);
    expect(await client.indices.exists({ index: `${alias}-000001` })).toBe(false);
  });
});

describe('what stands in the way', () => {
  it('an index with the name of the alias', async () => {
    const alias = newAlias();
    await client.indices.create({ index: alias, settings });
    const error = await failure(ensure(alias));
    expect(error).toBeInstanceOf(InvalidSchemaError);
    expect(error.message).toContain('remove_index');
    expect(await client.indices.exists({ index: alias })).toBe(true);
  });

  it('a left-over index without the alias', async () => {
    const alias = newAlias();
    await client.indices.create({ index: `${alias}-000001`, settings });
    expect((await failure(ensure(alias))).message).toContain('exists, but not the alias');
  });

  it('an alias over two indices, with a filter, a routing, or only for reading', async () => {
    const alias = newAlias();
    await make(alias, {});
    const index = `${alias}-000001`;
    for (const extra of [{ filter: { term: { a: 1 } } }, { routing: 'x' }, { is_write_index: false }]) {
      await client.indices.deleteAlias({ index, name: alias });
      await client.indices.putAlias({ index, name: alias, ...extra });
      expect((await failure(ensure(alias))).message).toContain('Use a plain alias');
    }
    const second = newAlias();
    await client.indices.create({ index: second, settings, aliases: { [alias]: {} } });
    expect((await failure(ensure(alias))).message).toContain('leads to 2 indices');
  });

  it('documents that are not kept whole', async () => {
    const bodies = [
      { mappings: { _source: { enabled: false } } },
      { mappings: { _source: { excludes: ['a'] } } },
      { mappings: { _source: { includes: ['a'] } } },
      { mappings: { _routing: { required: true } } },
    ];
    for (const body of bodies) {
      const alias = newAlias();
      await make(alias, body);
      expect(await failure(ensure(alias))).toBeInstanceOf(InvalidSchemaError);
    }
  });
});

describe('an existing index', () => {
  it('gets missing fields, multi-fields and a longer gc_deletes', async () => {
    const alias = newAlias();
    await make(alias, {
      mappings: {
        dynamic: 'strict',
        properties: {
          title: { type: 'text', index_options: 'docs' },
          code: { type: 'keyword', doc_values: false, ignore_above: 100 },
          people: { type: 'nested', properties: { name: { type: 'text' } } },
        },
      },
    });
    const mappings: estypes.MappingTypeMapping = {
      properties: {
        title: { type: 'text', fields: { raw: { type: 'keyword' } } },
        code: { type: 'keyword', ignore_above: 50 },
        people: { type: 'nested', properties: { age: { type: 'integer' } } },
        'size.height': { type: 'integer' },
      },
    };
    const missing = ['title.raw', 'people.age', 'size.height', 'consistency_restored'];
    expect(await ensure(alias, { mappings })).toMatchObject({
      created: false,
      addedFields: missing,
      raisedGcDeletes: true,
    });
    expect(await propertiesOf(alias)).toEqual({
      title: { type: 'text', index_options: 'docs', fields: { raw: { type: 'keyword' } } },
      code: { type: 'keyword', doc_values: false, ignore_above: 50 },
      people: { type: 'nested', properties: { name: { type: 'text' }, age: { type: 'integer' } } },
      size: { properties: { height: { type: 'integer' } } },
      consistency_restored: marker,
    });
    expect((await settingsOf(alias))['index.gc_deletes']).toBe('3600000ms');
    expect(await ensure(alias, { mappings })).toMatchObject({ addedFields: [], raisedGcDeletes: false });
    expect(await ensure(alias, { gcDeletesMs: 60_000 })).toMatchObject({ raisedGcDeletes: false });
  });

  it('is told apart from its declaration in words, every difference at once', async () => {
    const alias = newAlias();
    await make(alias, {
      mappings: {
        properties: {
          price: { type: 'text' },
          title: { type: 'text', fields: { raw: { type: 'keyword' } } },
          code: { type: 'keyword' },
          tags: { properties: { name: { type: 'keyword' } } },
        },
      },
    });
    const before = await propertiesOf(alias);
    const mappings: estypes.MappingTypeMapping = {
      properties: {
        price: { type: 'double' },
        title: { type: 'text', fields: { raw: { type: 'text' } } },
        code: { type: 'keyword', index: false },
        tags: { type: 'nested', properties: { name: { type: 'keyword' } } },
        fresh: { type: 'integer' },
      },
    };
    const error = await failure(ensure(alias, { mappings }));
    expect(error).toBeInstanceOf(MappingConflictError);
    expect(error.message).toBe(
      `field \`price\` is \`text\` in index ${alias}-000001, declared \`double\`; ` +
        `field \`title.raw\` is \`keyword\` in index ${alias}-000001, declared \`text\`; ` +
        `field \`code\` has index \`true\` in index ${alias}-000001, declared \`false\`; ` +
        `field \`tags\` is \`object\` in index ${alias}-000001, declared \`nested\`; ` +
        'a mapping cannot be changed in place: reindex into a new index or change the declaration',
    );
    expect(error.data['conflicts']).toHaveLength(4);
    expect(error.data['conflicts']).toContainEqual({
      field: 'price',
      parameter: 'type',
      live: 'text',
      declared: 'double',
    });
    expect(await propertiesOf(alias)).toEqual(before);
  });

  it('takes defaults that are spelled out as no difference', async () => {
    const alias = newAlias();
    const mappings: estypes.MappingTypeMapping = {
      dynamic: true,
      properties: {
        title: {
          type: 'text',
          index: true,
          store: false,
          analyzer: 'default',
          similarity: 'BM25',
          index_options: 'positions',
        },
        code: { type: 'keyword', doc_values: true, copy_to: ['title'], null_value: 'none' },
        at: { type: 'date', format: 'strict_date_optional_time||epoch_millis' },
        part: { type: 'object', enabled: true, dynamic: false, properties: { a: { type: 'long', coerce: true } } },
      },
    };
    await ensure(alias, { mappings });
    expect(await ensure(alias, { mappings })).toMatchObject({ created: false, addedFields: [] });
    const live = Object.values(await client.indices.getMapping({ index: alias }))[0]?.mappings;
    expect(compareMapping(mappings as Mapping, live as Mapping).patch).toBeNull();
  });

  it('is refused in Elasticsearch words where only Elasticsearch knows', async () => {
    const alias = newAlias();
    await make(alias, { mappings: { properties: { v: { type: 'dense_vector', dims: 3 } } } });
    const mappings: estypes.MappingTypeMapping = { properties: { v: { type: 'dense_vector', dims: 4 } } };
    const error = await failure(ensure(alias, { mappings }));
    expect(error).toBeInstanceOf(MappingConflictError);
    expect(error.message).toContain('dims');
  });

  it('keeps a marker that was mapped dynamically, unless it cannot hold a version', async () => {
    const alias = newAlias();
    await make(alias, { mappings: { properties: { consistency_restored: { type: 'long' } } } });
    expect(await ensure(alias, { mappings: { properties: { a: { type: 'long' } } } })).toMatchObject({
      addedFields: ['a'],
    });
    expect(await propertiesOf(alias)).toMatchObject({ consistency_restored: { type: 'long' } });
    const other = newAlias();
    await make(other, { mappings: { properties: { consistency_restored: { type: 'boolean' } } } });
    expect(await failure(ensure(other))).toBeInstanceOf(MappingConflictError);
  });
});
