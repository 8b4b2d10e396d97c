import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Column, Entity, PrimaryColumn } from 'typeorm';
import { Consistency, type ConsistentRepository, defineConsistentRepository } from '../../../src/index.js';
import { serviceOf, Stores } from '../../support/application.js';
import { expireDeadlines, LostAnswers } from '../../support/lost.answers.js';

@Entity('line')
class Line {
  @PrimaryColumn() id!: string;
  @Column() quantity!: number;
  @Column({ type: 'decimal', precision: 20, scale: 2 }) price!: string;
  @Column({
    type: 'decimal',
    precision: 30,
    scale: 2,
    asExpression: 'quantity * price',
    generatedType: 'VIRTUAL',
    nullable: true,
  })
  total!: string;
  @Column({
    type: 'varchar',
    asExpression: "concat(id, '/', quantity)",
    generatedType: 'STORED',
    nullable: true,
  })
  label!: string;
  @Column(() => Consistency) consistency!: Consistency;
}

describe('generated columns', () => {
  let stores: Stores;
  let answers: LostAnswers;
  let lines: ConsistentRepository<Line>;
  let sweep: () => Promise<unknown>;

  beforeAll(async () => {
    stores = await Stores.create('generated');
    answers = await LostAnswers.start();
    const target = defineConsistentRepository(Line, {
      index: stores.index('lines'),
      // Reads the entity rather than the default document: both must be of the same image.
      toDocument: (line, document) => ({ ...document, viaEntity: `${line.total} ${line.label}` }),
    });
    const application = await stores.start({
      entities: [Line],
      repositories: [target],
      elasticsearchNode: answers.url,
    });
    lines = application.get(target);
    sweep = () => serviceOf(application).sweep();
  });
  afterAll(async () => {
    await stores.close();
    await answers.stop();
  });

  const document = async (id: string) => (await stores.document(lines.index, id))!.source;

  it('are in the document and on the object after insert and update', async () => {
    const saved = await lines.save({ id: 'a', quantity: 3, price: '2.50' });
    expect(saved).toMatchObject({ total: '7.50', label: 'a/3' });
    expect(await document('a')).toMatchObject({ total: '7.50', label: 'a/3', viaEntity: '7.50 a/3' });
    await lines.save({ id: 'a', quantity: 4 });
    expect(await document('a')).toMatchObject({ total: '10.00', label: 'a/4', viaEntity: '10.00 a/4' });
  });

  it('have their former values in what a reader is served while a write is undecided', async () => {
    await lines.save({ id: 'b', quantity: 1, price: '5.00' });
    await answers.vanished(() => lines.save({ id: 'b', quantity: 9 }));
    expect(await lines.findOneByOrFail({ id: 'b' })).toMatchObject({ quantity: 1, total: '5.00', label: 'b/1' });
  });

  it('have their former values in the document that a settler puts back', async () => {
    await lines.save({ id: 'c', quantity: 2, price: '1.00' });
    await answers.vanished(() => lines.save({ id: 'c', quantity: 8 }));
    await expireDeadlines(stores, 'line');
    await sweep();
    const row = (await stores.row('line', 'c'))!;
    expect(row).toMatchObject({ quantity: 2, total: '2.00', label: 'c/2', consistency_state: 'commit' });
    expect(await document('c')).toMatchObject({ quantity: 2, total: '2.00', label: 'c/2', viaEntity: '2.00 c/2' });
  });
});
