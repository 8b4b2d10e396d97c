import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Column, Entity, PrimaryColumn } from 'typeorm';
import {
  Consistency,
  type ConsistentRepository,
  defineConsistentRepository,
  IndexRejectedError,
  InvalidDocumentError,
  InvalidOptionsError,
  RowBusyError,
  RowNotFoundError,
  UnsupportedOperationError,
} from '../../../src/index.js';
import { Stores } from '../../support/application.js';
import { LostAnswers } from '../../support/lost.answers.js';

@Entity('item')
class Item {
  @PrimaryColumn({ length: 600 }) id!: string;
  @Column({ unique: true, nullable: true, type: 'varchar' }) code!: string | null;
  @Column({ default: '1' }) amount!: string;
  @Column(() => Consistency) consistency!: Consistency;
}

describe('saveMany and removeMany', () => {
  let stores: Stores;
  let answers: LostAnswers;
  let items: ConsistentRepository<Item>;

  beforeAll(async () => {
    stores = await Stores.create('batches');
    answers = await LostAnswers.start();
    const target = defineConsistentRepository(Item, {
      index: stores.index('items'),
      mappings: { properties: { amount: { type: 'integer' } } },
    });
    const application = await stores.start({
      entities: [Item],
      repositories: [target],
      elasticsearchNode: answers.url,
      module: { busyTimeoutMs: 100 },
    });
    items = application.get(target);
  });
  afterAll(async () => {
    await stores.close();
    await answers.stop();
  });

  const document = async (id: string) => (await stores.document(items.index, id))?.source;

  it('lets the later of two writes of one row win, though chunks overlap', async () => {
    const rows = Array.from({ length: 12 }, (_, at) => ({ id: `again ${at % 4}`, amount: String(at) }));
    for (const chunkSize of [1, 3, 4, 5]) {
      const outcomes = await items.saveMany(rows, { chunkSize });
      expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(['committed']));
      for (const [at, { id, amount }] of rows.slice(-4).entries()) {
        expect([at, (await items.findOneBy({ id }))?.amount, await document(id)]).toMatchObject([
          at,
          amount,
          { amount },
        ]);
      }
    }
    const again = rows.slice(0, 4).map(({ id }) => ({ id }) as Item);
    const removed = await items.removeMany(again, { chunkSize: 2 });
    expect(removed.map(({ status }) => status)).toEqual(Array(4).fill('committed'));
    expect(await Promise.all(again.map(({ id }) => document(id)))).toEqual(Array(4).fill(undefined));
  });

  it('gives every item its own outcome, in the order of the items', async () => {
    await items.save({ id: 'existing', code: 'taken' });
    const given = [
      { id: 'good 1', amount: '5' },
      { id: 'duplicate code', code: 'taken' },
      { id: 'x'.repeat(513) },
      { id: 'refused', amount: 'no number' },
      { id: 'existing', amount: '8' },
      { id: 'good 1', amount: '6' },
      null as unknown as Partial<Item>,
      { id: 'good 2' },
    ];
    const outcomes = await items.saveMany(given);
    expect(outcomes.map(({ status }) => status)).toEqual([
      'committed',
      'failed',
      'failed',
      'failed',
      'committed',
      'committed',
      'failed',
      'committed',
    ]);
    outcomes.forEach((outcome, at) => expect(outcome.entity).toBe(given[at]));
    const errors = outcomes.map((outcome) => (outcome.status === 'failed' ? outcome.error : null));
    expect(errors[1]).toMatchObject({ driverError: { code: 'ER_DUP_ENTRY' } });
    expect(errors[2]).toBeInstanceOf(InvalidDocumentError);
    expect(errors[3]).toBeInstanceOf(IndexRejectedError);
    expect(errors[6]).toBeInstanceOf(UnsupportedOperationError);
    expect(await document('good 1')).toMatchObject({ amount: '6' });
    expect(await document('existing')).toMatchObject({ amount: '8', code: 'taken' });
    expect(await document('good 2')).toMatchObject({ amount: '1' });
    for (const id of ['duplicate code', 'refused']) {
      expect([await stores.row('item', id), await document(id)]).toEqual([undefined, undefined]);
    }
    expect(given[4]).toMatchObject({ code: 'taken', consistency: { state: 'commit' } });
    expect(given[3]).not.toHaveProperty('consistency');
  });

  it('names a busy row, and writes its neighbours', async () => {
    await items.save({ id: 'busy' });
    await answers.vanished(() => items.save({ id: 'busy', amount: '2' }));
    const outcomes = await items.saveMany(['n1', 'busy', 'n2'].map((id) => ({ id, amount: '3' })));
    expect(outcomes.map(({ status }) => status)).toEqual(['committed', 'failed', 'committed']);
    expect(outcomes[1]).toMatchObject({ error: expect.any(RowBusyError) });
    expect([await document('n1'), await document('n2')]).toMatchObject([{ amount: '3' }, { amount: '3' }]);
    expect(await items.findOneByOrFail({ id: 'busy' })).toMatchObject({ amount: '1' });
  });

  it('removes many, and names those that are not there', async () => {
    const saved = await items.saveMany(['m1', 'm2', 'm3'].map((id) => ({ id })));
    const [first, second, third] = saved.map(({ entity }) => entity as Item);
    await items.remove(second!);
    const outcomes = await items.removeMany([first!, Object.assign(new Item(), { id: 'm2' }), third!]);
    expect(outcomes.map(({ status }) => status)).toEqual(['committed', 'failed', 'committed']);
    expect(outcomes[1]).toMatchObject({ error: expect.any(RowNotFoundError) });
    for (const id of ['m1', 'm2', 'm3']) {
      expect([await stores.row('item', id), await document(id)]).toEqual([undefined, undefined]);
    }
  });

  it('works in chunks and tells its progress', async () => {
    const progress: unknown[] = [];
    const many = Array.from({ length: 25 }, (_, at) => ({ id: `chunk ${at}`, amount: String(at) }));
    const outcomes = await items.saveMany(many, { chunkSize: 10, onProgress: (step) => progress.push(step) });
    expect(outcomes.every(({ status }) => status === 'committed')).toBe(true);
    expect(progress).toEqual([
      { done: 10, total: 25 },
      { done: 20, total: 25 },
      { done: 25, total: 25 },
    ]);
    expect(await document('chunk 24')).toMatchObject({ amount: '24' });
    expect(await items.saveMany([])).toEqual([]);
  });

  it.each([0, -1, 1.5, 1_001, Number.NaN, '5'])('refuses chunkSize %p', async (chunkSize) => {
    const call = items.saveMany([{ id: 'never' }], { chunkSize: chunkSize as number });
    await expect(call).rejects.toThrow(InvalidOptionsError);
    await expect(call).rejects.toThrow(/1 … 1000/);
    expect(await stores.row('item', 'never')).toBeUndefined();
  });
});
