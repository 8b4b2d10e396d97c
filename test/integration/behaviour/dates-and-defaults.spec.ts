import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Column, CreateDateColumn, Entity, PrimaryGeneratedColumn, UpdateDateColumn, VersionColumn } from 'typeorm';
import { Consistency, type ConsistentRepository, defineConsistentRepository } from '../../../src/index.js';
import { serviceOf, Stores } from '../../support/application.js';
import { expireDeadlines, LostAnswers } from '../../support/lost.answers.js';

@Entity('dated')
class Dated {
  @PrimaryGeneratedColumn() id!: number;
  @Column({ default: 'untitled' }) title!: string;
  @Column({ type: 'datetime', precision: 6, default: () => 'CURRENT_TIMESTAMP(6)', onUpdate: 'CURRENT_TIMESTAMP(6)' })
  touchedAt!: Date;
  @Column({ type: 'timestamp', precision: 3, default: () => 'CURRENT_TIMESTAMP(3)', onUpdate: 'CURRENT_TIMESTAMP(3)' })
  stampedAt!: Date;
  @Column({ type: 'varchar', default: () => '(uuid())' }) token!: string;
  @CreateDateColumn() createdAt!: Date;
  @UpdateDateColumn() updatedAt!: Date;
  @VersionColumn() revision!: number;
  @Column(() => Consistency) consistency!: Consistency;
}

const DATES = ['touchedAt', 'stampedAt', 'createdAt', 'updatedAt'] as const;

/** Columns that MySQL fills by itself: the document must hold what it filled in, and no later step may change it. */
describe('dates and defaults that MySQL sets', () => {
  let stores: Stores;
  let answers: LostAnswers;
  let repository: ConsistentRepository<Dated>;
  let sweep: () => Promise<unknown>;

  beforeAll(async () => {
    stores = await Stores.create('dates');
    answers = await LostAnswers.start();
    const target = defineConsistentRepository(Dated, { index: stores.index('dated') });
    const application = await stores.start({
      entities: [Dated],
      repositories: [target],
      elasticsearchNode: answers.url,
    });
    repository = application.get(target);
    sweep = () => serviceOf(application).sweep();
  });
  afterAll(async () => {
    await stores.close();
    await answers.stop();
  });

  const iso = (text: unknown) => `${String(text).replace(' ', 'T')}Z`;
  const expectSameDates = async (id: number) => {
    const row = (await stores.row('dated', id))!;
    const document = (await stores.document(repository.index, String(id)))!;
    for (const name of DATES) expect([name, document.source[name]]).toEqual([name, iso(row[name])]);
    expect(row.consistency_state).toBe('commit');
    expect(document.version).toBe(Number(row.consistency_version));
    return row;
  };

  it('has defaults, expressions included, in the document and on the object', async () => {
    const saved = await repository.save({});
    const row = await expectSameDates(saved.id);
    expect(saved).toMatchObject({ title: 'untitled', revision: 1, token: row.token });
    expect(saved.createdAt).toBeInstanceOf(Date);
    const document = await stores.document(repository.index, String(saved.id));
    expect(document!.source).toMatchObject({ title: 'untitled', token: row.token, revision: 1 });
  });

  it('does not touch ON UPDATE columns in the flip of an insert or of an update', async () => {
    const saved = await repository.save({});
    const inserted = await expectSameDates(saved.id);
    await repository.save({ id: saved.id, title: 'second' });
    const updated = await expectSameDates(saved.id);
    expect(updated.touchedAt).not.toBe(inserted.touchedAt);
    expect(updated).toMatchObject({ createdAt: inserted.createdAt, token: inserted.token, revision: 2 });
  });

  it('leaves every date alone when a save changes nothing', async () => {
    const saved = await repository.save({ title: 'same' });
    const before = await expectSameDates(saved.id);
    await repository.save({ id: saved.id, title: 'same' });
    const after = await expectSameDates(saved.id);
    for (const name of DATES) expect(after[name]).toBe(before[name]);
    expect(after.revision).toBe(1);
  });

  it('puts the dates back exactly when the write is undone', async () => {
    const saved = await repository.save({ title: 'kept' });
    const before = await expectSameDates(saved.id);
    await answers.vanished(() => repository.save({ id: saved.id, title: 'lost' }));
    await expireDeadlines(stores, 'dated');
    await sweep();
    const after = await expectSameDates(saved.id);
    for (const name of [...DATES, 'title', 'token', 'revision']) expect(after[name]).toBe(before[name]);
  });

  it('leaves the dates of the write alone when somebody else commits it', async () => {
    const saved = await repository.save({ title: 'first' });
    await answers.landed(() => repository.save({ id: saved.id, title: 'landed' }));
    const pending = (await stores.row('dated', saved.id))!;
    expect(await repository.findOneByOrFail({ id: saved.id })).toMatchObject({ title: 'landed' });
    const after = await expectSameDates(saved.id);
    for (const name of DATES) expect(after[name]).toBe(pending[name]);
  });

  it('leaves the dates alone when a delete is prepared and undone', async () => {
    const saved = await repository.save({ title: 'stays' });
    const before = await expectSameDates(saved.id);
    await answers.vanished(() => repository.remove(saved));
    await expireDeadlines(stores, 'dated');
    await sweep();
    const after = await expectSameDates(saved.id);
    for (const name of DATES) expect(after[name]).toBe(before[name]);
  });
});
