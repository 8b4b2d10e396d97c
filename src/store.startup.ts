import type { Logger } from '@nestjs/common';
import type { Client } from '@elastic/elasticsearch';
import type { DataSource } from 'typeorm';
import type { ResolvedOptions } from './consistent.options.js';
import { ensureIndex } from './elasticsearch/index.bootstrap.js';
import { isCertificateRefused } from './certificate.errors.js';
import { classifyFailure } from './elasticsearch/outcome.classifier.js';
import type { EntityBinding } from './entity/entity.binding.js';
import {
  ConsistentError,
  IndexAccessError,
  IndexUnavailableError,
  InvalidOptionsError,
  InvalidSchemaError,
  MappingConflictError,
  StatementTimeoutError,
} from './errors.js';
import { isConnectionLost } from './mysql/mysql.errors.js';
import { ParkedStore } from './mysql/parked.store.js';
import { queryPrimary } from './mysql/statement.timeout.js';
import { ReindexStore } from './reindex/reindex.store.js';
import { retryAtStartup } from './startup.retry.js';

/** For one request at the start. A silent cluster must leave time for another try. */
const MAX_BOOTSTRAP_REQUEST_MS = 10_000;
const MIN_BOOTSTRAP_REQUEST_MS = 1_000;

/** What both stores must be like before a repository is used. Waits for stores that are still starting, `startupTimeoutMs` at most. */
export class StoreStartup {
  /**
   * @internal Set by the command line for a reindex: an index whose mapping contradicts the declared one is what it is to replace.
   */
  static acceptsMappingConflicts = false;
  private readonly parked = new Map<DataSource, { store: ParkedStore; ready: Promise<void> }>();

  constructor(
    private readonly client: Client,
    private readonly options: ResolvedOptions,
    private readonly logger: Logger,
  ) {}

  /** One for each DataSource that was asked for. */
  parkedStores(): readonly ParkedStore[] {
    return [...this.parked.values()].map(({ store }) => store);
  }

  /** Checks the session and the table of parked rows, once for each DataSource. Throws `InvalidOptionsError` or `InvalidSchemaError`. */
  async parkedStore(dataSource: DataSource): Promise<ParkedStore> {
    let entry = this.parked.get(dataSource);
    if (!entry) {
      const store = new ParkedStore(dataSource);
      const ready = this.withMysql(() => checkSession(dataSource).then(() => store.ensureTable()));
      entry = { store, ready };
      this.parked.set(dataSource, entry);
    }
    await entry.ready;
    return entry.store;
  }

  /** A cluster that is still starting is waited for; what it refuses is thrown at once. */
  async prepareIndex(binding: EntityBinding): Promise<void> {
    try {
      await this.ensureIndex(binding);
    } catch (error) {
      if (!(error instanceof MappingConflictError) || !(await this.isBeingReindexed(binding))) throw error;
      // Former and new builds of the application run side by side then, and each must be able to start.
      this.logger.warn(
        `${binding.name}: its index is being exchanged, and has another mapping for now: ${error.message}`,
      );
    }
  }

  private async isBeingReindexed({ alias, dataSource }: EntityBinding): Promise<boolean> {
    if (StoreStartup.acceptsMappingConflicts) return true;
    const view = await this.withMysql(() => new ReindexStore(dataSource).view(alias));
    return view !== null && view.phase !== 'idle';
  }

  private async ensureIndex({ alias, tombstones, options: { mappings, settings } }: EntityBinding): Promise<void> {
    const { gcDeletesMs, createIndices: createIndex, startupTimeoutMs } = this.options;
    // The client has no time limit of its own: one request that is never answered would keep the application from starting.
    const requestTimeout = Math.max(MIN_BOOTSTRAP_REQUEST_MS, Math.min(MAX_BOOTSTRAP_REQUEST_MS, startupTimeoutMs / 3));
    const client = this.client.child({ requestTimeout, maxRetries: 0 });
    const index = {
      alias,
      ...(mappings ? { mappings } : {}),
      ...(settings ? { settings } : {}),
      gcDeletesMs,
      createIndex,
      durableTombstones: tombstones === 'durable',
    };
    const prepare = () => ensureIndex(client, index).catch((error: unknown) => Promise.reject(explained(error, alias)));
    await retryAtStartup(prepare, {
      timeoutMs: startupTimeoutMs,
      isFinal,
      onRetry: ({ message }) =>
        this.logger.warn(`Elasticsearch is not there yet (index "${alias}"); trying again: ${message}`),
    }).catch((error: unknown) => {
      if (isFinal(error)) throw error;
      throw new IndexUnavailableError(
        `Elasticsearch could not be reached within startupTimeoutMs (${startupTimeoutMs}) to prepare the index "${alias}": ` +
          `${(error as Error).message}. Check \`elasticsearch.node\` and that the cluster is up.`,
        { alias },
        error,
      );
    });
  }

