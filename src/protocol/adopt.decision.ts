import type { RowState } from './row.js';

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
  /** Changed around the library: its image goes to the index at the transaction's commit timestamp. */
  | 'adopt'
  /** Deleted around the library: its document goes at the transaction's commit timestamp. */
  | 'adopt-gone'
  /** Changed around the library while undecided: settle the row first, then drive what it holds through the protocol. */
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
    if (after.version > before.version || !contentChanged) return 'undecided';
    return 'adopt-settled';
  }
  if (before.state === 'prepare') return after.version === before.version ? 'check' : 'adopt';
  if (contentChanged) return 'adopt';
  if (after.version > before.version) return 'check';
  return after.version < before.version ? 'adopt' : 'ignore';
}
