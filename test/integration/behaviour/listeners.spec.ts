import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  AfterInsert,
  AfterLoad,
  AfterRecover,
  AfterRemove,
  AfterSoftRemove,
  AfterUpdate,
  BeforeInsert,
  BeforeRecover,
  BeforeRemove,
  BeforeSoftRemove,
  BeforeUpdate,
  Column,
  DataSource,
  DeleteDateColumn,
  Entity,
  type EntitySubscriberInterface,
  type InsertEvent,
  PrimaryGeneratedColumn,
  type RemoveEvent,
  type UpdateEvent,
} from 'typeorm';
import { Consistency, type ConsistentRepository, defineConsistentRepository } from '../../../src/index.js';
import { Stores } from '../../support/application.js';

let calls: string[] = [];

@Entity('listened')
class Listened {
  @PrimaryGeneratedColumn() id!: number;
  @Column() title!: string;
  @Column({ default: '' }) slug!: string;
  @DeleteDateColumn() deletedAt!: Date | null;
  @Column(() => Consistency) consistency!: Consistency;
  shout?: string;

  @BeforeInsert() onBeforeInsert(): void {
    calls.push('listener BeforeInsert');
    this.slug = this.title.toLowerCase().replaceAll(' ', '-');
  }
  @AfterInsert() onAfterInsert(): void {
    calls.push(`listener AfterInsert ${typeof this.id}`);
  }
  @BeforeUpdate() onBeforeUpdate(): void {
    calls.push('listener BeforeUpdate');
    this.slug = `${this.title.toLowerCase()}-again`;
  }
  @AfterUpdate() onAfterUpdate(): void {
    calls.push('listener AfterUpdate');
  }
  @BeforeRemove() onBeforeRemove(): void {
    calls.push(`listener BeforeRemove ${this.title}`);
  }
  @AfterRemove() onAfterRemove(): void {
    calls.push('listener AfterRemove');
  }
  @BeforeSoftRemove() onBeforeSoftRemove(): void {
    calls.push('listener BeforeSoftRemove');
  }
  @AfterSoftRemove() onAfterSoftRemove(): void {
    calls.push('listener AfterSoftRemove');
  }
  @BeforeRecover() onBeforeRecover(): void {
    calls.push('listener BeforeRecover');
  }
  @AfterRecover() onAfterRecover(): void {
    calls.push('listener AfterRecover');
  }
  @AfterLoad() onAfterLoad(): void {
    this.shout = this.title?.toUpperCase();
  }
}

class Recorder implements EntitySubscriberInterface<Listened> {
  listenTo() {
    return Listened;
  }
  async beforeInsert({ entity, manager }: InsertEvent<Listened>): Promise<void> {
    // The event's manager works inside the transaction of the prepare.
    await manager.query('INSERT INTO audit (what) VALUES (?)', [`insert ${entity!.title}`]);
    if (entity!.title === 'forbidden') throw new Error('the subscriber refuses');
    calls.push('subscriber beforeInsert');
  }
  afterInsert({ entity }: InsertEvent<Listened>): void {
    calls.push(`subscriber afterInsert ${typeof entity!.id}`);
  }
  beforeUpdate({ entity, databaseEntity, updatedColumns }: UpdateEvent<Listened>): void {
    const columns = updatedColumns.map((column) => column.propertyName).join('+');
    calls.push(`subscriber beforeUpdate ${databaseEntity.title}>${entity!.title} ${columns}`);
  }
  afterUpdate({ entity }: UpdateEvent<Listened>): void {
    calls.push(`subscriber afterUpdate ${entity!.title}`);
  }
  beforeRemove({ entity, databaseEntity, entityId }: RemoveEvent<Listened>): void {
    calls.push(`subscriber beforeRemove ${entity!.title} ${databaseEntity.title} ${typeof entityId}`);
  }
  afterRemove({ entity }: RemoveEvent<Listened>): void {
    calls.push(`subscriber afterRemove ${entity!.title}`);
  }
}

describe("TypeORM's listeners and subscribers", () => {
  let stores: Stores;
  let repository: ConsistentRepository<Listened>;

  beforeAll(async () => {
    stores = await Stores.create('listeners');
    await stores.database.query('CREATE TABLE audit (what VARCHAR(50))');
    const target = defineConsistentRepository(Listened, {
      index: stores.index('listened'),
      toDocument: (entity, document) => ({ ...document, shout: entity.shout }),
    });
    const application = await stores.start({ entities: [Listened], repositories: [target] });
    application.get(DataSource).subscribers.push(new Recorder());
    repository = application.get(target);
  });
  afterAll(() => stores.close());
  beforeEach(() => {
    calls = [];
  });

  const document = async (id: number) => (await stores.document(repository.index, String(id)))?.source;

  it('are called once each for an insert, and what they change is in both stores', async () => {
    const saved = await repository.save({ title: 'A Film' });
    expect(calls.toSorted()).toEqual([
      'listener AfterInsert number',
      'listener BeforeInsert',
      'subscriber afterInsert number',
      'subscriber beforeInsert',
    ]);
    expect(saved.slug).toBe('a-film');
    expect(await stores.row('listened', saved.id)).toMatchObject({ slug: 'a-film' });
    expect(await document(saved.id)).toMatchObject({ slug: 'a-film', shout: 'A FILM' });
  });

  it('are called once each for an update, with the entity before and after', async () => {
    const saved = await repository.save({ title: 'Before' });
    calls = [];
    await repository.save({ id: saved.id, title: 'After' });
    expect(calls.toSorted()).toEqual([
      'listener AfterUpdate',
      'listener BeforeUpdate',
      'subscriber afterUpdate After',
      'subscriber beforeUpdate Before>After title',
    ]);
    expect(await document(saved.id)).toMatchObject({ title: 'After', slug: 'after-again', shout: 'AFTER' });
  });

  it('are called once each for a removal, with the whole entity', async () => {
    const saved = await repository.save({ title: 'Gone' });
    calls = [];
    await repository.remove(saved);
    expect(calls.toSorted()).toEqual([
      'listener AfterRemove',
      'listener BeforeRemove Gone',
      'subscriber afterRemove Gone',
      'subscriber beforeRemove Gone Gone number',
    ]);
  });

  it('are called once each for soft removal and recovery', async () => {
    const saved = await repository.save({ title: 'Soft' });
    calls = [];
    await repository.softRemove(saved);
    await repository.recover(saved);
    expect(calls).toEqual([
      'listener BeforeSoftRemove',
      'listener AfterSoftRemove',
      'listener BeforeRecover',
      'listener AfterRecover',
    ]);
  });

  it('take the whole write back when one throws, what they wrote in the transaction included', async () => {
    await expect(repository.save({ title: 'forbidden' })).rejects.toThrow('the subscriber refuses');
    expect(await stores.database.query("SELECT 1 FROM audit WHERE what = 'insert forbidden'")).toEqual([]);
    expect(await stores.row('listened', 'forbidden', 'title')).toBeUndefined();
    await repository.save({ title: 'allowed' });
    expect(await stores.database.query("SELECT 1 AS n FROM audit WHERE what = 'insert allowed'")).toHaveLength(1);
  });

  it('compute @AfterLoad properties on reads', async () => {
    const { id } = await repository.save({ title: 'loud' });
    expect(await repository.findOneByOrFail({ id })).toMatchObject({ shout: 'LOUD' });
  });
});