  /** A connection that breaks at the wrong moment must not end the start. What MySQL refuses is thrown at once. */
  withMysql<T>(step: () => Promise<T>): Promise<T> {
    return retryAtStartup(step, {
      timeoutMs: this.options.startupTimeoutMs,
      isFinal: (error) => !(error instanceof StatementTimeoutError) && !isConnectionLost(error),
      onRetry: ({ message }) => this.logger.warn(`MySQL did not answer at the start; trying again: ${message}`),
    });
  }
}

/** Whether another try would end the same. */
function isFinal(error: unknown): boolean {
  return error instanceof ConsistentError || classifyFailure(error).kind === 'refused';
}

/** Who may not in, and who is not whom it says it is, is told apart from a cluster that is still starting. */
function explained(error: unknown, alias: string): unknown {
  const outcome = classifyFailure(error);
  if (error instanceof ConsistentError || outcome.kind !== 'unavailable' || !outcome.denied) return error;
  const mend = isCertificateRefused(error)
    ? 'Its certificate is not trusted: give the CA that signed it in `elasticsearch.tls.ca`, and name the host as the certificate does.'
    : 'Check the API key or the user in `elasticsearch.auth` (expired, revoked?) and its privileges: docs/operations.md lists them.';
  return new IndexAccessError(
    `Elasticsearch does not let the index "${alias}" be prepared: ${outcome.reason}. ${mend}`,
    { alias },
    error,
  );
}

/**
 * Texts must arrive whole: with another result character set MySQL replaces what does not fit by `?`, and where a backslash does not
 * escape, the driver's quotes do not hold. A statement that stands by itself must be committed by itself.
 */
async function checkSession(dataSource: DataSource): Promise<void> {
  if (dataSource.options.type !== 'mysql' && dataSource.options.type !== 'mariadb') {
    throw new InvalidOptionsError(`nest-consistent works on MySQL; this DataSource is ${dataSource.options.type}.`);
  }
  const { cache } = dataSource.options;
  if (typeof cache === 'object' && cache.alwaysEnabled) {
    throw new InvalidOptionsError(
      'The DataSource caches every query (cache.alwaysEnabled): cached rows can be older than the index. Enable caching per query, for entities that are not consistent ones.',
    );
  }
  const [session] = (await queryPrimary(
    dataSource,
    'SELECT @@character_set_results AS charset, VERSION() AS version, @@sql_mode AS mode, @@autocommit AS autocommit',
  )) as {
    charset: string;
    version: string;
    mode: string;
    autocommit: number | string;
  }[];
  if (session!.charset !== 'utf8mb4') {
    throw new InvalidSchemaError(
      `The connection's character set is ${session!.charset}, which cannot carry every text. Set charset: 'utf8mb4' in the DataSource's options.`,
      { charset: session!.charset },
    );
  }
  if (/mariadb/i.test(session!.version)) {
    throw new InvalidOptionsError(
      `The server is MariaDB (${session!.version}); nest-consistent needs MySQL 8.0.19 or newer.`,
    );
  }
  if (/NO_BACKSLASH_ESCAPES/.test(session!.mode)) {
    throw new InvalidSchemaError(
      "The connection's sql_mode has NO_BACKSLASH_ESCAPES, but mysql2 escapes quotes with backslashes: a value with a quote could end " +
        "its own text. Take it out of the server's sql_mode, or of init_connect.",
      { sqlMode: session!.mode },
    );
  }
  if (Number(session!.autocommit) !== 1) {
    throw new InvalidSchemaError(
      'The connection begins with autocommit = 0: statements that stand by themselves would stay uncommitted, and keep their locks. Set ' +
        'autocommit = 1 on the server, or take it out of init_connect.',
      { autocommit: Number(session!.autocommit) },
    );
  }
}
