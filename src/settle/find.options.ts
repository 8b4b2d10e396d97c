import type { EntityMetadata, FindManyOptions, FindOneOptions, ObjectLiteral } from 'typeorm';
import { Consistency } from '../consistency.columns.js';
import { UnsupportedOperationError } from '../errors.js';

/** The options of a find whose result can be repaired. Throws `UnsupportedOperationError` for a cached one. */
export function repairable<Options extends FindOneOptions<any> | FindManyOptions<any>>(
  metadata: EntityMetadata,
  options: Options,
): Options {
  refuseCache(metadata, options.cache);
  const { select } = options;
  return select ? { ...options, select: completeSelect(metadata, select as ObjectLiteral | string[]) } : options;
}

/** Rows out of a cache can be older than the index. */
export function refuseCache(metadata: EntityMetadata, cache: unknown): void {
  if (!cache) return;
  throw new UnsupportedOperationError(
    `${metadata.name}: cached results can be older than the index. Leave \`cache\` out.`,
  );
}

/**
 * A narrow `select` still needs the key, the row's state and its delete date, or nothing could be repaired; so does the
 * `select` of a relation to another consistent entity.
 */
function completeSelect(metadata: EntityMetadata, select: ObjectLiteral | readonly string[]): ObjectLiteral {
  const chosen: ObjectLiteral = Array.isArray(select)
    ? Object.fromEntries((select as readonly string[]).map((property) => [property, true]))
    : { ...(select as ObjectLiteral) };
  for (const { propertyName, inverseEntityMetadata } of metadata.relations) {
    const inner = chosen[propertyName] as unknown;
    if (typeof inner === 'object' && inner !== null) {
      chosen[propertyName] = completeSelect(inverseEntityMetadata, inner);
    }
  }
  const embedded = metadata.embeddeds.find((candidate) => candidate.type === Consistency);
  if (!embedded) return chosen;
  for (const column of metadata.primaryColumns) chosen[column.propertyName] ??= true;
  if (metadata.deleteDateColumn) chosen[metadata.deleteDateColumn.propertyName] = true;
  chosen[embedded.propertyName] = { state: true, version: true };
  return chosen;
}
