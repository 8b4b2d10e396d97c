import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TestingModule } from '@nestjs/testing';
import { Column, Entity, PrimaryColumn } from 'typeorm';
import {
  Consistency,
  type ConsistentEntityOptions,
  type ConsistentRepository,
  ConsistentService,
  defineConsistentRepository,
} from '../../../src/index.js';
import { Stores } from '../../support/application.js';

/** Texts whose order differs between MySQL's collation and anybody else's, and which are one key in several spellings. */
@Entity('by_text')
class ByText {
  @PrimaryColumn({ type: 'varchar', length: 64 }) id!: string;
  @Column() title!: string;
  @Column(() => Consistency) consistency!: Consistency;
}

@Entity('by_pair')
class ByPair {
  @PrimaryColumn({ type: 'bigint' }) shop!: string;
  @PrimaryColumn({ type: 'enum', enum: ['zeta', 'alpha', 'mid'] }) kind!: string;
  @PrimaryColumn({ type: 'varchar', length: 40 }) code!: string;
  @Column() title!: string;
  @Column(() => Consistency) consistency!: Consistency;
}

@Entity('by_time')
class ByTime {
  @PrimaryColumn({ type: 'datetime', precision: 3 }) at!: Date;
  @Column() title!: string;
  @Column(() => Consistency) consistency!: Consistency;
}

@Entity('by_bytes')
class ByBytes {
  @PrimaryColumn({ type: 'binary', length: 4 }) id!: Buffer;
  @Column() title!: string;
  @Column(() => Consistency) consistency!: Consistency;
}

/** Beyond double precision, negative too. */
@Entity('by_number')
class ByNumber {
  @PrimaryColumn({ type: 'bigint' }) id!: string;
  @Column() title!: string;
  @Column(() => Consistency) consistency!: Consistency;
}

const documentId = (key: Readonly<Record<string, string>>) => `n-${key['id']}`;

@Entity('by_function')
class ByFunction extends ByNumber {}

@Entity('by_secret')
class BySecret extends ByNumber {}

interface Given {
  readonly entity: new () => { title: string };
  readonly rows: readonly object[];
  readonly options?: Partial<ConsistentEntityOptions>;
  /** Ids that no row can have, whatever the codec. */
  readonly strays?: readonly string[];
}

const TEXTS = ['a', 'B', 'b1', 'äb', 'z', 'Z1', 'ß', 'ss1', '10', '9', '_x', 'ñ', 'O,K', '日本', '😀', 'a b', '%41'];
const GIVEN: Given[] = [
  { entity: ByText, rows: TEXTS.map((id) => ({ id })) },
  {
    entity: ByPair,
    rows: ['5', '10', '9007199254740993', '9007199254740992'].flatMap((shop) =>
      ['zeta', 'alpha', 'mid'].flatMap((kind) => ['x', 'Y', 'a,b'].map((code) => ({ shop, kind, code }))),
    ),
    strays: ['5,zeta', '5,none,x', 'x,zeta,x', '5,zeta,x,y', '%'],
  },
  {
    entity: ByTime,
    rows: Array.from({ length: 20 }, (_, at) => ({ at: new Date(1_700_000_000_000 + at * 977) })),
    strays: ['2024-13-45 00:00:00.000', 'yesterday'],
  },
  {
    entity: ByBytes,
    rows: Array.from({ length: 20 }, (_, at) => ({ id: Buffer.from([at * 13, 0, 255 - at, at]) })),
    strays: ['no base64 at all', 'AAAA'],
  },
  {
    entity: ByNumber,
    rows: ['-9223372036854775808', '-1', '0', '1', '9007199254740992', '9007199254740993', '9223372036854775807'].map(
      (id) => ({ id }),
    ),
    strays: ['one', '1.0', '+1', '01', ' 1', '9223372036854775808'],
  },
  { entity: ByFunction, rows: Array.from({ length: 20 }, (_, at) => ({ id: String(at) })), options: { documentId } },
];

