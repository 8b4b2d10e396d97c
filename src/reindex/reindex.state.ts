/**
 * - `idle`: one index, by its alias.
 * - `following`: the index behind the alias decides, the new one follows.
 * - `swapped`: the new one decides, the former one follows, until `finish` or a rollback.
 */
export type ReindexPhase = 'idle' | 'following' | 'swapped';

/** What writers and readers go by. */
export interface ReindexView {
  readonly phase: ReindexPhase;
  /** Grows with every change that concerns them. */
  readonly epoch: number;
  readonly decider: string;
  readonly follower: string | null;
  readonly sinceVersion: number;
  /** No write may begin: the indices are about to be exchanged. */
  readonly isClosing: boolean;
  /** The barrier should have been opened. */
  readonly isOverdue: boolean;
  /** MySQL's clock, in µs since 1970. */
  readonly nowMicros: number;
}

/** How far the copy of one table is. */
export interface CopyPlace {
  /** The last copied row's key; null before the first. */
  readonly after: readonly string[] | null;
  readonly rows: number;
  readonly copied: number;
  readonly isDone: boolean;
}

/** The row of `consistent_reindex`, as who carries it out needs it. */
export interface KeptReindex {
  readonly alias: string;
  readonly phase: ReindexPhase;
  readonly step: string;
  readonly epoch: number;
  readonly formerIndex: string | null;
  readonly nextIndex: string | null;
  readonly decider: string | null;
  readonly follower: string | null;
  readonly missed: number;
  readonly lastMissed: string | null;
  /** By table. */
  readonly progress: Readonly<Record<string, CopyPlace>>;
  readonly isClosing: boolean;
  /** UTC, by MySQL's clock. */
  readonly startedAt: string;
  readonly updatedAt: string;
  /** For how long nobody has written to the alias itself; null where that is not so yet. */
  readonly armedForMs: number | null;
}
