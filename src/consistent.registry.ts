import type { Logger } from '@nestjs/common';
import type { Client } from '@elastic/elasticsearch';
import type { DataSource, EntitySubscriberInterface } from 'typeorm';
import type { ResolvedBackstopOptions } from './binlog/backstop.options.js';
import type { BackstopStatus } from './binlog/backstop.status.js';
import { type ConsistentDefinition, type ConsistentRepositoryClass, definitionOf } from './consistent.decorator.js';
import type { ResolvedOptions } from './consistent.options.js';
import type { ConsistentRepository } from './consistent.repository.js';
import { DocumentStore } from './elasticsearch/document.store.js';
import type { IndexRoutes } from './elasticsearch/index.route.js';
import { consistencyNames, EntityBinding } from './entity/entity.binding.js';
import { checkEntity, checkTable } from './entity/entity.checks.js';
import type { EntityContext, Lane } from './entity/entity.context.js';
import type { Tombstones } from './entity/tombstone.options.js';
import { InvalidOptionsError } from './errors.js';
import type { ParkedStore } from './mysql/parked.store.js';
import { RowStore } from './mysql/row.store.js';
import { limitStatements, queryPrimary } from './mysql/statement.timeout.js';
import { introspectTable } from './mysql/table.introspection.js';
import type { ConsistentEvents } from './observe/consistent.events.js';
import { Instruments } from './observe/instruments.js';
import { StormLogger } from './observe/storm.logger.js';
import { LeasedRoutes } from './reindex/index.routes.js';
import { Reindexer } from './reindex/reindexer.js';
import { ReadRepairer } from './settle/read.repairer.js';
import { Redriver } from './settle/redriver.js';
import { ResolveQueue } from './settle/resolve.queue.js';
import { Settler } from './settle/settler.js';
import { Verifier } from './verify/verifier.js';
import { StoreStartup } from './store.startup.js';
import { BypassGuardSubscriber } from './write/bypass.guard.js';
import { makeFlipGroup } from './write/flip.group.js';
import { makeIndexGroup } from './write/index.group.js';
import { PrepareGroup } from './write/prepare.group.js';
import { Writer } from './write/writer.js';

/** A backstop as others see it. */
export interface BackstopView {
  readonly name: string;
  readonly dataSource: string;
  /** @internal For the command line, which looks at the checkpoint without leading. */
  readonly options?: ResolvedBackstopOptions;
  status(): BackstopStatus;
}

/** What `forFeature` asks for: one repository class on one DataSource. */
export interface Registration {
  readonly definition: ConsistentDefinition;
  readonly target: ConsistentRepositoryClass;
  readonly dataSource: DataSource;
  readonly dataSourceName: string;
}

/** What all repositories of one module share. */
export interface ConsistentRuntime {
  readonly writer: Writer;
  readonly repairer: ReadRepairer;
}

/**
 * Every consistent entity of the application, by entity class and DataSource. Registration checks the entity and its
 * table, prepares the index, and makes the parts that work on it.
 */
export class ConsistentRegistry implements ConsistentRuntime {
  /**
   * @internal Set by the command line where an application is only looked at: it is told each registration, and nothing is checked,
   * prepared or attached, so that an application that could not start can be looked at too.
   */
  static inspector: ((registration: Registration) => void) | null = null;
  readonly writer = new Writer();
  readonly repairer = new ReadRepairer((instance) => this.contextOfInstance(instance));
  readonly redriver = new Redriver(this.writer);
  readonly verifier: Verifier;
  /** Where documents go while an index is being exchanged. */
  readonly routes = new LeasedRoutes();
  readonly reindexer: Reindexer;
  /** The backstops of this process: pages and checks must not need the module that makes them. */
  readonly backstops = new Set<BackstopView>();
  /** Where metrics and traces hook in. */
  readonly instruments = new Instruments();
  private readonly documents: DocumentStore;
  private readonly startup: StoreStartup;
  /** By alias: entities that share an index must agree. */
  private readonly tombstones = new Map<string, Tombstones>();
  private readonly durableTombstones = new Set<string>();
  private readonly logger: Logger = new StormLogger('ConsistentModule');
  private readonly registered = new Map<DataSource, Map<Function, Promise<EntityContext>>>();
  private readonly contexts: EntityContext[] = [];
  private readonly byRepository = new Map<ConsistentRepositoryClass, Map<string, EntityContext>>();
  private readonly byEntity = new Map<Function, EntityContext[]>();
  /** The library's own TypeORM subscribers: any other wants TypeORM's events. */
  private readonly ownSubscribers = new Set<object>();
  /** Which DataSource an instance came from, where its class is registered for several. */
  private readonly followed = new Set<EntityContext>();
  private readonly origins = new WeakMap<object, EntityContext>();

