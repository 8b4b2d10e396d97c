import type { EntityMetadata } from 'typeorm';
import type { RelationMetadata } from 'typeorm/metadata/RelationMetadata.js';

/*
 * A lazy relation is a promise: as a property of its own on an object that the application made, or behind an accessor that TypeORM
 * gave the object, which keeps promise and value in `__promise_name__` and `__name__`. TypeORM itself reads only `__name__`; so does
 * `getEntityValue`, for which a promise is no value. Reading the accessor would load the relation.
 */

type Holder = Record<string, unknown>;
type Outcome = { readonly value: unknown } | { readonly error: unknown };

/** What promises have come to that somebody waited for. */
const known = new WeakMap<Promise<unknown>, Outcome>();

/** What was assigned to the relation, or loaded into it; undefined where nothing was. Loads nothing. */
export function heldRelation(relation: RelationMetadata, entity: object): unknown {
  const { propertyName: name, isLazy } = relation;
  const holder = holderOf(relation, entity);
  if (!holder || !isLazy) return holder && Object.hasOwn(holder, name) ? holder[name] : undefined;
  const own = Object.getOwnPropertyDescriptor(holder, name);
  return own && 'value' in own ? own.value : (holder[`__promise_${name}__`] ?? holder[`__${name}__`]);
}

/** Waits for what was assigned to lazy relations. Undefined where there is nothing to wait for. Never rejects. */
export function awaitRelations(metadata: EntityMetadata, entities: readonly unknown[]): Promise<unknown> | undefined {
  const relations = metadata.lazyRelations.filter(isJoined);
  if (relations.length === 0) return undefined;
  const objects = entities.filter((entity): entity is object => typeof entity === 'object' && entity !== null);
  const held = objects.flatMap((entity) => relations.map((relation) => heldRelation(relation, entity)));
  return Promise.all(held.filter((value) => value instanceof Promise).map(remember));
}

async function remember(promise: Promise<unknown>): Promise<void> {
  known.set(
    promise,
    await promise.then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    ),
  );
}

/** The values of lazy relations that were waited for. Throws what the promise of one was rejected with. */
export function settledRelations(metadata: EntityMetadata, given: object): Map<RelationMetadata, unknown> {
  const values = new Map<RelationMetadata, unknown>();
  for (const relation of metadata.lazyRelations.filter(isJoined)) {
    const held = heldRelation(relation, given);
    const outcome = held instanceof Promise ? known.get(held) : { value: held };
    if (outcome && 'error' in outcome) throw outcome.error;
    values.set(relation, outcome?.value);
  }
  return values;
}

/** Gives the copy of an entity these values, as those of ordinary relations. */
export function assignRelations(values: ReadonlyMap<RelationMetadata, unknown>, copy: object): void {
  for (const [relation, value] of values) {
    const holder = holderOf(relation, copy);
    if (!holder) continue;
    const { propertyName: name } = relation;
    delete holder[`__promise_${name}__`];
    delete holder[`__has_${name}__`];
    holder[`__${name}__`] = value;
    // Over the accessor, which would load what was left out.
    Object.defineProperty(holder, name, { value, writable: true, enumerable: true, configurable: true });
  }
}

function isJoined({ isOwning, isManyToMany }: RelationMetadata): boolean {
  return isOwning && !isManyToMany;
}

function holderOf({ embeddedMetadata }: RelationMetadata, entity: object): Holder | undefined {
  const path = embeddedMetadata?.parentPropertyNames ?? [];
  return path.reduce<Holder | undefined>((at, name) => at?.[name] as Holder | undefined, entity as Holder);
}
