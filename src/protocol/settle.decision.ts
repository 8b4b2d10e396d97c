import type { PreparedRow, SlotView } from './row.js';

/**
 * The settle decision of the strict protocol (`decider: 'elasticsearch'`).
 *
 * Elasticsearch is a write-once register for version `v`: whoever puts anything at external version `v` first wins,
 * everybody else gets 409. So the fate of a row that is in `prepare` at `v` is a question to the index:
 *
 * | the index holds            | and                                | verdict      |
 * |----------------------------|------------------------------------|--------------|
 * | `v`, no restore marker     |                                    | `commit`     |
 * | `v`, marked                |                                    | `restore`    |
 * | newer than `v`             |                                    | `superseded` |
 * | nothing                    | the write takes the document away  | `commit`     |
 * | nothing                    | it brings one, our put got 409     | `restore`    |
 * | nothing                    | it replaces one, our put got 409   | `reread`     |
 * | nothing                    | an update, row not read again      | `reread`     |
 * | older than `v`, or nothing | deadline not passed                | `in-flight`  |
 * | older than `v`, or nothing | deadline passed                    | `race`       |
 *
 * The table was explored exhaustively together with the writer; docs/protocol.md has the argument.
 */
export type SettleVerdict =
  /** The write landed: flip the row to `commit` (a delete removes it). */
  | 'commit'
  /** The write lost its slot: put the undo image back at version `v`. */
  | 'restore'
  /** Nobody may decide yet: a reader is served the previous image. */
  | 'in-flight'
  /** Put the previous image, marked, at version `v` (or delete at `v`, where there was none), then look again. */
  | 'race'
  /** Absence proves nothing by itself: read the row again; the verdict only stands if it is still `prepare` at `v`. */
  | 'reread'
  /** The index is ahead of the row: read the row again; still so → a foreign version, lift the row above it. */
  | 'superseded';

export interface SettleEvidence {
  /** Our own request at `v` was answered 409 before this look. */
  readonly conflicted: boolean;
  /** The row was read again after an earlier look that found nothing, and was still `prepare` at `v`. */
  readonly reread: boolean;
}

export function decideSettle(row: PreparedRow, slot: SlotView, evidence: SettleEvidence): SettleVerdict {
  const { pending, version } = row;
  if (slot.found) {
    if (slot.version > version) return 'superseded';
    if (slot.version === version) return slot.restored === version ? 'restore' : 'commit';
  } else {
    if (pending.next === 'absent') return 'commit';
    if (evidence.conflicted) return pending.before === 'absent' ? 'restore' : 'reread';
    // Also where the image before had no document: the write may have landed, and a later one have taken it away.
    if (pending.operation === 'update' && !evidence.reread) return 'reread';
  }
  return row.expired ? 'race' : 'in-flight';
}
