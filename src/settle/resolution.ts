import type { RowImage } from '../entity/row.image.js';
import type { LoadedRow } from '../mysql/row.store.js';
import type { SettlePurpose } from '../observe/consistent.events.js';
import type { SlotView } from '../protocol/row.js';

/** What became of one row that somebody asked about. */
export interface Resolution {
  /** What a reader may see: an image of the row, or null where no row is to be seen. */
  readonly visible: RowImage | null;
  /** The version of that image: what optimistic concurrency must compare with. 0 where there is no row. */
  readonly version: number;
  /** False while the row stays in `prepare`: in flight under its writer, parked, or decided and waiting for the index. */
  readonly settled: boolean;
  /** The version that is still pending, where it is not settled. */
  readonly pendingVersion: number | null;
  /** True when the row waits for a person. */
  readonly parked: boolean;
  /** What this settler itself did to the row at `actedAt`, if it did anything. */
  readonly acted: 'committed' | 'restored' | null;
  readonly actedAt: number | null;
  /** The slot as last seen, where the index was asked. */
  readonly slot: SlotView | null;
}

/** The row cannot be settled now: a store could not be asked, or the row moved under us too often. */
export class Unsettled extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
  }
}

/** The image after the pending write. */
export function imageAfter(row: LoadedRow): RowImage | null {
  return row.pending?.operation === 'delete' ? null : row.image;
}

/** The image before the pending write. A delete has not touched the row's columns yet. */
export function imageBefore(row: LoadedRow): RowImage | null {
  if (row.pending?.operation === 'insert') return null;
  return row.pending?.operation === 'update' ? row.previous : row.image;
}

export interface ResolveOptions {
  readonly purpose: SettlePurpose;
  readonly timeoutMs: number;
  /**
   * Versions by key id that may be raced for whatever their deadline: a claim has moved it, or the caller is the writer.
   * Only these: by now the row can be under another writer, who has time left.
   */
  readonly claimed?: ReadonlyMap<string, number>;
  /** Settle parked rows too: an operator asked for it. */
  readonly retryParked?: boolean;
  /** Our own request at this version was answered 409. Only with a single key. */
  readonly conflictedAt?: number;
}

/** One answer for every key that was asked about. */
export type ResolveResult = Map<string, Resolution | Unsettled>;
