import type {
  EntityMetadata,
  FindManyOptions,
  FindOneOptions,
  FindOptionsWhere,
  ObjectLiteral,
  SelectQueryBuilder,
} from 'typeorm';
import type { ConsistentRuntime } from './consistent.registry.js';
import type { EntityContext } from './entity/entity.context.js';
import { InvalidOptionsError, UnsupportedOperationError } from './errors.js';
import { RefusedOperations } from './refused.operations.js';
import { ConsistentReader, type ReadOptions } from './settle/consistent.reader.js';
import { type BatchOptions, BatchWriter } from './write/batch.writer.js';
import type { ImportOptions, ImportResult } from './write/import.options.js';
import { ImportRunner } from './write/import.runner.js';
import type { ImportSource } from './write/import.source.js';
import type { PrepareOptions } from './write/write.options.js';
import type { WriteKind, WriteOutcome } from './write/writer.js';

/** Options of a single write. */
export interface WriteOptions extends PrepareOptions {}

/**
 * Repository of a consistent entity. Extend it, decorate the class with `@Consistent(Entity, { index })`, register it
 * with `ConsistentModule.forFeature([ThatClass])`. It has TypeORM's method names, but it is not TypeORM's Repository:
 * what cannot be carried through the protocol is refused by name.
 */
export abstract class ConsistentRepository<Entity extends ObjectLiteral> extends RefusedOperations {
  private context?: EntityContext;
  private runtime?: ConsistentRuntime;
  private reader!: ConsistentReader<Entity>;

  /** @internal Called once by the module before anybody gets the repository. */
  attach(context: EntityContext, runtime: ConsistentRuntime): this {
    this.context = context;
    this.runtime = runtime;
    this.reader = new ConsistentReader<Entity>(context, runtime.repairer);
    return this;
  }

  /** TypeORM's metadata of the entity. */
  get metadata(): EntityMetadata {
    return this.attached().binding.metadata;
  }

  /** The alias that searches of this entity's documents use. */
  get index(): string {
    return this.attached().binding.alias;
  }

  // --- writing --------------------------------------------------------------------------------------------------------

  /** A new entity instance with these properties. Writes nothing. */
  create(properties: Partial<Entity> = {}): Entity {
    const { binding } = this.attached();
    return binding.dataSource.manager.create(binding.target as never, properties as never) as Entity;
  }

  /**
   * Inserts, or updates when a row with this primary key exists. Properties that are undefined are left as they are.
   * Resolves with the same object, completed from the database, once both stores hold the write (under
   * `decider: 'mysql'` once MySQL holds it).
   * @throws OutcomeUnknownError, IndexRejectedError, IndexUnavailableError, WriteAbortedError, RowBusyError,
   *   RowParkedError, StaleVersionError, InvalidDocumentError, InvalidOptionsError, and MySQL's own errors.
   */
  save<Given extends Partial<Entity>>(entity: Given, options: WriteOptions = {}): Promise<Given & Entity> {
    return this.write('save', entity, options);
  }

  /** Inserts. A row with this primary key is MySQL's duplicate-key error. Throws as `save`. */
  insert<Given extends Partial<Entity>>(entity: Given): Promise<Given & Entity> {
    return this.write('insert', entity, {});
  }

  /** Updates a row that exists. Throws `RowNotFoundError` where there is none; else as `save`. */
  update<Given extends Partial<Entity>>(entity: Given, options?: WriteOptions): Promise<Given & Entity>;
  update<Given extends Partial<Entity>>(entity: Given, options: WriteOptions = {}): Promise<Given & Entity> {
    const { binding } = this.attached();
    if (arguments.length > 1 && !isWriteOptions(options)) {
      throw new UnsupportedOperationError(
        `${binding.name}: update(criteria, changes) would write rows around the protocol. Use find() and saveMany(), or ` +
          'update(entity) with the primary key set.',
        { entity: binding.name, operation: 'update' },
      );
    }
    return this.write('update', entity, options);
  }

  /** Deletes the row and its document. Throws `RowNotFoundError` where there is no row; else as `save`. */
  remove(entity: Entity, options: WriteOptions = {}): Promise<Entity> {
    return this.write('remove', entity, options);
  }

  /** Sets the `@DeleteDateColumn` and takes the document away. Throws as `update`. */
  softRemove(entity: Entity, options: WriteOptions = {}): Promise<Entity> {
    this.requireDeleteDate('softRemove');
    return this.write('softRemove', entity, options);
  }

  /** Undoes `softRemove`; the document comes back. Throws as `update`. */
  recover(entity: Entity, options: WriteOptions = {}): Promise<Entity> {
    this.requireDeleteDate('recover');
    return this.write('recover', entity, options);
  }

  /** Saves many rows, `chunkSize` at a time. Never throws for a row: each has its outcome, in the same order. */
  saveMany<Given extends Partial<Entity>>(
    entities: readonly Given[],
    options?: BatchOptions,
  ): Promise<WriteOutcome<Given & Entity>[]> {
    return this.writeMany('save', entities as never, options) as never;
  }

  /** Removes many rows. As `saveMany`. */
  removeMany(entities: readonly Entity[], options?: BatchOptions): Promise<WriteOutcome<Entity>[]> {
    return this.writeMany('remove', entities, options);
  }

