import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Column, Entity, PrimaryColumn, PrimaryGeneratedColumn } from 'typeorm';
import { Consistency, type ConsistentRepository, defineConsistentRepository } from '../../../src/index.js';
import { Stores } from '../../support/application.js';

abstract class Named {
  @Column() name!: string;
  @Column(() => Consistency) consistency!: Consistency;
}
@Entity('keyed')
class Keyed extends Named {
  @PrimaryColumn() id!: number;
}
@Entity('numbered')
class Numbered extends Named {
  @PrimaryGeneratedColumn() id!: number;
}

const POISONED = 7;

/** `toDocument` is asked only after the prepare's statement, so its refusal must find the way back to its own row. */
describe('a batch with a row that cannot become a document', () => {
  let stores: Stores;
  let keyed: ConsistentRepository<Keyed>;
  let numbered: ConsistentRepository<Numbered>;

  beforeAll(async () => {
    stores = await Stores.create('poisoned-batch');
    const define = (entity: new () => Named, name: string) =>
      defineConsistentRepository(entity, {
        index: stores.index(name),
        toDocument: (row, document) => {
          if (row.name === 'poison') throw new Error('no document');
          return document;
        },
      });
    const [first, second] = [define(Keyed, 'keyed'), define(Numbered, 'numbered')];
    const application = await stores.start({ entities: [Keyed, Numbered], repositories: [first, second] });
    keyed = application.get(first as new () => ConsistentRepository<Keyed>);
    numbered = application.get(second as new () => ConsistentRepository<Numbered>);
  });
  afterAll(() => stores.close());

  const names = Array.from({ length: 16 }, (_, at) => (at === POISONED ? 'poison' : `name ${at}`));
  const good = names.filter((name) => name !== 'poison');
  const held = async (table: string) =>
    (
      await stores.database.query<{ name: string; state: string }>(
        `SELECT name, consistency_state AS state FROM ${table} ORDER BY id`,
      )
    ).map(({ name, state }) => `${name}: ${state}`);

  it.each(['insert', 'update'] as const)('%s: the others are prepared once, and none is left over', async (step) => {
    const suffix = step === 'insert' ? '' : ' again';
    const rows = names.map((name, id) => ({ id, name: name === 'poison' ? name : name + suffix }));
    if (step === 'update') await keyed.save({ id: POISONED, name: 'healthy' });
    const outcomes = await keyed.saveMany(rows);
    expect(outcomes.flatMap(({ status }, at) => (status === 'committed' ? [] : [at]))).toEqual([POISONED]);
    expect(outcomes[POISONED]).toMatchObject({ error: { code: 'INVALID_DOCUMENT' } });
    const left = step === 'insert' ? good : names.map((name) => (name === 'poison' ? 'healthy' : name + suffix));
    expect(await held('keyed')).toEqual(left.map((name) => `${name}: commit`));
  });

  it('ids that MySQL gives: no row is inserted twice', async () => {
    const outcomes = await numbered.saveMany(names.map((name) => ({ name })));
    expect(outcomes[POISONED]).toMatchObject({ status: 'failed', error: { code: 'INVALID_DOCUMENT' } });
    expect(await held('numbered')).toEqual(good.map((name) => `${name}: commit`));
  });
});
