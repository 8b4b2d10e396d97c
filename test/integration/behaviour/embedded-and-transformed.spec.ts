import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import { Consistency, type ConsistentRepository, defineConsistentRepository } from '../../../src/index.js';
import { Stores } from '../../support/application.js';
import { expireDeadlines, LostAnswers } from '../../support/lost.answers.js';

class Unit {
  @Column({ default: 'EUR' }) currency!: string;
  @Column({ type: 'tinyint', default: 2 }) digits!: number;
}
class Price {
  @Column({ type: 'decimal', precision: 12, scale: 2, default: 0 }) amount!: string;
  @Column(() => Unit) unit!: Unit;
}

const minutes = { to: (value?: { minutes: number }) => value?.minutes, from: (value: number) => ({ minutes: value }) };
const upper = { to: (value?: string) => value?.toUpperCase(), from: (value?: string) => value };

@Entity('ticket')
class Ticket {
  @PrimaryGeneratedColumn() id!: number;
  @Column(() => Price) price!: Price;
  @Column(() => Price, { prefix: 'list' }) listPrice!: Price;
  @Column({ type: 'int', transformer: minutes }) length!: { minutes: number };
  @Column({ type: 'varchar', transformer: [upper, upper] }) code!: string;
  @Column({ select: false, default: 'secret' }) pin!: string;
  @Column({ name: 'called_otherwise', default: 'x' }) renamed!: string;
  @Column(() => Consistency) consistency!: Consistency;
}

/** Embedded entities, transformers, hidden and renamed columns: the document speaks the entity's language. */
describe('embedded entities and column transformers', () => {
  let stores: Stores;
  let answers: LostAnswers;
  let tickets: ConsistentRepository<Ticket>;

  beforeAll(async () => {
    stores = await Stores.create('embedded');
    answers = await LostAnswers.start();
    const target = defineConsistentRepository(Ticket, { index: stores.index('tickets') });
    const application = await stores.start({
      entities: [Ticket],
      repositories: [target],
      elasticsearchNode: answers.url,
    });
    tickets = application.get(target);
  });
  afterAll(async () => {
    await stores.close();
    await answers.stop();
  });

  const document = async (id: number) => (await stores.document(tickets.index, String(id)))!.source;
  const given = () => ({ length: { minutes: 90 }, code: 'abc', price: { amount: '9.50' } as Price });

  it('has nested objects, transformed values and property names in the document', async () => {
    const saved = await tickets.save(given());
    expect(saved).toMatchObject({
      length: { minutes: 90 },
      code: 'ABC',
      price: { amount: '9.50', unit: { currency: 'EUR', digits: 2 } },
      listPrice: { amount: '0.00', unit: { currency: 'EUR', digits: 2 } },
    });
    expect(await document(saved.id)).toEqual({
      id: saved.id,
      price: { amount: '9.50', unit: { currency: 'EUR', digits: 2 } },
      listPrice: { amount: '0.00', unit: { currency: 'EUR', digits: 2 } },
      length: { minutes: 90 },
      code: 'ABC',
      renamed: 'x',
    });
    expect(await stores.row('ticket', saved.id)).toMatchObject({ length: 90, code: 'ABC', pin: 'secret' });
  });

  it('updates one nested value and leaves the others', async () => {
    const saved = await tickets.save(given());
    await tickets.save({ id: saved.id, price: { unit: { currency: 'USD' } } as Price });
    expect(await document(saved.id)).toMatchObject({
      price: { amount: '9.50', unit: { currency: 'USD', digits: 2 } },
      length: { minutes: 90 },
    });
  });

  it('keeps `select: false` columns out of documents and saved objects, but undoes them', async () => {
    const saved = await tickets.save({ ...given(), pin: '1234' });
    expect(await document(saved.id)).not.toHaveProperty('pin');
    await answers.vanished(() => tickets.save({ id: saved.id, pin: '9999', code: 'new' }));
    await expireDeadlines(stores, 'ticket');
    expect(await tickets.findOneByOrFail({ id: saved.id })).toMatchObject({ code: 'ABC' });
    expect(await stores.row('ticket', saved.id)).toMatchObject({ pin: '1234', consistency_state: 'commit' });
  });

  it('serves nested and transformed values of the previous image while a write is undecided', async () => {
    const saved = await tickets.save(given());
    await answers.vanished(() =>
      tickets.save({ id: saved.id, length: { minutes: 5 }, price: { unit: { currency: 'JPY', digits: 0 } } as Price }),
    );
    const read = await tickets.findOneByOrFail({ id: saved.id });
    expect(read.price).toBeInstanceOf(Price);
    expect(read).toMatchObject({
      length: { minutes: 90 },
      price: { amount: '9.50', unit: { currency: 'EUR', digits: 2 } },
    });
  });

  it("leaves the caller's nested objects alone when the write fails", async () => {
    const failing = tickets.create({ ...given(), code: 'x'.repeat(300) });
    const before = JSON.stringify(failing);
    await expect(tickets.save(failing)).rejects.toMatchObject({ driverError: { code: 'ER_DATA_TOO_LONG' } });
    expect(failing.id).toBeUndefined();
    expect(JSON.stringify(failing)).toBe(before);
  });
});
