import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Column, Entity, PrimaryColumn } from 'typeorm';
import {
  Consistency,
  type ConsistentRepository,
  defineConsistentRepository,
  InvalidDocumentError,
} from '../../../src/index.js';
import { Stores } from '../../support/application.js';
import { expireDeadlines, LostAnswers } from '../../support/lost.answers.js';

@Entity('hostile')
class Hostile {
  @PrimaryColumn() id!: string;
  @Column({ type: 'longtext', nullable: true }) text!: string | null;
  @Column({ type: 'json', nullable: true }) json!: unknown;
  @Column({ type: 'int', default: 0 }) step!: number;
  @Column(() => Consistency) consistency!: Consistency;
}

const POLLUTION = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":2}},"a":{"__proto__":[1]}}';
const MIB = 1024 * 1024;

describe('hostile input', () => {
  let stores: Stores;
  let answers: LostAnswers;
  let plain: ConsistentRepository<Hostile>;

  beforeAll(async () => {
    stores = await Stores.create('hostile');
    answers = await LostAnswers.start();
    const target = defineConsistentRepository(Hostile, {
      index: stores.index('hostile'),
      mappings: {
        dynamic: false,
        properties: {
          text: { type: 'keyword', index: false, doc_values: false },
          json: { type: 'object', enabled: false },
        },
      },
      toDocument: (entity, document) => ({ ...document, again: entity.json }),
    });
    const application = await stores.start({
      entities: [Hostile],
      repositories: [target],
      elasticsearchNode: answers.url,
      module: { writeTimeoutMs: 10_000 },
    });
    plain = application.get(target);
  });
  afterAll(async () => {
    await stores.close();
    await answers.stop();
  });

  /** As bytes: a client of JavaScript might polish what it parses. */
  const source = async (id: string) => {
    const base = process.env.ELASTICSEARCH_URL!.replace(/\/$/, '');
    return (await fetch(`${base}/${plain.index}/_source/${encodeURIComponent(id)}`)).text();
  };
  const undo = async (id: string, change: Partial<Hostile>) => {
    await answers.vanished(() => plain.save({ id, ...change }));
    await expireDeadlines(stores, 'hostile');
    return plain.findOneByOrFail({ id });
  };

  it('prototype names in JSON columns are data like any other, in both stores and back', async () => {
    await plain.save({ id: 'proto', json: JSON.parse(POLLUTION) });
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    const document = await source('proto');
    for (const field of ['json', 'again']) expect(document).toContain(`"${field}":`);
    expect(document.match(/"__proto__"/g)).toHaveLength(4);
    const restored = await undo('proto', { json: { harmless: true } });
    expect(Object.keys(restored.json as object).toSorted()).toEqual(['__proto__', 'a', 'constructor']);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    expect((await source('proto')).match(/"__proto__"/g)).toHaveLength(4);
  });

  it('prototype names as properties of the saved object change nothing', async () => {
    const given = JSON.parse('{"id":"props","step":1,"__proto__":{"step":9},"constructor":{"name":"x"}}') as Hostile;
    const saved = await plain.save(given);
    expect(saved.step).toBe(1);
    expect(await stores.row('hostile', 'props')).toMatchObject({ step: 1 });
  });

  it.each([
    ['NUL', 'a\u0000b'],
    ['control characters', Array.from({ length: 32 }, (_, code) => String.fromCharCode(code)).join('')],
    ['line breaks of every kind', 'a\nb\r\nc\u0085d\u2028e\u2029f'],
    ['astral characters', '😀\u{10ffff}\u{1f468}\u200d\u{1f469}'],
    ['quotes and SQL', `'; DROP TABLE hostile; -- "\\" \` ? :id \\n %s`],
    ['bulk lines', '"}\n{"delete":{"_id":"proto"}}\n'],
    ['a document', '{"consistency_restored": 1}'],
  ])('%s in a text and in JSON', async (_, text) => {
    const id = `text ${text.length} ${_}`;
    await plain.save({ id, text, json: { [text]: [text] } });
    const stored = JSON.parse(await source(id)) as Record<string, unknown>;
    expect(stored).toMatchObject({ text, json: { [text]: [text] } });
    expect(await undo(id, { text: 'other', json: null })).toMatchObject({ text, json: { [text]: [text] } });
    expect((await stores.row('hostile', id))!.text).toBe(text);
  });

  it('half a surrogate pair: both stores hold the same', async () => {
    const saved = await plain.save({ id: 'half', text: 'a\ud800b' });
    const row = (await stores.row('hostile', 'half'))!;
    expect(saved.text).toBe(row.text);
    expect(JSON.parse(await source('half'))).toMatchObject({ text: row.text });
  });

  it('a field of the protocol in a JSON column is not taken for a marker', async () => {
    await plain.save({ id: 'marker', json: { consistency_restored: 1 } });
    await answers.landed(() => plain.save({ id: 'marker', json: { consistency_restored: 2 }, step: 2 }));
    expect(await plain.findOneByOrFail({ id: 'marker' })).toMatchObject({ step: 2 });
  });

  it('documents of 1 MB and more go through, and back', async () => {
    const text = 'é😀\n'.repeat(MIB / 7);
    await plain.save({ id: 'large', text });
    expect(JSON.parse(await source('large'))).toMatchObject({ text });
    expect((await undo('large', { text: 'small' })).text).toBe(text);
    expect(JSON.parse(await source('large'))).toMatchObject({ text });
  });

  it('a document over the limit is refused and nothing is written', async () => {
    const text = 'x'.repeat(33 * MIB);
    await expect(plain.save({ id: 'huge', text })).rejects.toThrow(InvalidDocumentError);
    expect(await stores.row('hostile', 'huge')).toBeUndefined();
    await plain.save({ id: 'grows', text: 'small' });
    await expect(plain.save({ id: 'grows', text })).rejects.toThrow(/at most 33554432/);
    expect(await stores.row('hostile', 'grows')).toMatchObject({ text: 'small', consistency_state: 'commit' });
  });

  it('deeply nested JSON goes through', async () => {
    const depth = 90;
    const json: unknown = JSON.parse('{"a":'.repeat(depth) + '1' + '}'.repeat(depth));
    await plain.save({ id: 'deep', json });
    expect((JSON.parse(await source('deep')) as Hostile).json).toEqual(json);
    expect((await undo('deep', { json: null })).json).toEqual(json);
  });
});
