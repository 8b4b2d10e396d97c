import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TestingModule } from '@nestjs/testing';
import {
  Column,
  DefaultNamingStrategy,
  Entity,
  JoinColumn,
  ManyToOne,
  type NamingStrategyInterface,
  PrimaryColumn,
  PrimaryGeneratedColumn,
  UpdateDateColumn,
} from 'typeorm';
import { Consistency, type ConsistentRepository, defineConsistentRepository } from '../../../src/index.js';
import { serviceOf, Stores } from '../../support/application.js';
import { LostAnswers } from '../../support/lost.answers.js';
import { createTestDatabase, type TestDatabase } from '../../support/servers.js';

const snake = (...parts: string[]) =>
  parts
    .filter(Boolean)
    .join('_')
    .replaceAll(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase();

class SnakeNaming extends DefaultNamingStrategy implements NamingStrategyInterface {
  override tableName(className: string, customName?: string): string {
    return customName ?? snake(className);
  }
  override columnName(propertyName: string, customName: string | undefined, prefixes: string[]): string {
    return snake(...prefixes, customName ?? propertyName);
  }
  override joinColumnName(relationName: string, referencedColumnName: string): string {
    return snake(relationName, referencedColumnName);
  }
}

@Entity()
class FilmStudio {
  @PrimaryGeneratedColumn() studioId!: number;
  @Column() displayName!: string;
  @UpdateDateColumn() changedAt!: Date;
  @ManyToOne(() => FilmStudio, { nullable: true }) @JoinColumn() parentStudio!: FilmStudio | null;
  @Column(() => Consistency) consistency!: Consistency;
}

@Entity({ name: 'odd "quoted" % ? tablé' })
class Odd {
  @PrimaryColumn({ name: 'the key?' }) key!: string;
  @Column({ name: `a 'quoted' "column" \\ $.x`, default: 'd' }) value!: string;
  @Column({ name: 'select', nullable: true, type: 'varchar' }) reserved!: string | null;
  @Column(() => Consistency, { prefix: 'nc' }) sync!: Consistency;
}

/** Whatever tables and columns are called, every step names the same ones. */
describe('names and places of tables', () => {
  let stores: Stores;
  let answers: LostAnswers;
  let elsewhere: TestDatabase;

  beforeAll(async () => {
    stores = await Stores.create('names');
    elsewhere = await createTestDatabase('names_elsewhere');
    answers = await LostAnswers.start();
  });
  afterAll(async () => {
    await stores.close();
    await answers.stop();
    await elsewhere.drop();
  });

  async function everyStep<T extends object>(
    application: TestingModule,
    repository: ConsistentRepository<T>,
    first: Partial<T>,
    change: Partial<T>,
    id: (saved: T) => Partial<T>,
  ): Promise<void> {
    const saved = await repository.save({ ...first });
    const key = id(saved);
    const where = key as never;
    await repository.save({ ...key, ...change });
    await answers.vanished(() => repository.save({ ...key, ...first }));
    expect(await repository.findOneByOrFail(where)).toMatchObject(change);
    const consistency = repository.metadata.columns.find(({ propertyName }) => propertyName === 'deadline')!;
    const table = repository.metadata.tablePath
      .split('.')
      .map((part) => `\`${part}\``)
      .join('.');
    const column = `\`${consistency.databaseName}\``;
    await stores.database.query(`UPDATE ${table} SET ${column} = '2000-01-01' WHERE ${column} IS NOT NULL`);
    expect(await serviceOf(application).sweep()).toMatchObject({ claimed: 1, settled: 1 });
    expect(await repository.findOneByOrFail(where)).toMatchObject(change);
    await repository.remove((await repository.findOneByOrFail(where)) as T);
    expect(await repository.findOneBy(where)).toBeNull();
  }

  it('follows a naming strategy, for the four protocol columns too', async () => {
    const target = defineConsistentRepository(FilmStudio, { index: stores.index('studios') });
    const application = await stores.start({
      entities: [FilmStudio],
      repositories: [target],
      elasticsearchNode: answers.url,
      dataSource: { namingStrategy: new SnakeNaming() },
    });
    const studios = application.get(target);
    const root = await studios.save({ displayName: 'Root' });
    const saved = await studios.save({ displayName: 'Child', parentStudio: root });
    expect((await stores.document(studios.index, String(saved.studioId)))!.source).toMatchObject({
      studioId: saved.studioId,
      displayName: 'Child',
      parent_studio_studio_id: root.studioId,
    });
    const row = (await stores.row('film_studio', saved.studioId, 'studio_id'))!;
    expect(Object.keys(row).filter((name) => name.startsWith('consistency')).length).toBe(4);
    await everyStep(application, studios, { displayName: 'one' }, { displayName: 'two' }, ({ studioId }) => ({
      studioId,
    }));
  });

  it('quotes odd table and column names', async () => {
    const target = defineConsistentRepository(Odd, { index: stores.index('odd') });
    const application = await stores.start({
      entities: [Odd],
      repositories: [target],
      elasticsearchNode: answers.url,
    });
    const odd = application.get(target);
    const saved = await odd.save({ key: 'k', reserved: 'r' });
    expect(saved).toMatchObject({ value: 'd', sync: { state: 'commit' } });
    expect((await stores.document(odd.index, 'k'))!.source).toEqual({ key: 'k', value: 'd', reserved: 'r' });
    await everyStep(
      application,
      odd,
      { key: 'x', value: 'one', reserved: null },
      { value: 'two', reserved: 'y' },
      ({ key }) => ({ key }),
    );
  });

  it('writes a table of another database', async () => {
    @Entity({ name: 'placed', database: elsewhere.name })
    class Placed {
      @PrimaryColumn() id!: string;
      @Column({ default: '' }) note!: string;
      @Column(() => Consistency) consistency!: Consistency;
    }
    const target = defineConsistentRepository(Placed, { index: stores.index('placed') });
    const application = await stores.start({
      entities: [Placed],
      repositories: [target],
      elasticsearchNode: answers.url,
    });
    const placed = application.get(target);
    await placed.save({ id: 'a', note: 'there' });
    expect(await elsewhere.query('SELECT note, consistency_state FROM placed')).toEqual([
      { note: 'there', consistency_state: 'commit' },
    ]);
    expect(await stores.document(placed.index, 'a')).toMatchObject({ source: { note: 'there' } });
    await everyStep(application, placed, { id: 'b', note: 'one' }, { note: 'two' }, ({ id }) => ({ id }));
  });
});
