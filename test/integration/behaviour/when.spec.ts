import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Column, DeleteDateColumn, Entity, PrimaryColumn } from 'typeorm';
import { Consistency, type ConsistentRepository, defineConsistentRepository } from '../../../src/index.js';
import { Stores } from '../../support/application.js';
import { expireDeadlines, LostAnswers } from '../../support/lost.answers.js';

@Entity('post')
class Post {
  @PrimaryColumn() id!: string;
  @Column({ default: false }) published!: boolean;
  @Column({ default: '' }) title!: string;
  @DeleteDateColumn() deletedAt!: Date | null;
  @Column(() => Consistency) consistency!: Consistency;
}

/** `when` says which rows have a document: rows move in and out of the index, and every step follows. */
describe('rows that are not indexed', () => {
  let stores: Stores;
  let answers: LostAnswers;
  let posts: ConsistentRepository<Post>;

  beforeAll(async () => {
    stores = await Stores.create('when');
    answers = await LostAnswers.start();
    const target = defineConsistentRepository(Post, {
      index: stores.index('posts'),
      when: (post) => {
        if (post.title === 'throws') throw new Error('when failed');
        return post.published;
      },
    });
    const application = await stores.start({
      entities: [Post],
      repositories: [target],
      elasticsearchNode: answers.url,
    });
    posts = application.get(target);
  });
  afterAll(async () => {
    await stores.close();
    await answers.stop();
  });

  const indexed = async (id: string) => (await stores.document(posts.index, id)) !== undefined;
  const row = async (id: string) => (await stores.row('post', id))!;

  it('insert out: a committed row without a document, and no request at all', async () => {
    const saved = await posts.save({ id: 'draft' });
    expect(saved.consistency).toMatchObject({ state: 'commit' });
    expect(await row('draft')).toMatchObject({ consistency_state: 'commit', consistency_pending: null });
    expect(await indexed('draft')).toBe(false);
    expect(await posts.findOneBy({ id: 'draft' })).not.toBeNull();
  });

  it('update in, update out, and in again', async () => {
    await posts.save({ id: 'moves' });
    for (const published of [true, false, true, true, false]) {
      await posts.save({ id: 'moves', published });
      expect(await indexed('moves')).toBe(published);
      expect(await row('moves')).toMatchObject({ published: published ? 1 : 0, consistency_state: 'commit' });
    }
  });

  it('delete out and delete in', async () => {
    const out = await posts.save({ id: 'out' });
    await posts.remove(out);
    const inside = await posts.save({ id: 'in', published: true });
    await posts.remove(inside);
    for (const id of ['out', 'in'])
      expect([await stores.row('post', id), await indexed(id)]).toEqual([undefined, false]);
  });

  it('soft removal and recovery of both kinds', async () => {
    for (const published of [true, false]) {
      const id = `soft ${published}`;
      const post = await posts.save({ id, published });
      await posts.softRemove(post);
      expect(await indexed(id)).toBe(false);
      await posts.save({ id, title: 'changed while deleted' });
      expect(await indexed(id)).toBe(false);
      await posts.recover(post);
      expect(await indexed(id)).toBe(published);
      expect(await row(id)).toMatchObject({ title: 'changed while deleted', consistency_state: 'commit' });
    }
  });

  /** Whatever the fate, the row and the index agree again. */
  it.each([true, false].flatMap((from) => [true, false].flatMap((to) => (from || to ? [[from, to] as const] : []))))(
    'an undecided update from %p to %p is undone or done as a whole',
    async (from, to) => {
      const id = `lost ${from} ${to}`;
      await posts.save({ id, published: from, title: 'before' });
      await answers.vanished(() => posts.save({ id, published: to, title: 'after' }));
      expect(await posts.findOneByOrFail({ id })).toMatchObject({ title: 'before', published: from });
      await expireDeadlines(stores, 'post');
      const settled = await posts.findOneByOrFail({ id });
      expect(await row(id)).toMatchObject({ title: settled.title, consistency_state: 'commit' });
      expect(await indexed(id)).toBe(settled.published);
      await answers.landed(() => posts.save({ id, published: to, title: 'landed' }));
      expect(await posts.findOneByOrFail({ id })).toMatchObject({ title: 'landed', published: to });
      expect(await indexed(id)).toBe(to);
    },
  );

  it('an undecided insert or delete of an indexed row', async () => {
    await answers.vanished(() => posts.save({ id: 'insert', published: true }));
    await expireDeadlines(stores, 'post');
    expect(await posts.findOneBy({ id: 'insert' })).toBeNull();
    expect(await stores.row('post', 'insert')).toBeUndefined();
    const post = await posts.save({ id: 'delete', published: true });
    await answers.landed(() => posts.remove(post));
    expect(await posts.findOneBy({ id: 'delete' })).toBeNull();
    expect([await stores.row('post', 'delete'), await indexed('delete')]).toEqual([undefined, false]);
  });

  it('many at once, in and out', async () => {
    const outcomes = await posts.saveMany(
      Array.from({ length: 6 }, (_, at) => ({ id: `many ${at}`, published: at % 2 === 0 })),
    );
    expect(outcomes.map(({ status }) => status)).toEqual(Array(6).fill('committed'));
    for (let at = 0; at < 6; at++) expect(await indexed(`many ${at}`)).toBe(at % 2 === 0);
  });

  it('a `when` that throws: the error reaches the caller, nothing is written', async () => {
    await expect(posts.save({ id: 'bad', title: 'throws' })).rejects.toThrow('when failed');
    expect(await stores.row('post', 'bad')).toBeUndefined();
  });
});
