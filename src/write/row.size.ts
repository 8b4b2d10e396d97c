import type { EntityBinding } from '../entity/entity.binding.js';

/** A chunk with more than this is cut: its statement, its bulk and its copies in memory stay bounded, however large the rows. */
export const MAX_CHUNK_BYTES = 4 * 1024 * 1024;
const SMALL_BYTES = 8;
/** Deeper than JSON that people write; a cycle ends here too, and is refused when the row is written. */
const MAX_DEPTH = 16;
const LARGE_TYPES = /char|text|binary|blob|json|enum|set|geom|point|linestring|polygon|vector/;

/**
 * About how much of a statement and of a document a row of this entity is. Cheap rather than exact: texts count by their
 * length, and only columns count, never the entities that a relation leads to.
 */
export function rowSizer(binding: EntityBinding): (entity: unknown) => number {
  const large = binding.columns.flatMap(({ metadata, codec }) =>
    metadata && LARGE_TYPES.test(codec.dataType) ? [metadata] : [],
  );
  const least = SMALL_BYTES * binding.columns.length;
  return (entity) => {
    if (typeof entity !== 'object' || entity === null) return least;
    return large.reduce((bytes, metadata) => bytes + sizeOf(metadata.getEntityValue(entity), 0), least);
  };
}

function sizeOf(value: unknown, depth: number): number {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null || depth >= MAX_DEPTH) return SMALL_BYTES;
  if (ArrayBuffer.isView(value)) return value.byteLength;
  let bytes = SMALL_BYTES;
  for (const name in value) bytes += name.length + sizeOf((value as Record<string, unknown>)[name], depth + 1);
  return bytes;
}
