import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Column, Entity, PrimaryColumn } from 'typeorm';
import { Consistency, type ConsistentRepository, defineConsistentRepository } from '../../../src/index.js';
import { Stores } from '../../support/application.js';
import { expireDeadlines, LostAnswers } from '../../support/lost.answers.js';

@Entity('typed')
class Typed {
  @PrimaryColumn() id!: string;
  @Column('simple-array', { nullable: true }) list!: string[] | null;
  @Column('simple-json', { nullable: true }) simple!: unknown;
  @Column({ type: 'json', nullable: true }) json!: unknown;
  @Column({ type: 'enum', enum: ['red', "o'blue"], nullable: true }) colour!: string | null;
  @Column({ type: 'set', enum: ['a', 'b', 'c'], nullable: true }) flags!: string[] | null;
  @Column({ type: 'boolean', nullable: true }) yes!: boolean | null;
  @Column({ type: 'bit', nullable: true, width: 1 } as never) bit!: Buffer | null;
  @Column({ type: 'decimal', precision: 40, scale: 10, nullable: true }) decimal!: string | null;
  @Column({ type: 'bigint', unsigned: true, nullable: true }) big!: string | null;
  @Column({ type: 'double', nullable: true }) double!: number | null;
  @Column({ type: 'date', nullable: true }) date!: string | null;
  @Column({ type: 'time', precision: 3, nullable: true }) time!: string | null;
  @Column({ type: 'datetime', precision: 6, nullable: true }) moment!: Date | string | null;
  @Column({ type: 'timestamp', precision: 6, nullable: true }) stamp!: Date | null;
  @Column({ type: 'year', nullable: true }) year!: number | null;
  @Column({ type: 'varbinary', length: 80, nullable: true }) bytes!: Buffer | null;
  @Column({ type: 'geometry', nullable: true, srid: 4326 }) place!: string | null;
  @Column(() => Consistency) consistency!: Consistency;
}

const BYTES = Buffer.from([0, 255, 10, 13, 39, 92, ...Array<number>(70).fill(7)]);
const values = (): Partial<Typed> => ({
  list: ['a', 'b b', '😀'],
  simple: { nested: [1, null, 'x'] },
  json: { a: [1, { b: 'c' }], '': null, precise: 0.1 },
  colour: "o'blue",
  flags: ['a', 'c'],
  yes: false,
  bit: Buffer.from([1]),
  decimal: '-123456789012345678901234567890.0123456789',
  big: '18446744073709551615',
  double: 5e-324,
  date: '2024-02-29',
  time: '-12:34:56.789',
  moment: new Date('2024-03-31T01:30:00.123Z'),
  stamp: new Date('2024-10-27T00:30:00.456Z'),
  year: 2024,
  bytes: BYTES,
  place: 'POINT(50.5 8.25)',
});
const DOCUMENT = {
  list: ['a', 'b b', '😀'],
  simple: { nested: [1, null, 'x'] },
  json: { a: [1, { b: 'c' }], '': null, precise: 0.1 },
  colour: "o'blue",
  flags: ['a', 'c'],
  yes: false,
  bit: 1,
  decimal: '-123456789012345678901234567890.0123456789',
  big: '18446744073709551615',
  double: 5e-324,
  date: '2024-02-29',
  time: '-12:34:56.789',
  moment: '2024-03-31T01:30:00.123000Z',
  stamp: '2024-10-27T00:30:00.456000Z',
  year: 2024,
  bytes: BYTES.toString('base64'),
  place: { type: 'Point', coordinates: [8.25, 50.5] },
};

describe('the default document of every TypeORM column type', () => {
  let stores: Stores;
  let answers: LostAnswers;
  let repository: ConsistentRepository<Typed>;

  beforeAll(async () => {
    stores = await Stores.create('types');
    answers = await LostAnswers.start();
    const target = defineConsistentRepository(Typed, {
      index: stores.index('typed'),
      mappings: { dynamic: false, properties: {} },
    });
    const application = await stores.start({
      entities: [Typed],
      repositories: [target],
      elasticsearchNode: answers.url,
    });
    repository = application.get(target);
  });
  afterAll(async () => {
    await stores.close();
    await answers.stop();
  });

  const document = async (id: string) => (await stores.document(repository.index, id))!.source;

  it('is exact', async () => {
    const saved = await repository.save({ id: 'exact', ...values() });
    expect(await document('exact')).toEqual({ id: 'exact', ...DOCUMENT });
    const plain = (await repository.findOneByOrFail({ id: 'exact' })) as unknown as Record<string, unknown>;
    // What save gives back is what a find gives.
    expect(JSON.parse(JSON.stringify(saved))).toEqual(JSON.parse(JSON.stringify(plain)));
  });

  it('has null for NULL', async () => {
    await repository.save({ id: 'null' });
    const { id, ...rest } = await document('null');
    expect(id).toBe('null');
    expect(Object.values(rest).filter((value) => value !== null)).toEqual([]);
    expect(Object.keys(rest).toSorted()).toEqual(Object.keys(DOCUMENT).toSorted());
  });

  it('keeps the microseconds that a JavaScript Date cannot hold, through an update of another column', async () => {
    await stores.database.query(
      `INSERT INTO typed (id, moment, stamp) VALUES ('micro', '2024-01-01 00:00:00.123456', '2024-01-01 00:00:00.000001')`,
    );
    await repository.save({ id: 'micro', year: 1999 });
    expect(await document('micro')).toMatchObject({
      moment: '2024-01-01T00:00:00.123456Z',
      stamp: '2024-01-01T00:00:00.000001Z',
      year: 1999,
    });
  });

  it('keeps numbers in JSON columns that JavaScript would round', async () => {
    await stores.database.query(
      `INSERT INTO typed (id, json) VALUES ('digits', '{"n": 18446744073709551615, "d": [9007199254740993]}')`,
    );
    await repository.save({ id: 'digits', year: 2000 });
    const answer = await fetch(`${process.env.ELASTICSEARCH_URL}/${repository.index}/_source/digits`);
    expect(await answer.text()).toContain('"json":{"d": [9007199254740993], "n": 18446744073709551615}');
  });

  it('is the same again when a settler puts the previous image back', async () => {
    await repository.save({ id: 'back', ...values() });
    const before = await stores.row('typed', 'back');
    const empty = Object.fromEntries(Object.keys(values()).map((name) => [name, null])) as unknown as Partial<Typed>;
    await answers.vanished(() => repository.save({ id: 'back', ...empty }));
    const read = await repository.findOneByOrFail({ id: 'back' });
    expect(read).toMatchObject({ ...values(), place: expect.stringContaining('POINT') });
    await expireDeadlines(stores, 'typed');
    await repository.findOneByOrFail({ id: 'back' });
    const { consistency_restored: marker, ...source } = await document('back');
    expect(source).toEqual({ id: 'back', ...DOCUMENT });
    const after = (await stores.row('typed', 'back'))!;
    expect(marker).toBe(Number(after.consistency_version));
    expect({ ...after, consistency_version: 0 }).toEqual({ ...before, consistency_version: 0 });
  });
});
