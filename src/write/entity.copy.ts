import type { ObjectLiteral } from 'typeorm';
import type { EmbeddedMetadata } from 'typeorm/metadata/EmbeddedMetadata.js';
import type { EntityBinding } from '../entity/entity.binding.js';
import { UnsupportedOperationError } from '../errors.js';
import { assignRelations, heldRelation, settledRelations } from './lazy.relations.js';

/**
 * The instance that TypeORM works on. The caller's object is only touched when the write has succeeded: TypeORM puts
 * generated ids and dates on what it is given, also when the transaction is rolled back afterwards.
 */
export function copyForWrite<Entity extends ObjectLiteral>(binding: EntityBinding<Entity>, given: object): Entity {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new UnsupportedOperationError(`${binding.name}: give one entity; for several use saveMany or removeMany.`);
  }
  refuseForeignRelations(binding, given);
  const relations = settledRelations(binding.metadata, given);
  const copy =
    given instanceof binding.target
      ? copyOf(given, binding.metadata.embeddeds)
      : (binding.dataSource.manager.create(binding.target as never, given as never) as object);
  assignRelations(relations, copy);
  return copy as Entity;
}

function copyOf(given: object, embeddeds: readonly EmbeddedMetadata[]): object {
  const copy = Object.assign(Object.create(Object.getPrototypeOf(given) as object) as object, given);
  for (const { propertyName, embeddeds: inner } of embeddeds) {
    const held = (copy as Record<string, unknown>)[propertyName];
    if (typeof held === 'object' && held !== null && !Array.isArray(held)) {
      (copy as Record<string, unknown>)[propertyName] = copyOf(held, inner);
    }
  }
  return copy;
}

/** Puts what the database made of the write (ids, defaults, generated columns, dates) on the caller's object. */
export function copyBack<Entity extends ObjectLiteral>(binding: EntityBinding<Entity>, from: Entity, to: object): void {
  for (const column of binding.hydratedColumns) {
    const { metadata } = column;
    if (metadata!.isSelect) metadata!.setEntityValue(to, metadata!.getEntityValue(from));
  }
}

/** Rows of other tables would be written around their own protocol, and could not be restored. */
function refuseForeignRelations(binding: EntityBinding, given: object): void {
  for (const relation of binding.metadata.relations) {
    if (relation.isOwning && !relation.isManyToMany) continue;
    if (heldRelation(relation, given) === undefined) continue;
    throw new UnsupportedOperationError(
      `${binding.name}.${relation.propertyName} is a ${relation.relationType} relation, whose rows are in another table. ` +
        `Leave the property out (set it to undefined) and write those rows through their own repository; to do both in ` +
        'one MySQL transaction use consistent.transaction().',
      { entity: binding.name, relation: relation.propertyName },
    );
  }
}
