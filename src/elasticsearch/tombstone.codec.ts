import type { estypes } from '@elastic/elasticsearch';

/** The only field of a durable tombstone: when it was written, in milliseconds since 1970. */
export const DELETED_FIELD = 'consistency_deleted';

/** Searched by the purge and by the alias's filter. */
export const DELETED_MAPPING = { type: 'long' } as const satisfies estypes.MappingProperty;

/** On the alias: searches through it do not see tombstones. A get by id heeds no filter. */
export const TOMBSTONE_FILTER: estypes.QueryDslQueryContainer = {
  bool: { must_not: [{ exists: { field: DELETED_FIELD } }] },
};

/**
 * True for the source of a document that says "deleted" (entity option `tombstones: 'durable'`). For code that gets documents by id
 * from Elasticsearch itself; searches and counts through the alias leave them out, and reads of the library too.
 */
export function isTombstone(source: unknown): boolean {
  if (typeof source !== 'object' || source === null || !Object.hasOwn(source, DELETED_FIELD)) return false;
  return (source as Record<string, unknown>)[DELETED_FIELD] !== null;
}

/**
 * The tombstone's document. Its age only says when it may be purged, so it must not look older than it is: a version made of MySQL's clock
 * corrects an application's clock that is behind.
 */
export function tombstoneText(version: number, nowMs: number): string {
  return `{"${DELETED_FIELD}":${Math.max(nowMs, Math.floor(version / 1_000))}}`;
}

/** Whether an alias's filter is ours, however it is spelled: Elasticsearch gives it back as it was given. */
export function hidesOnlyTombstones(filter: unknown): boolean {
  const { must_not: clauses, ...others } = (only(filter, 'bool') ?? {}) as Record<string, unknown>;
  const list: unknown[] = Array.isArray(clauses) ? clauses : [clauses];
  return (
    list.length === 1 && Object.keys(others).length === 0 && only(only(list[0], 'exists'), 'field') === DELETED_FIELD
  );
}

/** The only member of an object, if that is its name. */
function only(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || Object.keys(value).length !== 1) return undefined;
  return (value as Record<string, unknown>)[name];
}
