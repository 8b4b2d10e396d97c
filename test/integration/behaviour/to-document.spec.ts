import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Column, Entity, PrimaryColumn } from 'typeorm';
import {
  Consistency,
  type ConsistentRepository,
  defineConsistentRepository,
  InvalidDocumentError,
} from '../../../src/index.js';
import { Stores } from '../../support/application.js';

@Entity('made')
class Made {
  @PrimaryColumn() id!: string;
  @Column({ default: '' }) mood!: string;
  @Column({ type: 'json', nullable: true }) tags!: string[] | null;
  @Column({ type: 'datetime', precision: 6, default: () => 'CURRENT_TIMESTAMP(6)' }) at!: Date;
  @Column(() => Consistency) consistency!: Consistency;
}

const MADE: Record<string, (made: Made) => unknown> = {
  throws: () => {
    throw new Error('no mood for it');
  },
  nothing: () => undefined,
  null: () => null,
  text: () => 'text',
  array: () => [1],
  promise: () => Promise.resolve({}),
  reserved: () => ({ consistency_restored: 1 }),
  bigint: () => ({ n: 1n }),
  cycle: () => {
    const own: Record<string, unknown> = {};
    own.self = own;
    return own;
  },
};

describe('toDocument and refresh', () => {
  let stores: Stores;
  let repository: ConsistentRepository<Made>;

  beforeAll(async () => {
    stores = await Stores.create('make');
    const target = defineConsistentRepository(Made, {
      index: stores.index('made'),
      refresh: 'wait_for',
      settings: { refresh_interval: '100ms' },
      toDocument: (made, document) => {
        if (MADE[made.mood]) return MADE[made.mood]!(made) as Record<string, unknown>;
        const { at: _, ...rest } = document;
        return { ...rest, isDate: made.at instanceof Date, isInstance: made instanceof Made, left: undefined };
      },
    });
    const application = await stores.start({ entities: [Made], repositories: [target] });
    repository = application.get(target);
  });
  afterAll(() => stores.close());

  it('gets the entity and the default document, and its answer is the document', async () => {
    await repository.save({ id: 'a', mood: 'good', tags: ['x'] });
    expect((await stores.document(repository.index, 'a'))!.source).toEqual({
      id: 'a',
      mood: 'good',
      tags: ['x'],
      isDate: true,
      isInstance: true,
    });
  });

  it.each(Object.keys(MADE))('refuses an answer that is no document: %s', async (mood) => {
    await repository.save({ id: `was ${mood}`, mood: 'good' });
    for (const id of [`new ${mood}`, `was ${mood}`]) {
      await expect(repository.save({ id, mood })).rejects.toThrow(InvalidDocumentError);
    }
    expect(await stores.row('made', `new ${mood}`)).toBeUndefined();
    expect(await stores.row('made', `was ${mood}`)).toMatchObject({ mood: 'good', consistency_state: 'commit' });
    expect((await stores.document(repository.index, `was ${mood}`))!.source).toMatchObject({ mood: 'good' });
  });

  it('does not leave a rejected promise of toDocument unhandled', async () => {
    MADE.rejects = () => Promise.reject(new Error('nobody listens'));
    await expect(repository.save({ id: 'rejects', mood: 'rejects' })).rejects.toThrow(/synchronously/);
  });

  it("`refresh: 'wait_for'`: a search finds the document as soon as the write is done", async () => {
    const find = async (mood: string) => {
      const { hits } = await stores.client.search({ index: repository.index, query: { match: { mood } } });
      return hits.hits.map(({ _id }) => _id);
    };
    await repository.save({ id: 'searched', mood: 'unmistakable' });
    expect(await find('unmistakable')).toEqual(['searched']);
    await repository.remove(await repository.findOneByOrFail({ id: 'searched' }));
    expect(await find('unmistakable')).toEqual([]);
  });
});
