import type { Operation, RowState, SlotView } from './row.js';

/**
 * What one row change in MySQL's binary log asks of the backstop.
 *
 * | before          | after                | content | who did it                        | verdict         |
 * |-----------------|----------------------|---------|-----------------------------------|-----------------|
 * | –               | `prepare`            |         | our insert                        | `undecided`     |
 * | –               | `commit`             |         | SQL around the library            | `adopt`         |
 * | `prepare`       | –                    |         | our delete, an insert undone, SQL | `check-gone`    |
 * | `commit`        | –                    |         | SQL around the library            | `adopt-gone`    |
 * | `prepare` at v  | `commit` at v        |         | our flip or restore               | `check`         |
 * | any             | `prepare`, newer     |         | our prepare, or a lift            | `undecided`     |
 * | `commit`        | `commit`, newer      | same    | our lift                          | `check`         |
 * | `prepare` at v  | `prepare` at v       | same    | a claim, a renewed deadline       | `undecided`     |
 * | `prepare` at v  | `prepare` at v       | changed | SQL around the library            | `adopt-settled` |
 * | `commit` at v   | `commit` at v        | same    | nothing that a document shows     | `ignore`        |
 * | anything else                             ||         | SQL around the library            | `adopt`         |
 *
 * A change of the primary key is two changes: the old key goes, the new one comes.
 */
export type ChangeVerdict =
  /** Our own prepare: its end will come by the log too. */
  | 'undecided'
  /** Decided by the protocol at the row's version: the index must hold it. */
  | 'check'
  /** The row went while it was undecided: its document must be gone too, unless a later row has the key. */
  | 'check-gone'
  /** Changed around the library: its image goes to the index, marked, at `adoptVersion`. A conflict: `decideAfterAdoptConflict`. */
  | 'adopt'
  /** Deleted around the library: `decideGone`. */
  | 'adopt-gone'
  /** Changed around the library while undecided, or lifted, perhaps after that: settle the row first, `decideSettled`. */
  | 'adopt-settled'
  /** Nothing to do. */
  | 'ignore';

/** The protocol's columns of one image of a row. */
export interface RowMark {
  readonly state: RowState;
  readonly version: number;
}

/** `contentChanged`: any column but the protocol's four differs between the images. */
export function decideChange(before: RowMark | null, after: RowMark | null, contentChanged: boolean): ChangeVerdict {
  if (!before) return after?.state === 'prepare' ? 'undecided' : 'adopt';
  if (!after) return before.state === 'prepare' ? 'check-gone' : 'adopt-gone';
  if (after.state === 'prepare') {
    // Lifted while undecided: what SQL did to the row before that, its pending write does not know.
    if (after.version > before.version) return before.state === 'prepare' ? 'adopt-settled' : 'undecided';
    return contentChanged ? 'adopt-settled' : 'undecided';
  }
  if (before.state === 'prepare') return after.version === before.version ? 'check' : 'adopt';
  if (contentChanged) return 'adopt';
  if (after.version > before.version) return 'check';
  return after.version < before.version ? 'adopt' : 'ignore';
}

/**
 * The version at which the image of a row that was changed around the library goes to the index, marked as a previous
 * image that was put back is.
 *
 * One above the row's, never a clock's time: every later write of the library has that version or a higher one,
 * whatever its clock says, so this request can at most take a write's slot before it (then the marker tells that write that
 * it lost), and never overwrite a write that was acknowledged. At a commit timestamp it could: a statement that waited for
 * the row's lock, or began after MySQL's clock was set back, has a version below it.
 *
 * And the same at every delivery: a second change of the row at the same version is answered 409, and compared. Going on above the
 * backstop's own last request instead would leave a late request behind that nobody knows of after a crash.
 */
export function adoptVersion(mark: RowMark): number {
  return mark.version + 1;
}

/** What the backstop does about one key, once it has looked. */
export type CheckVerdict =
  /** Nothing to do: the index holds it, or a later event of the log is about what is there now. */
  | 'fine'
  /** Read the row (after the look at the slot, never before). */
  | 'read-row'
  /** Compare the row's document with the index (the marker aside). Equal: fine. Different or missing: re-drive the row. */
  | 'compare';

/**
 * After our own flip, restore or lift at `mark.version`. `row`: undefined while it was not read.
 *
 * Only the very version proves it, and no marker: an adopted document may have taken the slot, and have been changed around the library
 * since. An older document was never written, a newer one is somebody else's. A row that has
 * moved on since has a later event in the log, which is checked in its turn. A certain refusal leaves an older document with
 * equal content, so contents are compared before anything is driven.
 */
export function decideCheck(mark: RowMark, slot: SlotView, row: RowMark | null | undefined): CheckVerdict {
  if (slot.found && slot.version === mark.version && slot.restored === null) return 'fine';
  return row === undefined ? 'read-row' : decideAfterAdoptConflict(mark, row);
}

/**
 * An adopted put or delete was answered 409, which proves nothing: an earlier delivery of the same event, the document of an earlier
 * change, a library write, a tombstone, a foreign version. `row`: read after the conflict; null where there is none.
 */
export function decideAfterAdoptConflict(mark: RowMark, row: RowMark | null): 'fine' | 'compare' {
  return row?.state === 'commit' && row.version === mark.version ? 'compare' : 'fine';
}

/** After a change around the library of a row in `prepare` at `mark.version` (`adopt-settled`): `wait` until it is settled. */
export function decideSettled(mark: RowMark, row: RowMark | null): 'wait' | 'fine' | 'compare' {
  if (row?.state === 'prepare' && row.version === mark.version) return 'wait';
  return decideAfterAdoptConflict(mark, row);
}

/** The image before of a row that is gone. `operation`: of its pending write, null where there is none. */
export interface GoneMark extends RowMark {
  readonly operation: Operation | null;
}

export type GoneVerdict =
  | { readonly kind: 'fine' | 'read-row' }
  /** Delete the document at this external version. Applied: done. 409: look again, as `conflicted`. */
  | { readonly kind: 'delete'; readonly version: number }
  /** The key has a new row, and a request of the old one may still come: settle the row (`wait`), or drive it at a version above this. */
  | { readonly kind: 'wait' | 'redrive'; readonly above: number };

/**
 * A row is gone (`check-gone`, `adopt-gone`). `slot` is looked at first, then `row` is read (undefined while it was not): a
 * row that is there afterwards has a later event. `conflicted`: a delete of ours for this event was answered 409 before.
 *
 * A document is deleted at one above its own version, and not below the row's: whoever settled the row may have a request for it on its
 * way. Never at a clock's time: a later insert under the same key can have a version below "now". If the row was undecided and its write
 * brings a document, the delete takes that write's slot, even where there is no document yet.
 */
export function decideGone(
  mark: GoneMark,
  slot: SlotView,
  row: RowMark | null | undefined,
  conflicted = false,
): GoneVerdict {
  const undecided = mark.state === 'prepare' && mark.operation !== 'delete';
  if (!slot.found && (!undecided || conflicted)) return { kind: 'fine' };
  if (row === undefined) return { kind: 'read-row' };
  if (row === null) return { kind: 'delete', version: Math.max(slot.found ? slot.version + 1 : 0, mark.version) };
  if (row.version > mark.version) return { kind: 'fine' };
  return { kind: row.state === 'prepare' ? 'wait' : 'redrive', above: mark.version };
}
