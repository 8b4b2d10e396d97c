import { setTimeout as sleep } from 'node:timers/promises';
import {
  type EntityManager,
  EntityNotFoundError,
  type FindManyOptions,
  type FindOneOptions,
  type ObjectLiteral,
  type SelectQueryBuilder,
} from 'typeorm';
import type { EntityContext } from '../entity/entity.context.js';
import { BarrierTimeoutError, UnsupportedOperationError } from '../errors.js';
import type { VersionedKey } from '../mysql/row.store.js';
import { refuseCache, repairable } from './find.options.js';
import type { ReadRepairer } from './read.repairer.js';

export interface ReadOptions {
  /**
   * Waits first, at most `busyTimeoutMs`, for the rows that are in `prepare` when the read begins. A predicate is
   * evaluated by MySQL on the new image; with the barrier no undecided write can make a row match, or miss.
   * Default false for rows, true for counts.
   */
  barrier?: boolean;
}

const POLL_MS = 2;
const MAX_POLL_MS = 50;
/** More undecided rows than this at once are waited for in several turns. */
const BARRIER_ROWS = 1_000;

/** Reads of one entity: TypeORM's, on the primary, with what it returns repaired. */
export class ConsistentReader<Entity extends ObjectLiteral> {
  constructor(
    private readonly context: EntityContext,
    private readonly repairer: ReadRepairer,
  ) {}

  async find(options: FindManyOptions<Entity> & ReadOptions = {}): Promise<Entity[]> {
    const { barrier, ...find } = options;
    if (barrier) await this.barrier();
    const rows = await this.onPrimary((manager) =>
      manager.find(this.target, repairable(this.context.binding.metadata, find)),
    );
    return this.toBeSeen(rows, find);
  }

  async findOne(options: FindOneOptions<Entity> & ReadOptions): Promise<Entity | null> {
    if (!options?.where) {
      throw new UnsupportedOperationError(
        `${this.context.binding.name}: findOne() needs a \`where\`; to take any row use find({ take: 1 }).`,
      );
    }
    const { barrier, ...find } = options;
    if (barrier) await this.barrier();
    const row = await this.onPrimary((manager) =>
      manager.findOne(this.target, repairable(this.context.binding.metadata, find)),
    );
    if (!row) return null;
    const [repaired] = await this.toBeSeen([row], find);
    return repaired ?? this.firstToBeSeen(repairable(this.context.binding.metadata, find));
  }

  /** The row that MySQL found first is not to be seen (an undecided insert); one behind it may be. */
  private async firstToBeSeen(find: FindOneOptions<Entity>): Promise<Entity | null> {
    for (let take = 10; ; take *= 10) {
      const rows = await this.onPrimary((manager) => manager.find(this.target, { ...find, take }));
      const [first] = await this.toBeSeen(rows, find);
      if (first || rows.length < take) return first ?? null;
    }
  }

  /** Repaired, and without rows whose image that counts is soft-deleted: MySQL judged by the undecided one. */
  private async toBeSeen(rows: Entity[], { withDeleted }: FindOneOptions<Entity>): Promise<Entity[]> {
    const repaired = await this.repairer.repairEntities(this.context, rows);
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
    if (barrier) await this.barrier();
    const [rows, count] = await this.onPrimary((manager) =>
      manager.findAndCount(this.target, repairable(this.context.binding.metadata, find)),
    );
    return [await this.toBeSeen(rows, find), count];
  }

  async count(options: FindManyOptions<Entity> & ReadOptions = {}): Promise<number> {
    const { barrier = true, ...find } = options;
    refuseCache(this.context.binding.metadata, find.cache);
    if (barrier) await this.barrier();
    return this.onPrimary((manager) => manager.count(this.target, find));
  }

  async findWith(
    build: (queryBuilder: SelectQueryBuilder<Entity>) => SelectQueryBuilder<Entity>,
    options: ReadOptions & { alias?: string },
  ): Promise<Entity[]> {
    if (options.barrier) await this.barrier();
    const rows = await this.onPrimary((manager) => {
      const own = manager.createQueryBuilder(this.target, options.alias ?? 'row') as SelectQueryBuilder<Entity>;
      const built = build(own);
      refuseCache(this.context.binding.metadata, built.expressionMap.cache);
      return built.getMany();
    });
    return this.repairer.repairEntities(this.context, rows);
  }

  /** Waits until every row that is in `prepare` now has been settled, or has moved on. */
  async barrier(): Promise<void> {
    const { binding, store, options, settler } = this.context;
    const until = performance.now() + options.busyTimeoutMs;
    const next = () => store.undecided(BARRIER_ROWS, binding.decider === 'mysql');
    let open: VersionedKey[] = await next();
    let more = open.length === BARRIER_ROWS;
    for (let pollMs = POLL_MS; open.length > 0; pollMs = Math.min(2 * pollMs, MAX_POLL_MS)) {
      const results = await settler.resolve(
        open.map(({ key }) => key),
        { purpose: binding.decider === 'mysql' ? 'write' : 'read', timeoutMs: options.readRepair.timeoutMs },
      );
      open = open.filter(({ key, version }) => {
        const result = results.get(key.id);
        if (result === undefined || result instanceof Error) return true;
        // A later write of a busy row is not what this read waits for.
        return !result.settled && !result.parked && result.pendingVersion === version;
      });
      if (open.length === 0 && more) {
        // The oldest deadlines come first: those that were there at the beginning are among the next.
        open = await next();
        more = open.length === BARRIER_ROWS;
      }
      if (open.length === 0) return;
      if (performance.now() + pollMs > until) {
        throw new BarrierTimeoutError(
          `${binding.name}: ${open.length} rows were still in prepare after ${options.busyTimeoutMs} ms. Try again.`,
          { entity: binding.name, rows: open.length },
        );
      }
      await sleep(pollMs);
    }
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
