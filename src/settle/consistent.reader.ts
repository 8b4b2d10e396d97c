import {
  type EntityManager,
  EntityNotFoundError,
  type FindManyOptions,
  type FindOneOptions,
  type ObjectLiteral,
  type SelectQueryBuilder,
} from 'typeorm';
import type { EntityContext } from '../entity/entity.context.js';
import { UnsupportedOperationError } from '../errors.js';
import { BarrierReader, type MakeQuery, type ReadResult, type RunQuery } from './barrier.reader.js';
import { refuseCache, repairable } from './find.options.js';
import type { ReadRepairer } from './read.repairer.js';

export interface ReadOptions {
  /**
   * A predicate is evaluated by MySQL on the new image. With the barrier no undecided write can make a row match, or
   * miss: the read waits, at most `busyTimeoutMs`, for the rows that are in `prepare` in its snapshot, and is repeated
   * where one of their writes came to nothing. Default false for rows, true for counts.
   */
  barrier?: boolean;
}

/** Reads of one entity: TypeORM's, on the primary, with what it returns repaired. */
export class ConsistentReader<Entity extends ObjectLiteral> {
  private readonly atBarrier: BarrierReader<Entity>;

  constructor(
    private readonly context: EntityContext,
    private readonly repairer: ReadRepairer,
  ) {
    this.atBarrier = new BarrierReader<Entity>(context);
  }

  async find(options: FindManyOptions<Entity> & ReadOptions = {}): Promise<Entity[]> {
    const { barrier, ...find } = options;
    return this.toBeSeen(await this.read(barrier, this.select(find), (query) => query.getMany()), find);
  }

  async findOne(options: FindOneOptions<Entity> & ReadOptions): Promise<Entity | null> {
    if (!options?.where) {
      throw new UnsupportedOperationError(
        `${this.context.binding.name}: findOne() needs a \`where\`; to take any row use find({ take: 1 }).`,
      );
    }
    const { barrier, ...find } = options;
    const one = this.select({ ...find, take: 1 } as FindManyOptions<Entity>);
    const { value: row, own } = await this.read(barrier, one, (query) => query.getOne());
    if (!row) return null;
    const [repaired] = await this.toBeSeen({ value: [row], own }, find);
    return repaired ?? this.firstToBeSeen(find, barrier);
  }

  /** The row that MySQL found first is not to be seen (an undecided insert); one behind it may be. */
  private async firstToBeSeen(find: FindOneOptions<Entity>, barrier?: boolean): Promise<Entity | null> {
    for (let take = 10; ; take *= 10) {
      const several = this.select({ ...find, take } as FindManyOptions<Entity>);
      const rows = await this.read(barrier, several, (query) => query.getMany());
      const [first] = await this.toBeSeen(rows, find);
      if (first || rows.value.length < take) return first ?? null;
    }
  }

  /** Repaired, and without rows whose image that counts is soft-deleted: MySQL judged by the undecided one. */
  private async toBeSeen(
    { value: rows, own }: ReadResult<Entity[]>,
    { withDeleted }: FindOneOptions<Entity>,
  ): Promise<Entity[]> {
    const repaired = await this.repairer.repairEntities(this.context, rows, own);
    const { deleteDateColumn } = this.context.binding.metadata;
    if (withDeleted || !deleteDateColumn) return repaired;
    return repaired.filter((entity) => (deleteDateColumn.getEntityValue(entity) ?? null) === null);
  }

  async findOneOrFail(options: FindOneOptions<Entity> & ReadOptions): Promise<Entity> {
    const entity = await this.findOne(options);
    if (!entity) throw new EntityNotFoundError(this.target, options.where);
    return entity;
  }

  async findAndCount(options: FindManyOptions<Entity> & ReadOptions = {}): Promise<[Entity[], number]> {
    const { barrier = true, ...find } = options;
    const { value, own } = await this.read(barrier, this.select(find), (query) => query.getManyAndCount());
    const [rows, count] = value;
    return [await this.toBeSeen({ value: rows, own }, find), count];
  }

  async count(options: FindManyOptions<Entity> & ReadOptions = {}): Promise<number> {
    const { barrier = true, ...find } = options;
    return (await this.read(barrier, this.select(find), (query) => query.getCount())).value;
  }

  async findWith(
    build: (queryBuilder: SelectQueryBuilder<Entity>) => SelectQueryBuilder<Entity>,
    options: ReadOptions & { alias?: string },
  ): Promise<Entity[]> {
    const make = (manager: EntityManager) => {
      const own = manager.createQueryBuilder(this.target, options.alias ?? 'row') as SelectQueryBuilder<Entity>;
      const built = build(own);
      refuseCache(this.context.binding.metadata, built.expressionMap.cache);
      return built;
    };
    const { value, own } = await this.read(options.barrier, make, (query) => query.getMany());
    return this.repairer.repairEntities(this.context, value, own);
  }

  private async read<T>(
    barrier: boolean | undefined,
    make: MakeQuery<Entity>,
    run: RunQuery<Entity, T>,
  ): Promise<ReadResult<T>> {
    if (barrier) return this.atBarrier.read(make, run);
    return { value: await this.onPrimary((manager) => run(make(manager))) };
  }

  /** As the methods of TypeORM's EntityManager begin. */
  private select(find: FindManyOptions<Entity>): MakeQuery<Entity> {
    const { metadata } = this.context.binding;
    const options = repairable(metadata, find);
    return (manager) =>
      (manager.createQueryBuilder(this.target, metadata.name) as SelectQueryBuilder<Entity>).setFindOptions(options);
  }

  private get target(): never {
    return this.context.binding.target as never;
  }

  /** A replica may hold an old `commit` row: reads go to the primary. */
  private async onPrimary<T>(read: (manager: EntityManager) => Promise<T>): Promise<T> {
    const { dataSource } = this.context.binding;
    if (!('replication' in dataSource.options) || !dataSource.options.replication) return read(dataSource.manager);
    const runner = dataSource.createQueryRunner('master');
    try {
      return await read(runner.manager);
    } finally {
      await runner.release();
    }
  }
}
