import { documentIdOf } from '../entity/document.builder.js';
import type { BoundColumn, EntityBinding } from '../entity/entity.binding.js';
import type { RowKey } from '../entity/row.key.js';
import type { SlotView } from '../protocol/row.js';
import type { PreparedWrite } from '../write/prepared.write.js';

/** What became of one key. */
export type RedriveResult =
  /** The row's present image is in the index, at a new version. */
  | 'redriven'
  /** There was a document without a row, or of a row that has none by rule; it is gone. */
  | 'removed'
  /** Neither row nor document is there, or the row has none by rule and had none. */
  | 'unchanged'
  /** Not now (see `retryable`), or not without a person. */
  | Error;

/**
 * A key to re-drive. `documentId`: where the document is, for keys whose row may be gone or be spelled otherwise. Without
 * `parameters`: a document that no row can have.
 */
export interface RedriveKey extends RowKey {
  readonly documentId?: string;
}

/** One key while it is being worked on. */
export interface RedriveCase {
  readonly key: RedriveKey;
  /** Undefined until the row tells, where the key alone does not. */
  documentId: string | undefined;
  slot: SlotView;
  tries: number;
  /** The version of our own write that is decided and not yet flipped (`decider: 'mysql'`). */
  decidedAt: number | null;
  lastError: Error | undefined;
}

export function redriveCase(binding: EntityBinding, key: RedriveKey): RedriveCase {
  return {
    key,
    documentId: key.documentId ?? documentIdOfKey(binding, key),
    slot: { found: false },
    tries: 0,
    decidedAt: null,
    lastError: undefined,
  };
}

/** The document's id where the key's parameters say how MySQL prints it. */
function documentIdOfKey(binding: EntityBinding, key: RowKey): string | undefined {
  const texts = binding.key.map((column, at) => textOfParameter(column, key.parameters[at]));
  if (texts.some((text) => text === undefined)) return undefined;
  const image = Object.fromEntries(binding.key.map(({ name }, at) => [name, texts[at]!]));
  try {
    return documentIdOf(binding, image);
  } catch {
    // Without a row there is nothing to write, and no document has such an id.
    return undefined;
  }
}

function textOfParameter({ codec }: BoundColumn, value: unknown): string | undefined {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint') return String(value);
  if (!(value instanceof Uint8Array)) return undefined;
  if (codec.dataType !== 'bit') return Buffer.from(value).toString('base64');
  return BigInt(`0x${Buffer.from(value).toString('hex') || '0'}`).toString();
}

/** A row as it was locked, and what its write is to be. */
export interface Planned {
  readonly item: RedriveCase;
  readonly write: Omit<PreparedWrite, 'version' | 'deadline'>;
}

/**
 * Rows that one statement may prepare: all have a document, or none has. A row whose document is ahead of MySQL's clock
 * goes by itself: its version must not become its neighbours'.
 */
export function alike(planned: readonly Planned[], now: number): { rows: Planned[]; floor: number }[] {
  const versionOfSlot = ({ item: { slot } }: Planned) => (slot.found ? slot.version : 0);
  const ahead = planned.filter((each) => versionOfSlot(each) >= now);
  const groups = ahead.map((each) => ({ rows: [each], floor: versionOfSlot(each) }));
  for (const presence of ['present', 'absent'] as const) {
    const rows = planned.filter((each) => versionOfSlot(each) < now && each.write.pending.next === presence);
    if (rows.length > 0) groups.push({ rows, floor: Math.max(...rows.map(versionOfSlot)) });
  }
  return groups;
}
