import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Column, Entity, PrimaryColumn } from 'typeorm';
import {
  Consistency,
  type ConsistentRepository,
  ConsistentService,
  defineConsistentRepository,
} from '../../../src/index.js';
import { Stores } from '../../support/application.js';
import { LostAnswers } from '../../support/lost.answers.js';

@Entity('spelled')
class Spelled {
  @PrimaryColumn({ length: 40, collation: 'utf8mb4_0900_ai_ci' }) id!: string;
  @Column({ default: '' }) note!: string;
  @Column(() => Consistency) consistency!: Consistency;
}

/** To a case-insensitive collation `ABC` and `abc` are one key; to Elasticsearch they are two ids. The row's spelling counts. */
describe('a key in another spelling than its row', () => {
  let stores: Stores;
  let answers: LostAnswers;
  let repository: ConsistentRepository<Spelled>;
  let service: ConsistentService;

  beforeAll(async () => {
    stores = await Stores.create('spelling');
    answers = await LostAnswers.start();
    const target = defineConsistentRepository(Spelled, { index: stores.index('spelled') });
    const application = await stores.start({
      entities: [Spelled],
      repositories: [target],
      elasticsearchNode: answers.url,
      module: { busyTimeoutMs: 300 },
    });
    repository = application.get(target);
    service = application.get(ConsistentService);
  });
  afterAll(async () => {
    await stores.close();
    await answers.stop();
  });

  const documents = async (...ids: string[]) =>
    Promise.all(ids.map(async (id) => (await stores.document(repository.index, id))?.source.note));

  it('updates the one row and its one document', async () => {
    await repository.save({ id: 'ABC', note: 'first' });
    const saved = await repository.save({ id: 'abc', note: 'second' });
    expect(await stores.database.query('SELECT note FROM spelled')).toEqual([{ note: 'second' }]);
    const row = (await stores.row('spelled', 'ABC'))!;
    expect(await documents(String(row.id))).toEqual(['second']);
    expect(await documents(row.id === 'ABC' ? 'abc' : 'ABC')).toEqual([undefined]);
    expect(saved.id).toBe(row.id);
  });

  it('removes the one document', async () => {
    await repository.save({ id: 'Ünï', note: 'x' });
    await repository.remove(Object.assign(new Spelled(), { id: 'uni' }));
    expect(await documents('Ünï', 'uni')).toEqual([undefined, undefined]);
    expect(await stores.row('spelled', 'uni')).toBeUndefined();
  });

  it('finds undecided rows asked for together in other spellings', async () => {
    await repository.saveMany([
      { id: 'ONE', note: 'kept' },
      { id: 'TWO', note: 'kept' },
    ]);
    await answers.vanished(() => repository.save({ id: 'ONE', note: 'lost' }));
    await answers.vanished(() => repository.save({ id: 'TWO', note: 'lost' }));
    const asked = ['one', 'two'].map((id) => Object.assign(new Spelled(), { id }));
    expect((await repository.repair(asked)).map(({ id }) => id.toUpperCase())).toEqual(['ONE', 'TWO']);
  });

  it('is recognised as the same row inside a unit of work and inside a batch', async () => {
    await repository.save({ id: 'Twice', note: 'before' });
    await service.transaction(async (unit) => {
      const inside = unit.getRepository<Spelled>(repository.constructor as never);
      await inside.save(Object.assign(new Spelled(), { id: 'Twice', note: 'once' }));
      await inside.save(Object.assign(new Spelled(), { id: 'tWICE', note: 'twice' }));
    });
    const row = (await stores.row('spelled', 'twice'))!;
    expect(row).toMatchObject({ note: 'twice', consistency_state: 'commit' });
    expect(await documents(String(row.id))).toEqual(['twice']);
    const outcomes = await repository.saveMany([
      { id: 'batch', note: 'one' },
      { id: 'BATCH', note: 'two' },
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['committed', 'committed']);
    const [found] = await stores.database.query<{ id: string }>("SELECT id FROM spelled WHERE id = 'batch'");
    expect(await documents(found!.id)).toEqual(['two']);
  });
});