describe('verification by any key', () => {
  let stores: Stores;
  let application: TestingModule;
  let service: ConsistentService;
  const repositories = new Map<Function, new () => ConsistentRepository<any>>();

  beforeAll(async () => {
    stores = await Stores.create('verify-keys');
    const define = (entity: Function, options: Partial<ConsistentEntityOptions> = {}) => {
      const index = stores.index(entity.name.toLowerCase());
      repositories.set(entity, defineConsistentRepository(entity as new () => object, { index, ...options }));
    };
    for (const { entity, options } of GIVEN) define(entity, options);
    define(BySecret, { documentId, toDocument: (entity) => ({ title: (entity as BySecret).title }) });
    application = await stores.start({
      entities: [...GIVEN.map(({ entity }) => entity), BySecret],
      repositories: [...repositories.values()],
    });
    service = application.get(ConsistentService);
  });
  afterAll(() => stores.close());

  const verify = (entity: Function, repair = false) => service.verify(entity, { graceMs: 5, batchSize: 3, repair });

  async function idsOf(entity: Function): Promise<string[]> {
    const index = stores.index(entity.name.toLowerCase());
    await stores.client.indices.refresh({ index });
    const { hits } = await stores.client.search({ index, size: 1_000, _source: false });
    return hits.hits.map(({ _id }) => _id!);
  }

  async function deleteDocument(entity: Function, id: string): Promise<void> {
    const index = stores.index(entity.name.toLowerCase());
    const { _version } = await stores.client.get({ index, id });
    await stores.client.delete({ index, id, version: _version! + 1, version_type: 'external' });
  }

  describe.each(GIVEN)('$entity.name', ({ entity, rows, strays = [] }) => {
    const table = entity.name.replace(/^By/, 'by_').toLowerCase();
    const one = async (sql: string) => stores.database.query(sql);

    it('agrees with what the library wrote', async () => {
      const repository = application.get(repositories.get(entity)!) as ConsistentRepository<any>;
      for (const row of rows) await repository.insert({ ...row, title: 'first' });
      expect(await verify(entity)).toMatchObject({ rows: rows.length, documents: rows.length, consistent: true });
    });

    it('finds what differs at every place, and mends it', async () => {
      await one(`UPDATE ${table} SET title = 'second'`);
      expect(await verify(entity)).toMatchObject({ stale: rows.length, orphaned: 0, missing: 0 });
      expect(await verify(entity, true)).toMatchObject({ stale: rows.length, repaired: rows.length, consistent: true });
      expect(await verify(entity)).toMatchObject({ stale: 0, documents: rows.length, consistent: true });
    });

    it('finds documents without a row, and removes them', async () => {
      await one(`DELETE FROM ${table} ORDER BY title, consistency_version LIMIT 2`);
      const index = stores.index(entity.name.toLowerCase());
      for (const id of strays) await stores.client.index({ index, id, document: { title: 'stray' } });
      const orphaned = strays.length + 2;
      expect(await verify(entity)).toMatchObject({ orphaned, stale: 0, missing: 0, unchecked: 0 });
      expect(await verify(entity, true)).toMatchObject({ orphaned, repaired: orphaned, consistent: true });
      expect(await idsOf(entity)).toHaveLength(rows.length - 2);
    });

    it('finds rows without a document, and makes it', async () => {
      const [id] = await idsOf(entity);
      await deleteDocument(entity, id!);
      expect(await verify(entity)).toMatchObject({ missing: 1, stale: 0, orphaned: 0 });
      expect(await verify(entity, true)).toMatchObject({ missing: 1, repaired: 1, consistent: true });
      expect(await idsOf(entity)).toContain(id);
    });
  });

  it('a document under another spelling of a key is not that row’s', async () => {
    const index = stores.index(ByText.name.toLowerCase());
    await stores.client.index({ index, id: 'Z', document: { title: 'stray' } });
    const before = await idsOf(ByText);
    expect(before).toEqual(expect.arrayContaining(['z', 'Z']));
    const result = await verify(ByText, true);
    expect(result.examples).toEqual(
      expect.arrayContaining([expect.objectContaining({ kind: 'orphaned', documentId: 'Z' })]),
    );
    const after = await idsOf(ByText);
    expect(after).toContain('z');
    expect(after).not.toContain('Z');
  });

  it('a document whose key cannot be told is not checked, and that is said', async () => {
    const repository = application.get(repositories.get(BySecret)!) as ConsistentRepository<any>;
    await repository.insert({ id: '1', title: 'one' });
    const result = await verify(BySecret, true);
    expect(result).toMatchObject({ rows: 1, documents: 1, orphaned: 0, unchecked: 1, consistent: false });
    expect(result.reasons).toEqual([expect.stringMatching(/n-1: the key's columns are not in the document/)]);
  });
});
