import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TestingModule } from '@nestjs/testing';
import { Column, Entity, JoinColumn, ManyToOne, OneToMany, PrimaryGeneratedColumn, type Relation } from 'typeorm';
import {
  Consistency,
  type ConsistentRepository,
  ConsistentService,
  defineConsistentRepository,
  UnsupportedOperationError,
} from '../../../src/index.js';
import { dataSourceOf, Stores } from '../../support/application.js';
import { LostAnswers } from '../../support/lost.answers.js';

@Entity('writer')
class Author {
  @PrimaryGeneratedColumn() id!: number;
  @Column() name!: string;
  @OneToMany(() => Novel, ({ author }) => author) novels!: Promise<Relation<Novel>[]>;
  @Column(() => Consistency) consistency!: Consistency;
}
@Entity('novel')
class Novel {
  @PrimaryGeneratedColumn() id!: number;
  @Column({ default: '' }) title!: string;
  @ManyToOne(() => Author, { lazy: true, nullable: true }) author!: Promise<Relation<Author> | null>;
  @Column(() => Consistency) consistency!: Consistency;
}
@Entity('essay')
class Essay {
  @PrimaryGeneratedColumn() id!: number;
  @Column({ type: 'int', nullable: true }) authorId!: number | null;
  @ManyToOne(() => Author) @JoinColumn({ name: 'authorId' }) author!: Relation<Author> | null;
  @Column(() => Consistency) consistency!: Consistency;
}

describe('relations that are promises, and relations that are cleared', () => {
  let stores: Stores;
  let answers: LostAnswers;
  let application: TestingModule;
  let [authors, novels, essays]: ConsistentRepository<any>[] = [];
  let [ada, bea]: Author[] = [];

  beforeAll(async () => {
    stores = await Stores.create('lazy-relations');
    answers = await LostAnswers.start();
    const targets = [Author, Novel, Essay].map((entity) =>
      defineConsistentRepository(entity as new () => object, { index: stores.index(entity.name.toLowerCase()) }),
    );
    application = await stores.start({
      entities: [Author, Novel, Essay],
      repositories: targets,
      elasticsearchNode: answers.url,
    });
    [authors, novels, essays] = targets.map((target) => application.get<ConsistentRepository<any>>(target));
    [ada, bea] = [await authors!.save({ name: 'Ada' }), await authors!.save({ name: 'Bea' })] as Author[];
  });
  afterAll(async () => {
    await stores.close();
    await answers.stop();
  });

  /** In both stores. */
  async function authorOf({ id }: Novel): Promise<unknown> {
    const row = await stores.row('novel', id);
    expect((await stores.document(novels!.index, String(id)))?.source).toMatchObject({ authorId: row!['authorId'] });
    return row!['authorId'];
  }
  const novel = (author: unknown): Novel => Object.assign(new Novel(), { author });

  it.each([
    ['an object of the class', () => novel(Promise.resolve(ada))],
    ['an object that the repository made', () => Object.assign(novels!.create(), { author: Promise.resolve(ada) })],
    ['a plain object', () => ({ author: Promise.resolve(ada) })],
    ['a promise that is not done yet', () => novel(new Promise((done) => setTimeout(done, 20, ada)))],
    ['the author itself', () => ({ author: ada })],
  ])('a lazy relation of a new row: %s', async (_, make) => {
    const given = make();
    expect(await authorOf(await novels!.save(given))).toBe(ada!.id);
    const [outcome] = await novels!.saveMany([make()]);
    expect(outcome).toMatchObject({ status: 'committed' });
    expect(await authorOf(outcome!.entity)).toBe(ada!.id);
    const inUnit = await application
      .get(ConsistentService)
      .transaction((unit) => unit.getRepository(novels!.constructor as never).save(make() as never));
    expect(await authorOf(inUnit as Novel)).toBe(ada!.id);
  });

  it('a lazy relation of a loaded row: left alone, changed, cleared, loaded', async () => {
    const { id } = await novels!.save(novel(Promise.resolve(ada)));
    const loaded = (await novels!.findOneByOrFail({ id })) as Novel;
    loaded.title = 'left alone';
    expect(await authorOf(await novels!.save(loaded))).toBe(ada!.id);
    expect(await loaded.author).toMatchObject({ name: 'Ada' });
    loaded.title = 'loaded';
    expect(await authorOf(await novels!.save(loaded))).toBe(ada!.id);
    loaded.author = Promise.resolve(bea!);
    expect(await authorOf(await novels!.save(loaded))).toBe(bea!.id);
    expect(await loaded.author).toMatchObject({ name: 'Bea' });
    loaded.author = Promise.resolve(null);
    expect(await authorOf(await novels!.save(loaded))).toBeNull();
  });

  it('a promise that is rejected: its error, and nothing is written', async () => {
    const before = await novels!.count();
    // Plain objects: on an object of the class TypeORM listens to the promise too, and has nobody to tell.
    const broken = () => ({ author: Promise.reject(new Error('no such author')) });
    await expect(novels!.save(broken())).rejects.toThrow('no such author');
    const outcomes = await novels!.saveMany([broken(), { author: null }]);
    expect(outcomes.map(({ status }) => status)).toEqual(['failed', 'committed']);
    expect(await novels!.count()).toBe(before + 1);
  });

  it('a lazy relation that was loaded is the previous one while a change of it is undecided', async () => {
    const { id } = await novels!.save(novel(Promise.resolve(ada)));
    await answers.vanished(() => novels!.save({ id, author: Promise.resolve(bea) }));
    const seen = (await novels!.findOneOrFail({ where: { id }, relations: { author: true } })) as Novel;
    expect(await seen.author).toMatchObject({ name: 'Ada' });
  });

  it('a lazy list of another table does not stand in the way, unless it was given or loaded', async () => {
    const loaded = (await authors!.findOneByOrFail({ id: bea!.id })) as Author;
    loaded.name = 'Beatrice';
    await authors!.save(loaded);
    expect(await stores.row('writer', bea!.id)).toMatchObject({ name: 'Beatrice' });
    loaded.novels = Promise.resolve([]);
    await expect(authors!.save(loaded)).rejects.toThrow(UnsupportedOperationError);
  });

  it.each(['plain TypeORM', 'the library'])('a relation set to null clears its mapped column: %s', async (who) => {
    const { id } = await essays!.save({ author: ada });
    const save = async (essay: object) =>
      who === 'the library' ? essays!.save(essay) : dataSourceOf(plain).manager.save(Essay, essay as never);
    const plain = await stores.start({
      entities: [Author, Novel, Essay],
      repositories: [essays!.constructor as never],
      module: { bypassGuard: 'off' },
    });
    const held = async () => (await stores.row('essay', id))!['authorId'];
    const find = () => essays!.findOneOrFail({ where: { id }, relations: { author: true } });
    await save({ id, author: null });
    expect(await held()).toBeNull();
    await save({ id, author: bea });
    await save(Object.assign(await find(), { author: null }));
    expect(await held()).toBeNull();
    await save({ id, author: bea });
    await save(Object.assign(await find(), { author: null, authorId: ada!.id }));
    expect(await held()).toBe(ada!.id);
  });
});