  constructor(
    client: Client,
    readonly options: ResolvedOptions,
    readonly events: ConsistentEvents,
  ) {
    this.verifier = new Verifier(this.redriver, client, () => this.contexts);
    const { redriver, verifier, routes } = this;
    this.reindexer = new Reindexer({ client, redriver, verifier, routes, contexts: () => this.contexts });
    this.startup = new StoreStartup(client, options, this.logger);
    const { durableTombstones } = this;
    this.documents = new DocumentStore(client, { requestTimeoutMs: options.writeTimeoutMs, durableTombstones, routes });
  }

  /** All contexts, in order of registration. */
  all(): readonly EntityContext[] {
    return this.contexts;
  }

  /** The parked rows' store of every DataSource. */
  parked(): readonly ParkedStore[] {
    return this.startup.parkedStores();
  }

  /** Makes a repository usable. Throws `InvalidOptionsError`, `InvalidSchemaError` or `MappingConflictError`. */
  async attach<Repository extends ConsistentRepository<any>>(
    repository: Repository,
    target: ConsistentRepositoryClass,
    dataSource: DataSource,
    dataSourceName: string,
  ): Promise<Repository> {
    const registration = { definition: definitionOf(target), target, dataSource, dataSourceName };
    if (ConsistentRegistry.inspector) {
      ConsistentRegistry.inspector(registration);
      return repository;
    }
    const context = await this.register(registration);
    const named = this.byRepository.get(target) ?? new Map<string, EntityContext>();
    named.set(dataSourceName, context);
    this.byRepository.set(target, named);
    return repository.attach(context, this) as Repository;
  }

  contextOf(target: ConsistentRepositoryClass, dataSourceName = 'default'): EntityContext {
    const context = this.byRepository.get(target)?.get(dataSourceName);
    if (context) return context;
    throw new InvalidOptionsError(
      `${target.name} is not registered for the DataSource "${dataSourceName}": add ConsistentModule.forFeature([${target.name}]` +
        `${dataSourceName === 'default' ? '' : `, '${dataSourceName}'`}).`,
      { repository: target.name, dataSource: dataSourceName },
    );
  }

  /** The context of an entity instance, by its class and, where that is not enough, by where it was loaded. */
  private contextOfInstance(instance: object): EntityContext | undefined {
    const contexts = this.byEntity.get(instance.constructor);
    if (!contexts) return undefined;
    return contexts.length === 1 ? contexts[0] : this.origins.get(instance);
  }

  private register(registration: Registration): Promise<EntityContext> {
    const { dataSource, definition } = registration;
    if (!dataSource.isInitialized) {
      throw new InvalidOptionsError('The DataSource is not initialized; ConsistentModule needs it at start-up.');
    }
    if (!dataSource.hasMetadata(definition.entity)) {
      throw new InvalidOptionsError(
        `The entity of ${registration.target.name} is not among the DataSource's entities: add it to \`entities\`, or use autoLoadEntities.`,
      );
    }
    const entities = this.registered.get(dataSource) ?? new Map<Function, Promise<EntityContext>>();
    this.registered.set(dataSource, entities);
    const entity = dataSource.getMetadata(definition.entity).target as Function;
    const known = entities.get(entity);
    if (known) return known.then((context) => this.sameDefinition(context, registration));
    const made = this.makeContext(registration);
    entities.set(entity, made);
    return made;
  }

  private sameDefinition(context: EntityContext, { definition, target }: Registration): EntityContext {
    if (context.binding.options === definition.options) return context;
    throw new InvalidOptionsError(
      `${target.name}: ${context.binding.name} already has a consistent repository with other options. One entity has one index; ` +
        'share the repository class.',
      { entity: context.binding.name },
    );
  }

