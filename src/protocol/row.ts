/**
 * What the protocol knows of a row and of its document. Pure data: no I/O, no Nest, no SQL.
 */

/** The two states of a row, as MySQL's own binary log coordinator names them. */
export type RowState = 'commit' | 'prepare';

/** What happens to the MySQL row when the pending write commits or is restored. */
export type Operation = 'insert' | 'update' | 'delete';

/** Whether an image of the row has a document. A soft-deleted row, or one that `when` leaves out, has none. */
export type Presence = 'present' | 'absent';

/** Who decides whether a prepared write happened. See docs/protocol.md. */
export type Decider = 'elasticsearch' | 'mysql';

/** The part of the `pending` column that decisions need. `previous`, the undo image, stays with the row store. */
export interface PendingWrite {
  readonly operation: Operation;
  /** Has the new image a document? */
  readonly next: Presence;
  /** Had the image before it one? */
  readonly before: Presence;
  /** Under whose rule the write was prepared: a later change of the option must not change its fate. */
  readonly decider: Decider;
}

/** A row in state `prepare`, as one reading of MySQL saw it. */
export interface PreparedRow {
  readonly version: number;
  /** `deadline < UTC_TIMESTAMP(6)`, by MySQL's clock. Safety never depends on it, only who may act. */
  readonly expired: boolean;
  readonly pending: PendingWrite;
}

/** What a realtime GET by id saw. Elasticsearch tells no version for a deleted document. */
export type SlotView =
  | { readonly found: false }
  | {
      readonly found: true;
      readonly version: number;
      /** The document's `consistency_restored` field: the version at which it was put back, or null. */
      readonly restored: number | null;
    };

/** The field in a document that says "this is the previous image, put back at this version". */
export const RESTORED_FIELD = 'consistency_restored';

/** Versions are exact in JavaScript up to here; microseconds since 1970 reach it in the year 2255. */
export const MAX_VERSION = Number.MAX_SAFE_INTEGER;
