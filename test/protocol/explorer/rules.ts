import {
  adoptVersion,
  decideAfterAdoptConflict,
  decideChange,
  decideCheck,
  decideGone,
  decideSettled,
  type RowMark,
} from '../../../src/protocol/adopt.decision.js';
import { decideSettle, type SettleVerdict } from '../../../src/protocol/settle.decision.js';
import { decideAfterConflict, decideAfterIndex, decideForward } from '../../../src/protocol/write.decision.js';

import type { Image } from './history.js';
import type { Row } from './state.js';

/**
 * What the model is driven by: the shipped decisions, and the few facts about SQL and documents that they rely on.
 * A mutant changes one of them.
 */
export interface Rules {
  readonly settle: typeof decideSettle;
  readonly afterIndex: typeof decideAfterIndex;
  readonly afterConflict: typeof decideAfterConflict;
  readonly forward: typeof decideForward;
  /** At which version the previous image is put back. */
  readonly fenceVersion: (version: number) => number;
  /** Whether the previous image, put back, says so. */
  readonly marked: boolean;
  /** Elasticsearch: is a request at `version` taken where `held` is there? */
  readonly accepts: (version: number, held: number) => boolean;
  /** Whether the statements that end a `prepare` name its version. */
  readonly versionNamed: boolean;
  /** The version of a write, after the row's own (null: no row) and MySQL's clock. */
  readonly nextVersion: (held: number | null, clock: number) => number;
  /** Which image of a row in flight is served. */
  readonly inFlight: 'before' | 'after';
  /** `decider: 'mysql'`: which image of a pending row is served. */
  readonly decided: 'before' | 'after';
  /** Whether a look at a parked row ends with this verdict; `superseded`: how often its version looked so before. */
  readonly parkedEnds: (verdict: SettleVerdict | 'fence', superseded: number) => boolean;
  /** Which image of a parked row is served while the index does not hold its write. */
  readonly parkedImage: (row: Row) => Image;
  /** What the caller is told of a write whose outcome nobody knows. */
  readonly left: 'unknown' | 'aborted';
  /** Whether a write whose row was lifted above a version from outside counts as decided. */
  readonly liftedDecided: boolean;
  readonly change: typeof decideChange;
  /** `own`: of its last request that was applied, where `chained`. `committedAt`: the clock when the change around the library was committed. */
  readonly adoptVersion: (mark: RowMark, own: number | null, committedAt: number) => number;
  /** Whether the backstop remembers the version of its last request. */
  readonly chained: boolean;
  /** Whether an adopted image carries the marker. */
  readonly adoptMarked: boolean;
  readonly check: typeof decideCheck;
  readonly afterAdoptConflict: typeof decideAfterAdoptConflict;
  readonly settled: typeof decideSettled;
  readonly gone: typeof decideGone;
  /** Whether a backstop that is far behind reads the row before it adopts. */
  readonly lateReads: boolean;
  /** Whether the next entry of a key waits for the answer to the one before. */
  readonly inOrder: boolean;
  /** How far beyond what is done the checkpoint may be. */
  readonly checkpointAhead: number;
}

export const SHIPPED: Rules = {
  settle: decideSettle,
  afterIndex: decideAfterIndex,
  afterConflict: decideAfterConflict,
  forward: decideForward,
  fenceVersion: (version) => version,
  marked: true,
  accepts: (version, held) => version > held,
  versionNamed: true,
  nextVersion: (held, clock) => Math.max((held ?? 0) + 1, clock),
  inFlight: 'before',
  decided: 'after',
  parkedEnds: (verdict, superseded) => verdict !== 'reread' && (verdict !== 'superseded' || superseded > 0),
  parkedImage: ({ pending }) => pending!.previous,
  left: 'unknown',
  liftedDecided: true,
  change: decideChange,
  adoptVersion: (mark) => adoptVersion(mark),
  chained: false,
  adoptMarked: true,
  check: decideCheck,
  afterAdoptConflict: decideAfterAdoptConflict,
  settled: decideSettled,
  gone: decideGone,
  lateReads: true,
  inOrder: true,
  checkpointAhead: 0,
};
