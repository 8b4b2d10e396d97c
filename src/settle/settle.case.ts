import type { RowKey } from '../entity/row.key.js';
import type { LoadedRow } from '../mysql/row.store.js';
import type { PreparedRow, SlotView } from '../protocol/row.js';
import type { Resolution, ResolveResult, Unsettled } from './resolution.js';

/** What is known of one key while it is being settled. Everything is about `version` and forgotten with it. */
export interface Case {
  readonly key: RowKey;
  version: number;
  conflicted: boolean;
  reread: boolean;
  superseded: number;
  fenced: number;
  acted: Resolution['acted'];
  actedAt: number | null;
  slot: SlotView | null;
}

export interface Prepared {
  readonly state: Case;
  readonly row: LoadedRow & PreparedRow;
  readonly documentId: string;
}

/** Where a round puts what it has finished. */
export class Round {
  constructor(
    private readonly open: Map<string, Case>,
    private readonly done: ResolveResult,
  ) {}

  finish(state: Case, row: LoadedRow | null, visible: Resolution['visible'], settled: boolean): void {
    const { acted, actedAt, slot, key } = state;
    this.open.delete(key.id);
    this.done.set(key.id, {
      visible,
      // A writer that saw the image before a pending write must not pass for one that saw the write.
      version: row ? (!settled && visible !== row.image ? row.previousVersion : row.version) : 0,
      settled,
      pendingVersion: settled ? null : (row?.version ?? null),
      parked: !settled && (row?.parked ?? false),
      acted,
      actedAt,
      slot,
    });
  }

  fail(state: Case, reason: Unsettled): void {
    this.open.delete(state.key.id);
    this.done.set(state.key.id, reason);
  }
}

export function newCase(key: RowKey, conflictedAt: number | undefined): Case {
  return {
    key,
    ...fresh(conflictedAt ?? -1),
    conflicted: conflictedAt !== undefined,
    acted: null,
    actedAt: null,
    slot: null,
  };
}

export function fresh(version: number) {
  return { version, conflicted: false, reread: false, superseded: 0, fenced: 0 };
}

export function isPrepared(row: LoadedRow): row is LoadedRow & PreparedRow {
  return row.state === 'prepare' && row.pending !== null && row.pending.operation !== null;
}
