import { RESTORED_FIELD } from '../protocol/row.js';
import type { SlotView } from '../protocol/row.js';
import { DELETED_FIELD, isTombstone } from './tombstone.codec.js';

/** A whole document, as `DocumentStore.fetch` saw it. A durable tombstone is not found. */
export type FetchedDocument =
  | { readonly id: string; readonly found: false }
  | {
      readonly id: string;
      readonly found: true;
      readonly version: number;
      /** The version at which the document was put back, or null. */
      readonly restored: number | null;
      readonly source: Readonly<Record<string, unknown>>;
    };

interface MgetDoc {
  readonly _index?: unknown;
  readonly _id?: unknown;
  readonly _version?: unknown;
  readonly found?: unknown;
  readonly _source?: unknown;
  readonly error?: { readonly type?: unknown; readonly reason?: unknown };
}

/** What of a document says what it is. */
export const SLOT_FIELDS = `${RESTORED_FIELD},${DELETED_FIELD}`;

/** One document of an `_mget` answer, or the reason why it says nothing. */
export function readSlot(doc: unknown, id: string, index: string): SlotView | string {
  const document = readFetched(doc, id, index);
  if (typeof document === 'string') return document;
  if (!document.found) return { found: false };
  return { found: true, version: document.version, restored: document.restored };
}

/** As `readSlot`, with the source. */
export function readFetched(doc: unknown, id: string, index: string): FetchedDocument | string {
  const { _index, _id, _version, found, _source, error } = (doc ?? {}) as MgetDoc;
  const where = `document "${id}" of "${index}"`;
  // A missing index is an error of each document here, not of the request.
  if (error !== undefined) return `${where} could not be read: ${String(error.type)}: ${String(error.reason)}`;
  if (_id !== id || typeof found !== 'boolean') return `the answer about ${where} is unreadable`;
  // A foreign writer can have auto-created an index under the alias's name; its emptiness means nothing.
  if (_index === index) return `"${index}" is an index, not an alias: somebody wrote to it while the alias was missing`;
  if (!found) return { id, found: false };
  if (!isVersion(_version)) return `${where} has version ${String(_version)}, which is no safe integer`;
  const source = (typeof _source === 'object' && _source !== null ? _source : {}) as Record<string, unknown>;
  const restored = Object.hasOwn(source, RESTORED_FIELD) ? source[RESTORED_FIELD] : null;
  if (restored !== null && !isVersion(restored)) return `${where} has an unreadable ${RESTORED_FIELD}`;
  if (isTombstone(source)) {
    return isVersion(source[DELETED_FIELD]) ? { id, found: false } : `${where} has an unreadable ${DELETED_FIELD}`;
  }
  return { id, found: true, version: _version, restored, source };
}

function isVersion(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
