import type { FindManyOptions, FindOneOptions, ObjectLiteral } from 'typeorm';
import type { EntityContext } from '../entity/entity.context.js';
import { repairable } from '../settle/find.options.js';
import type { PrepareOptions } from './write.options.js';
import type { UnitOfWork } from './unit-of-work.js';

/** The writes and reads of one entity inside a unit of work. */
export class UnitRepository<Entity extends ObjectLiteral> {
  /** @internal */
  constructor(
    private readonly unit: UnitOfWork,
    private readonly context: EntityContext,
  ) {}

  /** Inserts or updates. The caller's object gets its id, defaults and dates at once. */
  save(entity: Entity, options: PrepareOptions = {}): Promise<Entity> {
    return this.unit.write(this.context, 'save', entity, options);
  }

  insert(entity: Entity): Promise<Entity> {
    return this.unit.write(this.context, 'insert', entity, {});
  }

  remove(entity: Entity, options: PrepareOptions = {}): Promise<Entity> {
    return this.unit.write(this.context, 'remove', entity, options);
  }

  softRemove(entity: Entity, options: PrepareOptions = {}): Promise<Entity> {
    return this.unit.write(this.context, 'softRemove', entity, options);
  }

  recover(entity: Entity, options: PrepareOptions = {}): Promise<Entity> {
    return this.unit.write(this.context, 'recover', entity, options);
  }

  find(options: FindManyOptions<Entity> = {}): Promise<Entity[]> {
    const { binding } = this.context;
    return this.unit.read(this.context, (manager) =>
      manager.find(binding.target as never, repairable(binding.metadata, options) as never),
    );
  }

  async findOne(options: FindOneOptions<Entity>): Promise<Entity | null> {
    const { binding } = this.context;
    for (let take = 1; ; take *= 10) {
      let found = 0;
      const [first] = await this.unit.read(this.context, async (manager) => {
        const several = repairable(binding.metadata, { ...options, take } as FindManyOptions<Entity>);
        const rows: Entity[] = await manager.find(binding.target as never, several as never);
        found = rows.length;
        return rows;
      });
      // The row that MySQL found first may not be to be seen (somebody's undecided insert); one behind it may be.
      if (first || found < take) return first ?? null;
    }
  }
}
