import type { ObjectLiteral } from 'typeorm';
import type { EntityBinding } from '../entity/entity.binding.js';
import { UnsupportedOperationError } from '../errors.js';

/**
 * The instance that TypeORM works on. The caller's object is only touched when the write has succeeded: TypeORM puts
 * generated ids and dates on what it is given, also when the transaction is rolled back afterwards.
 */
export function copyForWrite<Entity extends ObjectLiteral>(binding: EntityBinding<Entity>, given: object): Entity {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new UnsupportedOperationError(`${binding.name}: give one entity; for several use saveMany or removeMany.`);
  }
  refuseForeignRelations(binding, given);
  if (!(given instanceof binding.target)) {
    return binding.dataSource.manager.create(binding.target as never, given as never) as Entity;
  }
  const copy = Object.assign(Object.create(Object.getPrototypeOf(given) as object) as object, given) as Record<
    string,
    unknown
  >;
  for (const embedded of binding.metadata.embeddeds) {
    const held = copy[embedded.propertyName];
    if (typeof held === 'object' && held !== null) {
      copy[embedded.propertyName] = Object.assign(Object.create(Object.getPrototypeOf(held) as object) as object, held);
    }
  }
  return copy as Entity;
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
    if (!Object.hasOwn(given, relation.propertyName)) continue;
    if ((given as Record<string, unknown>)[relation.propertyName] === undefined) continue;
    throw new UnsupportedOperationError(
      `${binding.name}.${relation.propertyName} is a ${relation.relationType} relation, whose rows are in another table. ` +
        `Leave the property out (set it to undefined) and write those rows through their own repository; to do both in ` +
        'one MySQL transaction use consistent.transaction().',
      { entity: binding.name, relation: relation.propertyName },
    );
  }
}
