/**
 * Entities that the library itself is handing to TypeORM right now. The bypass guard lets these through and nothing
 * else. Weak, and by object identity: a flag on the connection would also cover what the caller does meanwhile.
 */
const sanctioned = new WeakSet<object>();

export function sanction<T extends object>(entity: T): T {
  sanctioned.add(entity);
  return entity;
}

export function isSanctioned(entity: unknown): boolean {
  return typeof entity === 'object' && entity !== null && sanctioned.has(entity);
}
