import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { BaseEntity, Column, type DataSource, DeleteDateColumn, Entity, PrimaryColumn, type Repository } from 'typeorm';
import {
  type BypassGuard,
  Consistency,
  type ConsistentRepository,
  ConsistentService,
  defineConsistentRepository,
  ProtocolBypassedError,
} from '../../../src/index.js';
import { dataSourceOf, Stores } from '../../support/application.js';

@Entity('guarded')
class Guarded extends BaseEntity {
  @PrimaryColumn() id!: string;
  @Column({ default: 0 }) amount!: number;
  @DeleteDateColumn() deletedAt!: Date | null;
  @Column(() => Consistency) consistency!: Consistency;
}
@Entity('free')
class Free {
  @PrimaryColumn() id!: string;
}

interface Plain {
  dataSource: DataSource;
  repository: Repository<Guarded>;
  entity: Guarded;
}
const WAYS: [string, (plain: Plain) => Promise<unknown>][] = [
  ['repository.save', ({ repository, entity }) => repository.save(Object.assign(entity, { amount: 1 }))],
  ['repository.insert', ({ repository }) => repository.insert({ id: 'n' })],
  ['repository.upsert', ({ repository }) => repository.upsert({ id: 'n' }, ['id'])],
  ['repository.update', ({ repository }) => repository.update({ id: 'a' }, { amount: 1 })],
  ['repository.increment', ({ repository }) => repository.increment({ id: 'a' }, 'amount', 1)],
  ['repository.delete', ({ repository }) => repository.delete({ id: 'a' })],
  ['repository.remove', ({ repository, entity }) => repository.remove(entity)],
  ['repository.softDelete', ({ repository }) => repository.softDelete({ id: 'a' })],
  ['repository.softRemove', ({ repository, entity }) => repository.softRemove(entity)],
  ['repository.restore', ({ repository }) => repository.restore({ id: 'a' })],
  ['repository.recover', ({ repository, entity }) => repository.recover(entity)],
  ['manager.save', ({ dataSource, entity }) => dataSource.manager.save(Object.assign(entity, { amount: 5 }))],
  ['query builder', ({ dataSource }) => dataSource.createQueryBuilder().update(Guarded).set({ amount: 1 }).execute()],
  ['transaction', ({ dataSource }) => dataSource.transaction((manager) => manager.insert(Guarded, { id: 'n' }))],
  ['active record', ({ entity }) => Object.assign(entity, { amount: 9 }).save()],
];

describe('plain TypeORM writes of a consistent entity', () => {
  const stores: Stores[] = [];

  async function application(guard: BypassGuard) {
    const own = await Stores.create(`guard_${guard}`);
    stores.push(own);
    const target = defineConsistentRepository(Guarded, { index: own.index('guarded') });
    const app = await own.start({
      entities: [Guarded, Free],
      repositories: [target],
      module: { bypassGuard: guard },
    });
    const dataSource = dataSourceOf(app);
    Guarded.useDataSource(dataSource);
    return { app, own, dataSource, guarded: app.get(target) as ConsistentRepository<Guarded> };
  }
  afterAll(async () => {
    for (const own of stores) await own.close();
  });
  afterEach(() => {
    jest.restoreAllMocks();
  });

  describe('refuse (the default)', () => {
    let set: Awaited<ReturnType<typeof application>>;
    beforeAll(async () => {
      set = await application('refuse');
      await set.guarded.save({ id: 'a' });
    });

    it.each(WAYS)('%s', async (_, write) => {
      const { dataSource, own } = set;
      const repository = dataSource.getRepository(Guarded);
      const before = await own.row('guarded', 'a');
      const entity = await repository.findOneByOrFail({ id: 'a' });
      const refused = write({ dataSource, repository, entity });
      await expect(refused).rejects.toThrow(ProtocolBypassedError);
      await expect(refused).rejects.toThrow(/Guarded: .* Write through the ConsistentRepository of Guarded/);
      expect(await own.row('guarded', 'a')).toEqual(before);
      expect(await own.row('guarded', 'n')).toBeUndefined();
    });

    it('refuses the manager of a unit of work, and an entity that the repository returned', async () => {
      const { app, dataSource, guarded } = set;
      const consistent = app.get(ConsistentService);
      const unit = consistent.transaction((open) => open.manager.insert(Guarded, { id: 'n' }));
      await expect(unit).rejects.toThrow(ProtocolBypassedError);
      const saved = await guarded.save(Object.assign(new Guarded(), { id: 'b' }));
      await expect(dataSource.manager.save(Object.assign(saved, { amount: 7 }))).rejects.toThrow(ProtocolBypassedError);
    });

    it('lets reads and other entities pass', async () => {
      const { dataSource } = set;
      expect(await dataSource.getRepository(Guarded).countBy({ id: 'a' })).toBe(1);
      await dataSource.getRepository(Free).insert({ id: 'free' });
    });
  });

  it('warn: lets the write pass and says so once for each operation', async () => {
    const warnings = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    const { dataSource, own } = await application('warn');
    const plain = dataSource.getRepository(Guarded);
    await plain.insert({ id: 'a' });
    await plain.insert({ id: 'b' });
    await plain.update({ id: 'a' }, { amount: 3 });
    expect(await own.row('guarded', 'a')).toMatchObject({ amount: 3, consistency_state: 'commit' });
    const said = warnings.mock.calls.map(([text]) => String(text)).filter((text) => text.includes('plain TypeORM'));
    expect(said.map((text) => /Guarded: (\w+)/.exec(text)![1])).toEqual(['insert', 'update']);
  });

  it('off: says nothing', async () => {
    const warnings = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    const { dataSource, own } = await application('off');
    await dataSource.getRepository(Guarded).insert({ id: 'a' });
    expect(await own.row('guarded', 'a')).toBeDefined();
    expect(warnings.mock.calls.filter(([text]) => String(text).includes('TypeORM'))).toEqual([]);
  });
});
