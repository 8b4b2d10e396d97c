import type { ObjectLiteral } from 'typeorm';
import type { RelationMetadata } from 'typeorm/metadata/RelationMetadata.js';
import type { EntityContext } from '../entity/entity.context.js';
import type { RowImage } from '../entity/row.image.js';
import { keyOfEntity } from '../entity/row.key.js';
import { ReadUnsettledError } from '../errors.js';
import { onPrimary } from '../mysql/primary.connection.js';
import { collectEntities, type EntitySite } from './entity.graph.js';
import type { Resolution } from './resolution.js';

/** Which entity context an instance belongs to, or undefined when its class is not a consistent one. */
export type ContextOf = (instance: object) => EntityContext | undefined;

/** What the caller's own transaction did to a row, if it did anything. */
export type OwnRows = (site: EntitySite) => 'as-is' | 'gone' | undefined;

/**
 * Turns what MySQL returned into what a reader may see. Rows in `commit` cost nothing; those in `prepare` are settled
 * in shared batches, and the entity gets the values of the image that counts, or is taken out where there is none.
 */
export class ReadRepairer {
  private readonly warned = new Set<string>();

  constructor(private readonly contextOf: ContextOf) {}

  /**
   * Entities of one repository, as a list. Nested consistent entities (loaded relations) are repaired too. `own` tells of
   * rows that the caller's own transaction has written: nobody else sees those yet.
   */
  async repairEntities<Entity extends ObjectLiteral>(
    context: EntityContext,
    entities: Entity[],
    own?: OwnRows,
  ): Promise<Entity[]> {
    if (entities.length === 0) return entities;
    const list = [...entities];
    if (entities.every((entity) => isPlainlyCommitted(context, entity))) return list;
    await this.repairSites(
      collectEntities(list, (instance) =>
        instance instanceof context.binding.target ? context : this.contextOf(instance),
      ),
      own,
    );
    return list.filter((entity): entity is Entity => entity !== null);
  }

  /**
   * Anything that may hold entities: an entity, an array, a page object, any nesting. Entities without a row to be seen
   * leave their array, or become null. Plain copies of entities cannot be recognised.
   */
  async repair<T>(value: T): Promise<T | null> {
    const holder = { value };
    await this.repairSites(collectEntities(holder, this.contextOf));
    return holder.value;
  }

  private async repairSites(sites: readonly EntitySite[], own?: OwnRows): Promise<void> {
    const suspects = sites.filter(({ context, entity }) => context.binding.consistencyOf(entity)?.state !== 'commit');
    if (suspects.length === 0) return;
    const removals: EntitySite[] = [];
    await Promise.all(
      suspects.map(async (site) => {
        const fate = own?.(site);
        if (fate === 'gone') removals.push(site);
        if (fate) return;
        const resolution = await this.resolve(site);
        if (!resolution) return;
        if (resolution.visible === null) removals.push(site);
        else await this.overlay(site, resolution, resolution.visible);
      }),
    );
    remove(removals);
  }

  private async resolve({ context, entity }: EntitySite): Promise<Resolution | null> {
    const { binding } = context;
    const key = keyOfEntity(binding, entity);
    if (!key) {
      if (!this.warned.has(binding.name)) {
        this.warned.add(binding.name);
        context.logger.warn(
          `${binding.name} was read without its primary key: such a result cannot be repaired. Select the key as well.`,
        );
      }
      return null;
    }
    try {
      return await context.queue.ask(key);
    } catch (error) {
      throw new ReadUnsettledError(
        `${binding.name} ${key.id} is in prepare and cannot be settled now: ${(error as Error).message}. Try again.`,
        { entity: binding.name, key: key.id },
        error,
      );
    }
  }

  /** Writes the image over the columns that were selected; the others stay undefined. */
  private async overlay({ context, entity }: EntitySite, resolution: Resolution, image: RowImage): Promise<void> {
    const { binding } = context;
    for (const column of binding.hydratedColumns) {
      const { metadata } = column;
      if (metadata!.getEntityValue(entity) !== undefined)
        metadata!.setEntityValue(entity, binding.entityValue(column, image));
    }
    // What was loaded in place of a related entity was read by plain TypeORM, and may be undecided itself.
    for (const place of await followRelations(context, entity, image)) {
      await this.repairSites(collectEntities(place, this.contextOf));
    }
    binding.setConsistency(entity, { state: 'commit', version: resolution.version });
    await binding.runAfterLoad(entity);
  }
}

/** In `commit`, and with no related entity loaded that would have to be looked at: a page of these is not walked. */
export function isPlainlyCommitted({ binding }: EntityContext, entity: ObjectLiteral): boolean {
  return (
    entity.constructor === binding.target &&
    binding.metadata.relations.length === 0 &&
    binding.consistencyOf(entity)?.state === 'commit'
  );
}

/**
 * A loaded owning relation whose join column differs in the image that counts is loaded again. Answers the objects that
 * now hold newly loaded entities.
 */
async function followRelations(
  { binding }: EntityContext,
  entity: ObjectLiteral,
  image: RowImage,
): Promise<ObjectLiteral[]> {
  const changed: ObjectLiteral[] = [];
  for (const relation of binding.metadata.relations) {
    if (!relation.isOwning || relation.isManyToMany) continue;
    const loaded = relation.getEntityValue(entity) as ObjectLiteral | null | undefined;
    if (loaded === undefined) continue;
    const where: ObjectLiteral = {};
    let same = loaded !== null;
    for (const join of relation.joinColumns) {
      const column = binding.columns.find((candidate) => candidate.name === join.databaseName);
      const referenced = join.referencedColumn;
      if (!column || !referenced) continue;
      const value = binding.entityValue(column, image);
      where[referenced.propertyName] = value;
      same &&= String(referenced.getEntityValue(loaded!)) === String(value);
    }
    if (same) continue;
    const missing = Object.values(where).every((value) => value === null);
    const target = relation.inverseEntityMetadata.target;
    const related = missing
      ? null
      : await onPrimary(binding.dataSource, (manager) => manager.findOneBy(target as never, where as never));
    changed.push(setRelation(relation, entity, related));
  }
  return changed;
}

/** RelationMetadata.setEntityValue merges into the object that is there, which may stand in other places as well. */
function setRelation(relation: RelationMetadata, entity: ObjectLiteral, related: unknown): ObjectLiteral {
  const path = relation.embeddedMetadata?.parentPropertyNames ?? [];
  const holder = path.reduce<ObjectLiteral>((at, name) => at[name] as ObjectLiteral, entity);
  holder[relation.propertyName] = related;
  return holder;
}

/** From the end of each array, so that positions stay true. */
function remove(sites: readonly EntitySite[]): void {
  const arrays = new Map<unknown[], number[]>();
  for (const { holder, property, entity } of sites) {
    // A relation that was followed meanwhile holds another entity by now.
    if ((holder as Record<string, unknown>)[property] !== entity) continue;
    if (Array.isArray(holder)) arrays.set(holder, [...(arrays.get(holder) ?? []), Number(property)]);
    else (holder as Record<string, unknown>)[property] = null;
  }
  for (const [array, positions] of arrays) {
    for (const at of positions.toSorted((a, b) => b - a)) array.splice(at, 1);
  }
}