  /**
   * Saves the rows of a source of any length, such as a generator that reads a file: as `saveMany`, in bounded memory. The source
   * is asked for no more than five chunks that have no outcome yet. Each row must be an object of its own; it is not
   * completed from the database. A row that fails is handed to `onFailed` and harms no other.
   * @throws ImportStoppedError when it ends before the source does: aborted, too many failures, the source or a callback threw, shutdown.
   *   Its `data` tells how far it came.
   * @throws InvalidOptionsError
   */
  async import<Given extends Partial<Entity>>(
    source: ImportSource<Given>,
    options: ImportOptions<Given> = {},
  ): Promise<ImportResult> {
    return new ImportRunner(this.attachedRuntime().writer, this.attached(), source, options).run();
  }

  // --- reading --------------------------------------------------------------------------------------------------------

  /** As TypeORM's `find`; rows in `prepare` are settled, or served as the index has them. */
  find(options?: FindManyOptions<Entity> & ReadOptions): Promise<Entity[]> {
    this.attached();
    return this.reader.find(options);
  }

  findBy(where: FindOptionsWhere<Entity> | FindOptionsWhere<Entity>[], options?: ReadOptions): Promise<Entity[]> {
    return this.find({ where, ...options });
  }

  findOne(options: FindOneOptions<Entity> & ReadOptions): Promise<Entity | null> {
    this.attached();
    return this.reader.findOne(options);
  }

  findOneBy(
    where: FindOptionsWhere<Entity> | FindOptionsWhere<Entity>[],
    options?: ReadOptions,
  ): Promise<Entity | null> {
    return this.findOne(options ? { where, ...options } : { where });
  }

  /** Throws TypeORM's `EntityNotFoundError` where `findOne` gives null. */
  findOneOrFail(options: FindOneOptions<Entity> & ReadOptions): Promise<Entity> {
    this.attached();
    return this.reader.findOneOrFail(options);
  }

  findOneByOrFail(
    where: FindOptionsWhere<Entity> | FindOptionsWhere<Entity>[],
    options?: ReadOptions,
  ): Promise<Entity> {
    return this.findOneOrFail({ where, ...options });
  }

  /** The page, repaired, and the count, which waits for undecided rows (see `count`). */
  findAndCount(options?: FindManyOptions<Entity> & ReadOptions): Promise<[Entity[], number]> {
    this.attached();
    return this.reader.findAndCount(options);
  }

  /**
   * Counts rows. A count cannot be repaired afterwards, so it waits, at most `busyTimeoutMs`, for the rows that are in
   * `prepare` in its snapshot; `{ barrier: false }` counts what MySQL holds.
   * @throws BarrierTimeoutError
   */
  count(options?: FindManyOptions<Entity> & ReadOptions): Promise<number> {
    this.attached();
    return this.reader.count(options);
  }

  countBy(where: FindOptionsWhere<Entity> | FindOptionsWhere<Entity>[], options?: ReadOptions): Promise<number> {
    return this.count({ where, ...options });
  }

  async exists(options?: FindManyOptions<Entity> & ReadOptions): Promise<boolean> {
    return (await this.count(options)) > 0;
  }

  existsBy(where: FindOptionsWhere<Entity> | FindOptionsWhere<Entity>[], options?: ReadOptions): Promise<boolean> {
    return this.exists({ where, ...options });
  }

  /** Reads with a query builder of your own making; what `getMany` returns is repaired. `alias` defaults to `row`. `build` may run twice. */
  findWith(
    build: (queryBuilder: SelectQueryBuilder<Entity>) => SelectQueryBuilder<Entity>,
    options: ReadOptions & { alias?: string } = {},
  ): Promise<Entity[]> {
    this.attached();
    return this.reader.findWith(build, options);
  }

  /** Repairs entities that were read some other way. Those without a row to be seen are left out. */
  repair(entities: Entity[]): Promise<Entity[]> {
    return this.attachedRuntime().repairer.repairEntities(this.attached(), entities);
  }

  private requireDeleteDate(operation: string): void {
    const { binding } = this.attached();
    if (binding.metadata.deleteDateColumn) return;
    throw new UnsupportedOperationError(
      `${binding.name} has no @DeleteDateColumn, which ${operation}() needs. Use remove().`,
      {
        entity: binding.name,
        operation,
      },
    );
  }

  private write(kind: WriteKind, entity: object, options: WriteOptions): Promise<never> {
    const context = this.attached();
    return this.attachedRuntime().writer.write(context, kind, entity, options) as Promise<never>;
  }

  private writeMany(
    kind: WriteKind,
    entities: readonly Entity[],
    options?: BatchOptions,
  ): Promise<WriteOutcome<Entity>[]> {
    const context = this.attached();
    return new BatchWriter(this.attachedRuntime().writer).write(context, kind, entities, options);
  }

  protected override refusingEntity(): string {
    return this.attached().binding.name;
  }

  private attached(): EntityContext {
    if (this.context) return this.context;
    throw new InvalidOptionsError(
      `${this.constructor.name} was not made by ConsistentModule.forFeature([${this.constructor.name}]); do not construct it yourself.`,
    );
  }

  private attachedRuntime(): ConsistentRuntime {
    this.attached();
    return this.runtime!;
  }
}

function isWriteOptions(options: object): boolean {
  return Object.keys(options).every((name) => name === 'expectedVersion');
}
