import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  Column,
  Entity,
  JoinColumn,
  JoinTable,
  ManyToMany,
  ManyToOne,
  OneToMany,
  OneToOne,
  PrimaryGeneratedColumn,
  type Relation,
} from 'typeorm';
import {
  Consistency,
  type ConsistentRepository,
  defineConsistentRepository,
  UnsupportedOperationError,
} from '../../../src/index.js';
import { Stores } from '../../support/application.js';
import { LostAnswers } from '../../support/lost.answers.js';

@Entity('author')
class Author {
  @PrimaryGeneratedColumn() id!: number;
  @Column() name!: string;
  @OneToMany(() => Book, (book) => book.author) books!: Relation<Book>[];
  @Column(() => Consistency) consistency!: Consistency;
}
@Entity('cover')
class Cover {
  @PrimaryGeneratedColumn() id!: number;
  @Column() picture!: string;
}
@Entity('tag')
class Tag {
  @PrimaryGeneratedColumn() id!: number;
  @Column() name!: string;
}
@Entity('book')
class Book {
  @PrimaryGeneratedColumn() id!: number;
  @Column() title!: string;
  @ManyToOne(() => Author, (author) => author.books, { nullable: true }) author!: Relation<Author> | null;
  @Column({ nullable: true }) editorId!: number | null;
  @ManyToOne(() => Author, { nullable: true }) @JoinColumn({ name: 'editorId' }) editor!: Relation<Author> | null;
  @OneToOne(() => Cover, { nullable: true }) @JoinColumn() cover!: Relation<Cover> | null;
  @ManyToMany(() => Tag) @JoinTable() tags!: Relation<Tag>[];
  @Column(() => Consistency) consistency!: Consistency;
}

const WITH_ALL = { author: true, editor: true, cover: true } as const;