  private async makeContext({ definition, dataSource, dataSourceName }: Registration): Promise<EntityContext> {
    limitStatements(dataSource, this.options.statementTimeoutMs);
    const metadata = dataSource.getMetadata(definition.entity);
    checkEntity(metadata);
    const names = consistencyNames(metadata);
    const database = metadata.database ?? (dataSource.driver.database as string);
    const query = (sql: string, parameters?: unknown[]) => queryPrimary(dataSource, sql, parameters);
    const shape = await this.startup.withMysql(() => introspectTable(query, database, metadata.tableName));
    for (const warning of checkTable(metadata, shape, names, this.options.bypassGuard)) this.logger.warn(warning);
    const binding = new EntityBinding(
      dataSource,
      dataSourceName,
      metadata,
      shape,
      definition.options,
      this.options.decider,
    );
    this.noteTombstones(binding);
    const parked = await this.startup.parkedStore(dataSource);
    await this.startup.prepareIndex(binding);
    const context = this.assemble(binding, parked);
    this.contexts.push(context);
    this.byEntity.set(binding.target, [...(this.byEntity.get(binding.target) ?? []), context]);
    this.watch(context);
    return context;
  }

  private noteTombstones({ name, alias, tombstones }: EntityBinding): void {
    const known = this.tombstones.get(alias) ?? tombstones;
    if (known !== tombstones) {
      throw new InvalidOptionsError(
        `${name}: another entity keeps its documents in "${alias}" too, with tombstones: '${known}'. Give both the same.`,
        { entity: name, alias },
      );
    }
    this.tombstones.set(alias, tombstones);
    if (tombstones === 'durable') this.durableTombstones.add(alias);
  }

  private assemble(binding: EntityBinding, parked: ParkedStore): EntityContext {
    const { documents, options, events, logger, instruments } = this;
    const routes: IndexRoutes = this.routes;
    this.routes.register(binding.alias, binding.dataSource);
    const store = new RowStore(binding);
    const settler = new Settler(store, documents, parked, events, instruments);
    const queue = new ResolveQueue((keys, resolve) => settler.resolve(keys, resolve), options.readRepair);
    const lane = (shared: boolean): Lane => ({
      index: makeIndexGroup(documents, binding, shared, instruments),
      flips: makeFlipGroup(store, shared, options.deadlineMs, options.acknowledge === 'indexed', instruments),
    });
    const many = lane(true);
    const single = options.groupCommit ? many : lane(false);
    const parts = {
      binding,
      store,
      documents,
      routes,
      parked,
      settler,
      queue,
      single,
      many,
      options,
      events,
      logger,
      instruments,
    };
    // The group makes writes that carry their context, so it is the last part and knows the whole.
    const context = { ...parts } as EntityContext;
    return Object.assign(context, {
      prepares: new PrepareGroup(context, this.ownSubscribers),
    });
  }

  /**
   * Looks at the table anew after its columns were changed while the application runs: statements and undo images name
   * every column, also those that the entity does not map.
   * @throws InvalidSchemaError when the table is gone, or lacks what the entity needs
   */
  async rebind(context: EntityContext): Promise<void> {
    const { binding, store } = context;
    const { dataSource, metadata, names } = binding;
    const database = metadata.database ?? (dataSource.driver.database as string);
    const shape = await introspectTable((sql, values) => dataSource.query(sql, values), database, metadata.tableName);
    checkTable(metadata, shape, names, this.options.bypassGuard);
    binding.rebind(shape);
    store.rebind();
    Object.assign(context, { prepares: new PrepareGroup(context, this.ownSubscribers) });
  }

  /** Guards the entity, and follows where its instances come from once two DataSources hold it. */
  private watch(context: EntityContext): void {
    const { binding } = context;
    const guard = this.options.bypassGuard;
    const shared = this.byEntity.get(binding.target)!;
    if (shared.length > 1) for (const each of shared) this.follow(each);
    if (guard === 'off') return;
    this.subscribe(binding.dataSource, new BypassGuardSubscriber(binding, guard, this.logger));
  }

  private subscribe(dataSource: DataSource, subscriber: EntitySubscriberInterface): void {
    this.ownSubscribers.add(subscriber);
    dataSource.subscribers.push(subscriber);
  }

  private follow(context: EntityContext): void {
    if (this.followed.has(context)) return;
    this.followed.add(context);
    this.subscribe(context.binding.dataSource, {
      listenTo: () => context.binding.target,
      afterLoad: (entity: object) => {
        this.origins.set(entity, context);
      },
    });
  }
}
