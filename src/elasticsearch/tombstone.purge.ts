import type { BulkItem } from './bulk.codec.js';
import { DELETED_FIELD } from './tombstone.codec.js';

/** What one purge of one index did. */
export interface PurgeResult {
  readonly purged: number;
  /** Whether there were as many as were asked for: then more are likely. */
  readonly full: boolean;
}

/** Elasticsearch's `index.max_result_window`, unless it was changed. */
export const MAX_PURGE = 10_000;

/** Which tombstones are older than this. Only ids and versions are answered. */
export function purgeSearch(deletedBeforeMs: number, size: number): object {
  return {
    size,
    query: { range: { [DELETED_FIELD]: { lt: deletedBeforeMs } } },
    sort: [{ [DELETED_FIELD]: 'asc' }],
    version: true,
    _source: false,
    track_total_hits: false,
  };
}

export const PURGE_ANSWER = 'hits.hits._id,hits.hits._version';

/**
 * The deletes. `external_gte` at the tombstone's own version: it removes this tombstone and nothing that came after it, and
 * Elasticsearch remembers the version for `gc_deletes` more. What is unreadable is left alone.
 */
export function purgeItems(answer: unknown): BulkItem[] {
  const hits = (answer as { hits?: { hits?: unknown } } | null | undefined)?.hits?.hits;
  const items: BulkItem[] = [];
  for (const hit of Array.isArray(hits) ? hits : []) {
    const { _id: id, _version: version } = hit as { _id?: unknown; _version?: unknown };
    if (typeof id !== 'string' || typeof version !== 'number' || !Number.isSafeInteger(version)) continue;
    const lines = `{"delete":{"_id":${JSON.stringify(id)},"version":${version},"version_type":"external_gte"}}\n`;
    items.push({ position: items.length, write: { id, version, body: null }, lines, bytes: Buffer.byteLength(lines) });
  }
  return items;
}
