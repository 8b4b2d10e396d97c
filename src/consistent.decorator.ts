import { Inject } from '@nestjs/common';
import type { estypes } from '@elastic/elasticsearch';
import type { EntityTarget, ObjectLiteral } from 'typeorm';
import { ConsistentRepository } from './consistent.repository.js';
import { checkEntityOptions } from './entity/entity.options.js';
import type { Tombstones } from './entity/tombstone.options.js';
import { InvalidOptionsError } from './errors.js';
import type { Decider } from './protocol/row.js';

/** A document before it is serialised: plain JSON. */
export type DocumentBody = Record<string, unknown>;

/** How the rows of one entity become documents. Given to `@Consistent` or to `defineConsistentRepository`. */
export interface ConsistentEntityOptions<Entity extends ObjectLiteral = any> {
  /**
   * The alias that searches use; the index behind it is made at start-up. A function is asked with the DataSource's
   * name, for shards that keep an index each.
   */
  index: string | ((dataSource: string) => string);
  /** Mapping of the index. Without it the mapping is dynamic. */
  mappings?: estypes.MappingTypeMapping;
  /** Further index settings. `gc_deletes` is set by the module. */
  settings?: estypes.IndicesIndexSettings;
  /**
   * Makes the document. `document` is the default one: every selected column under its property name, exact. Must be
   * pure: it is called again for the previous image, perhaps by another process. Default: the default document.
   */
  toDocument?: (entity: Entity, document: DocumentBody) => DocumentBody;
  /**
   * The document's id from the primary key's values as MySQL prints them. Must be injective and never change.
   * Default: the value itself; of a composite key, the values joined with `,` (each percent-encoded).
   */
  documentId?: (key: Readonly<Record<string, string>>) => string;
  /** Which rows have a document. Must be pure. Default: all. Soft-deleted rows never have one. */
  when?: (entity: Entity) => boolean;
  /** `wait_for`: a write returns once searches see it (up to the index's refresh interval). Default false. */
  refresh?: false | true | 'wait_for';
  /** Overrides the module's decider. */
  decider?: Decider;
  /**
   * Where the versions of deletes are kept. `elasticsearch`: in its memory, for `gcDeletesMs` at most, and not across a restart. `durable`:
   * a delete puts a document that says "deleted", so that a request which is late beyond that is refused too. The alias gets a filter
   * that hides these from searches; a get by id sees them (`isTombstone`). Default `elasticsearch`.
   */
  tombstones?: Tombstones;
  /**
   * How long durable tombstones are kept before the sweeper removes them, in milliseconds: longer than any request can be late. At
   * least one hour; `Infinity` keeps them for ever. Default 604,800,000 (seven days).
   */
  tombstoneRetentionMs?: number;
}

const DEFINITION = Symbol('nest-consistent:definition');

export interface ConsistentDefinition {
  readonly entity: EntityTarget<any>;
  readonly options: ConsistentEntityOptions;
}

export type ConsistentRepositoryClass<Entity extends ObjectLiteral = any> = abstract new (
  ...dependencies: any[]
) => ConsistentRepository<Entity>;

/**
 * Marks a class that extends `ConsistentRepository<Entity>` as the repository of `entity`. Register it with
 * `ConsistentModule.forFeature([ThatClass])`. Programmatic twin: `defineConsistentRepository`.
 */
export function Consistent<Entity extends ObjectLiteral>(
  entity: EntityTarget<Entity>,
  options: ConsistentEntityOptions<Entity>,
) {
  return (target: ConsistentRepositoryClass<Entity>): void => {
    if (!(target.prototype instanceof ConsistentRepository)) {
      throw new InvalidOptionsError(
        `@Consistent is for classes that extend ConsistentRepository; ${target.name} does not.`,
      );
    }
    checkEntityOptions(target.name, options);
    Reflect.defineProperty(target, DEFINITION, { value: { entity, options }, configurable: false });
  };
}

/** Makes a repository class for `entity` without a decorator. Throws `InvalidOptionsError` as `@Consistent` does. */
export function defineConsistentRepository<Entity extends ObjectLiteral>(
  entity: EntityTarget<Entity>,
  options: ConsistentEntityOptions<Entity>,
): new () => ConsistentRepository<Entity> {
  class DefinedConsistentRepository extends ConsistentRepository<Entity> {}
  Consistent(entity, options)(DefinedConsistentRepository);
  return DefinedConsistentRepository;
}

/** What `@Consistent` stored on the class itself (never inherited: two classes would write one index). */
export function definitionOf(target: ConsistentRepositoryClass): ConsistentDefinition {
  const definition = Object.getOwnPropertyDescriptor(target, DEFINITION)?.value as ConsistentDefinition | undefined;
  if (!definition) {
    throw new InvalidOptionsError(`${target.name} has no @Consistent(Entity, { index }) decorator.`);
  }
  return definition;
}

/** Injection token of a repository on a named DataSource; for the default one it is the class itself. */
export function getConsistentRepositoryToken(target: ConsistentRepositoryClass, dataSource = 'default') {
  return dataSource === 'default' ? target : `ConsistentRepository:${target.name}:${dataSource}`;
}

/** Injects a repository that was registered for a named DataSource. Twin: `getConsistentRepositoryToken`. */
export const InjectConsistentRepository = (target: ConsistentRepositoryClass, dataSource?: string) =>
  Inject(getConsistentRepositoryToken(target, dataSource));
