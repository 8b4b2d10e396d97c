import type { ConsistentRegistry } from '../consistent.registry.js';
import { documentIdOf } from '../entity/document.builder.js';
import type { EntityContext } from '../entity/entity.context.js';
import { keyOfImage, type RowKey } from '../entity/row.key.js';
import { InvalidOptionsError, RowNotFoundError, RowParkedError } from '../errors.js';
import type { ParkedRow, ParkedStore } from '../mysql/parked.store.js';
import type { LoadedRow } from '../mysql/row.store.js';
import { wholeNumber } from '../whole.number.js';

export interface ParkedOptions {
  /** Which DataSource's parked rows. Default `default`. */
  dataSource?: string;
}

/** What became of a parked row that was tried again. */
export type RetryResult = 'settled' | 'still-parked' | 'gone';

interface Located {
  readonly row: ParkedRow;
  readonly context: EntityContext;
  readonly key: RowKey;
}

const RETRY_TIMEOUT_MS = 30_000;
const DEFAULT_LISTED = 100;
const MOST_LISTED = 100_000;

/**
 * Rows whose pending write could be neither committed nor restored. They stay in `prepare`, readers keep being served
 * what the index holds, and a person decides.
 */
export class ParkedRows {
  /** @internal */
  constructor(private readonly registry: ConsistentRegistry) {}

  /**
   * Parked rows, the oldest first. `limit` defaults to 100. Rows that a later write has freed are forgotten.
   * @throws InvalidOptionsError for a `limit` that is not 1 … 100,000
   */
  async list(options: ParkedOptions & { limit?: number } = {}): Promise<ParkedRow[]> {
    const limit = wholeNumber('limit', options.limit ?? DEFAULT_LISTED, 1, MOST_LISTED);
    const parked: ParkedRow[] = [];
    for (const row of await this.store(options).list(limit)) {
      const { context, key } = this.place(row, options);
      if ((await context.store.load([key])).get(key.id)?.parked) parked.push(row);
      else await this.store(options).remove(row.id);
    }
    return parked;
  }

  async count(options: ParkedOptions = {}): Promise<number> {
    return this.store(options).count();
  }

  /** Settles a parked row once more, after its cause was removed. */
  async retry(id: string, options: ParkedOptions = {}): Promise<RetryResult> {
    const { row, context, key } = await this.locate(id, options);
    const loaded = (await context.store.load([key])).get(key.id);
    if (!loaded?.parked) return this.forgotten(row, options);
    const results = await context.settler.resolve([key], {
      purpose: 'operator',
      timeoutMs: RETRY_TIMEOUT_MS,
      retryParked: true,
    });
    const result = results.get(key.id)!;
    if (result instanceof Error) {
      throw new RowParkedError(`${row.entity} ${key.id} could not be settled: ${result.message}`, { ...row }, result);
    }
    if (!result.settled) return 'still-parked';
    await this.store(options).remove(id);
    return 'settled';
  }

  /**
   * Gives up undoing: the row stays as MySQL holds it now, and the index follows it. Where Elasticsearch refuses the
   * document (`document-refused`), the row is committed without one.
   */
  async discard(id: string, options: ParkedOptions = {}): Promise<void> {
    const { row, context, key } = await this.locate(id, options);
    const loaded = (await context.store.load([key])).get(key.id);
    if (loaded?.parked) await this.acceptAsIs(context, loaded, row);
    await this.store(options).remove(id);
  }

  /** Lifts the pending write to a version of its own, as an update that is decided, and drives it. */
  private async acceptAsIs(context: EntityContext, loaded: LoadedRow, row: ParkedRow): Promise<void> {
    const { binding, store, documents } = context;
    const next = binding.presence(loaded.image, await binding.hydrate(loaded.image));
    const version = await store.acceptPending(loaded, next);
    if (version === null) throw this.movedOn(row);
    const id = documentIdOf(binding, loaded.image);
    const results = await context.settler.resolve([loaded.key], {
      purpose: 'operator',
      timeoutMs: RETRY_TIMEOUT_MS,
      retryParked: true,
    });
    const result = results.get(loaded.key.id)!;
    if (!(result instanceof Error) && result.settled) return;
    if (row.reason !== 'document-refused') {
      throw new RowParkedError(
        `${row.entity} ${loaded.key.id} could not be accepted as it is: ${result instanceof Error ? result.message : 'Elasticsearch refuses its document'}`,
        { ...row },
      );
    }
    const [outcome] = await documents.write(binding.alias, [{ id, version, body: null }], {
      timeoutMs: RETRY_TIMEOUT_MS,
    });
    if (outcome!.kind !== 'applied' && outcome!.kind !== 'conflict') {
      throw new RowParkedError(
        `${row.entity} ${loaded.key.id}: its old document could not be removed from the index.`,
        { ...row, outcome },
      );
    }
    await store.commit([{ key: loaded.key, version, operation: 'update' }]);
  }

  private async forgotten(row: ParkedRow, options: ParkedOptions): Promise<RetryResult> {
    await this.store(options).remove(row.id);
    return 'gone';
  }

  private movedOn(row: ParkedRow): RowNotFoundError {
    return new RowNotFoundError(`${row.entity} is no longer parked at version ${row.version}.`, { ...row });
  }

  private async locate(id: string, options: ParkedOptions): Promise<Located> {
    const row = await this.store(options).find(id);
    if (!row) throw new RowNotFoundError(`There is no parked row with id ${id}; see list().`, { id });
    return { row, ...this.place(row, options) };
  }

  private place(row: ParkedRow, options: ParkedOptions): Omit<Located, 'row'> {
    const dataSource = options.dataSource ?? 'default';
    const context = this.registry
      .all()
      .find(({ binding }) => binding.dataSourceName === dataSource && binding.metadata.tablePath === row.table);
    if (!context) {
      throw new InvalidOptionsError(
        `The table ${row.table} of parked row ${row.id} belongs to no registered repository.`,
        { ...row },
      );
    }
    return { context, key: keyOfImage(context.binding, row.key) };
  }

  private store(options: ParkedOptions): ParkedStore {
    const dataSource = options.dataSource ?? 'default';
    const context = this.registry.all().find(({ binding }) => binding.dataSourceName === dataSource);
    if (context) return context.parked;
    throw new InvalidOptionsError(`No consistent repository is registered for the DataSource "${dataSource}".`, {
      dataSource,
    });
  }
}
