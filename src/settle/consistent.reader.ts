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
import { onPrimary } from '../mysql/primary.connection.js';
import { BarrierReader, type MakeQuery, type ReadResult, type RunQuery } from './barrier.reader.js';
import { refuseCache, repairable } from './find.options.js';
import { isPlainlyCommitted, type ReadRepairer } from './read.repairer.js';
import { ReplicaReader } from './replica.reader.js';

export interface ReadOptions {
  /**
   * A predicate is evaluated by MySQL on the new image. With the barrier no undecided write can make a row match, or
   * miss: the read waits, at most `busyTimeoutMs`, for the rows that are in `prepare` in its snapshot, and is repeated
   * where one of their writes came to nothing. Default false for rows, true for counts.
   */
  barrier?: boolean;
  /**
   * Reads from a replica of TypeORM's `replication`, once that has everything the primary had when the read began (it
   * waits for the GTIDs, at most `readRepair.timeoutMs`); so the answer is never stale. Where no replica catches up, or
   * there is none, or GTIDs are off, the primary is read. A barrier is always on the primary, that of counts too: give
   * `barrier: false` to count on a replica. Default false.
   */
  replica?: boolean;
}

/** TypeORM's part; the very object where nothing has to be taken out, which is nearly always. */
function findOptionsOf<Options extends ReadOptions>(options: Options): Omit<Options, keyof ReadOptions> {
  if (options.barrier === undefined && options.replica === undefined) return options;
  const { barrier: _barrier, replica: _replica, ...find } = options;
  return find;
}

/** Reads of one entity: TypeORM's, on the primary unless told otherwise, with what it returns repaired. */
export class ConsistentReader<Entity extends ObjectLiteral> {
  private readonly atBarrier: BarrierReader<Entity>;
  private readonly onReplica: ReplicaReader;

  constructor(
    private readonly context: EntityContext,
    private readonly repairer: ReadRepairer,
  ) {
    this.atBarrier = new BarrierReader<Entity>(context);
    this.onReplica = new ReplicaReader(context);
  }

  async find(options: FindManyOptions<Entity> & ReadOptions = {}): Promise<Entity[]> {
    const find = findOptionsOf(options);
    return this.toBeSeen(await this.read(options, this.select(find), (query) => query.getMany()), find);
  }

  async findOne(options: FindOneOptions<Entity> & ReadOptions): Promise<Entity | null> {
    if (!options?.where) {
      throw new UnsupportedOperationError(
        `${this.context.binding.name}: findOne() needs a \`where\`; to take any row use find({ take: 1 }).`,
      );
    }
    const find: FindOneOptions<Entity> = findOptionsOf(options);
    // Measured: TypeORM is slower by a twentieth with an object that was spread than with one that was written out.
    const one = Object.keys(find).length === 1 ? { where: find.where, take: 1 } : { ...find, take: 1 };
    const { value: row, own } = await this.read(options, this.select(one as FindManyOptions<Entity>), (query) =>
      query.getOne(),
    );
    if (!row || (!own && isPlainlyCommitted(this.context, row))) return row;
    const [repaired] = await this.toBeSeen({ value: [row], own }, find);
    return repaired ?? this.firstToBeSeen(find, options);
  }

  /** The row that MySQL found first is not to be seen (an undecided insert); one behind it may be. */
  private async firstToBeSeen(find: FindOneOptions<Entity>, where: ReadOptions): Promise<Entity | null> {
    for (let take = 10; ; take *= 10) {
      const several = this.select({ ...find, take } as FindManyOptions<Entity>);
      const rows = await this.read(where, several, (query) => query.getMany());
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
    const { barrier = true, replica, ...find } = options;
    const { value, own } = await this.read({ barrier, replica }, this.select(find), (query) => query.getManyAndCount());
    const [rows, count] = value;
    return [await this.toBeSeen({ value: rows, own }, find), count];
  }

  async count(options: FindManyOptions<Entity> & ReadOptions = {}): Promise<number> {
    const { barrier = true, replica, ...find } = options;
    return (await this.read({ barrier, replica }, this.select(find), (query) => query.getCount())).value;
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
    const { value, own } = await this.read(options, make, (query) => query.getMany());
    return this.repairer.repairEntities(this.context, value, own);
  }

  private async read<T>(
    { barrier, replica }: ReadOptions,
    make: MakeQuery<Entity>,
    run: RunQuery<Entity, T>,
  ): Promise<ReadResult<T>> {
    // A barrier judges by what is undecided on the primary: a replica at any other moment has other rows in prepare.
    if (barrier) return this.atBarrier.read(make, run);
    const found = replica ? await this.onReplica.read((manager) => run(make(manager))) : null;
    return found ?? { value: await onPrimary(this.context.binding.dataSource, (manager) => run(make(manager))) };
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
}