describe('relations', () => {
  let stores: Stores;
  let answers: LostAnswers;
  let books: ConsistentRepository<Book>;
  let authors: ConsistentRepository<Author>;
  let covers: (picture: string) => Promise<Cover>;

  beforeAll(async () => {
    stores = await Stores.create('relations');
    answers = await LostAnswers.start();
    const ofBooks = defineConsistentRepository(Book, { index: stores.index('books') });
    const ofAuthors = defineConsistentRepository(Author, { index: stores.index('authors') });
    const application = await stores.start({
      entities: [Author, Book, Cover, Tag],
      repositories: [ofBooks, ofAuthors],
      elasticsearchNode: answers.url,
    });
    books = application.get(ofBooks);
    authors = application.get(ofAuthors);
    covers = (picture) => books.metadata.connection.getRepository(Cover).save({ picture });
  });
  afterAll(async () => {
    await stores.close();
    await answers.stop();
  });

  const document = async (id: number) => (await stores.document(books.index, String(id)))!.source;

  it('writes join columns given as objects or as ids, and has them in the document', async () => {
    const [ann, bob] = [await authors.save({ name: 'Ann' }), await authors.save({ name: 'Bob' })];
    const cover = await covers('c.png');
    const saved = await books.save({ title: 'x', author: ann, editorId: bob.id, cover });
    expect(await document(saved.id)).toEqual({
      id: saved.id,
      title: 'x',
      authorId: ann.id,
      editorId: bob.id,
      coverId: cover.id,
    });
    expect(saved).toMatchObject({ author: { name: 'Ann' }, cover: { picture: 'c.png' } });
    await books.save({ id: saved.id, author: { id: bob.id } as Author, editor: ann });
    expect(await document(saved.id)).toMatchObject({ authorId: bob.id, editorId: ann.id, coverId: cover.id });
    await books.save({ id: saved.id, author: null, cover: null });
    expect(await document(saved.id)).toMatchObject({ authorId: null, editorId: ann.id, coverId: null });
  });

  it('loads relations in find', async () => {
    const ann = await authors.save({ name: 'Ann' });
    const { id } = await books.save({ title: 'loaded', author: ann, cover: await covers('d.png') });
    const [found] = await books.find({ where: { id }, relations: WITH_ALL });
    expect(found).toMatchObject({ author: { name: 'Ann' }, editor: null, cover: { picture: 'd.png' } });
    const [withBooks] = await authors.find({ where: { id: ann.id }, relations: { books: true } });
    expect(withBooks!.books).toMatchObject([{ title: 'loaded' }]);
  });

  it('serves the relation of the previous image while a change of it is undecided', async () => {
    const [ann, bob] = [await authors.save({ name: 'Ann' }), await authors.save({ name: 'Bob' })];
    const { id } = await books.save({ title: 'moves', author: ann, editor: null });
    await answers.vanished(() => books.save({ id, author: bob, editor: bob, cover: null }));
    const [found] = await books.find({ where: { id }, relations: WITH_ALL });
    expect(found).toMatchObject({ title: 'moves', author: { name: 'Ann' }, editor: null, editorId: null });
  });

  it('repairs consistent entities that were loaded with another one', async () => {
    const ann = await authors.save({ name: 'Ann' });
    const { id } = await books.save({ title: 'by Ann', author: ann });
    await answers.vanished(() => authors.save({ id: ann.id, name: 'Undecided' }));
    expect((await books.findOneOrFail({ where: { id }, relations: { author: true } })).author).toMatchObject({
      name: 'Ann',
    });
    await answers.vanished(() => books.save({ id, title: 'undecided' }));
    const [author] = await authors.find({ where: { id: ann.id }, relations: { books: true } });
    expect(author!.books).toMatchObject([{ title: 'by Ann' }]);
  });

  it('repairs what a narrow select of a relation returns', async () => {
    const ann = await authors.save({ name: 'Ann' });
    const { id } = await books.save({ title: 'narrow', author: ann });
    await answers.vanished(() => authors.save({ id: ann.id, name: 'Undecided' }));
    const [found] = await books.find({
      where: { id },
      relations: { author: true },
      select: { title: true, author: { name: true } },
    });
    expect(found).toMatchObject({ title: 'narrow', author: { name: 'Ann' } });
  });

  it('repairs the related entity too where the relation itself had to go back', async () => {
    const [ann, bob] = [await authors.save({ name: 'Ann' }), await authors.save({ name: 'Bob' })];
    const { id } = await books.save({ title: 'both undecided', author: ann });
    await answers.vanished(() => books.save({ id, author: bob }));
    await answers.vanished(() => authors.save({ id: ann.id, name: 'Undecided' }));
    const [found] = await books.find({ where: { id }, relations: { author: true } });
    expect(found!.author).toMatchObject({ name: 'Ann' });
  });

  it('does not lose the former relation where the new one points at an undecided insert', async () => {
    const ann = await authors.save({ name: 'Ann' });
    const { id } = await books.save({ title: 'in one unit', author: ann });
    await answers.vanished(() => authors.save({ name: 'Newcomer' }));
    const newcomer = (await stores.row('author', 'Newcomer', 'name'))!;
    await answers.vanished(() => books.save({ id, author: { id: newcomer.id } as Author }));
    const [found] = await books.find({ where: { id }, relations: { author: true } });
    expect(found!.author).toMatchObject({ name: 'Ann' });
  });

  it('leaves undecided inserts out of a loaded one-to-many', async () => {
    const ann = await authors.save({ name: 'Ann' });
    await books.save({ title: 'there', author: ann });
    await answers.vanished(() => books.save({ title: 'not yet', author: ann }));
    const [author] = await authors.find({ where: { id: ann.id }, relations: { books: true } });
    expect(author!.books.map(({ title }) => title)).toEqual(['there']);
  });

  it('refuses values of relations whose rows are in other tables, and writes nothing', async () => {
    const withTags = books.save({ title: 'tagged', tags: [{ id: 1, name: 'x' }] });
    await expect(withTags).rejects.toThrow(UnsupportedOperationError);
    await expect(withTags).rejects.toThrow(/Book\.tags is a many-to-many relation/);
    await expect(authors.save({ name: 'n', books: [] })).rejects.toThrow(/Author\.books is a one-to-many relation/);
    expect(await stores.row('book', 'tagged', 'title')).toBeUndefined();
    // A property that is there but undefined is no value.
    await books.save({ title: 'untagged', tags: undefined } as unknown as Book);
  });

  it('refuses to remove a row that others refer to, before its document is gone', async () => {
    const ann = await authors.save({ name: 'Ann' });
    await books.save({ title: 'holds Ann', author: ann });
    await expect(authors.remove(ann)).rejects.toMatchObject({
      driverError: { code: 'ER_ROW_IS_REFERENCED_2' },
    });
    expect(await stores.document(authors.index, String(ann.id))).toBeDefined();
    expect(await stores.row('author', ann.id)).toMatchObject({ consistency_state: 'commit' });
  });
});
