import type { IndexOutcome } from './outcome.js';
import type { Decider, Presence, SlotView } from './row.js';

/** What the writer does after its index request was answered, or was not. */
export type WriteStep =
  /** The write landed: flip the row. */
  | 'commit'
  /** Not applied as far as we know, and the budget allows another try: the same put at the same version is always safe. */
  | 'retry'
  /** No try was applied, for certain: put the undo image back, tell the caller why. */
  | 'restore'
  /** One of the tries may have been applied, by the server itself: win the slot first, then restore. */
  | 'race'
  /** 409: somebody took the slot. Look who. */
  | 'look'
  /** Nobody knows. The row stays `prepare`; whoever comes next settles it. */
  | 'leave'
  /** `decider: 'mysql'`: the write is decided, Elasticsearch refuses its document: a person must look. */
  | 'park';

/**
 * The writer's decision. `doubtful`: an earlier try of this version may have been applied (see `isDoubtful`). Doubt never
 * goes away: a later try that was refused for certain says nothing about the earlier one, so a restore without the race
 * needs certainty of every try. A try whose outcome is unknown is never followed by another.
 */
export function decideAfterIndex(
  outcome: IndexOutcome,
  decider: Decider,
  mayRetry: boolean,
  doubtful: boolean,
): WriteStep {
  switch (outcome.kind) {
    case 'applied':
      return 'commit';
    case 'conflict':
      return 'look';
    case 'unknown':
      return 'leave';
    case 'unavailable':
      if (mayRetry && !outcome.denied) return 'retry';
      if (decider === 'mysql') return 'leave';
      return outcome.certain && !doubtful ? 'restore' : 'race';
    case 'refused':
      if (decider === 'mysql') return 'park';
      return doubtful ? 'race' : 'restore';
  }
}

/** Whether this try leaves doubt behind for those that follow it. */
export function isDoubtful(outcome: IndexOutcome): boolean {
  return outcome.kind === 'unavailable' && !outcome.certain;
}

/** How the writer's own slot ended, by what was seen after a 409 and what became of the row. */
export type SlotFate = 'landed' | 'aborted' | 'unknown';

/**
 * After a 409 under the strict decider. `slot` is the look right after it, `row` what settling then did.
 *
 * A tombstone alone is no proof: a duplicated request can land, be committed and be deleted by a later write, and the
 * second copy is answered 409. Only a row that was still in `prepare` at our version when it was restored proves it.
 */
export function decideAfterConflict(
  version: number,
  next: Presence,
  slot: SlotView,
  row: 'committed' | 'restored' | 'moved' | 'unsettled',
): SlotFate {
  if (row === 'committed') return 'landed';
  if (row === 'restored') return 'aborted';
  if (slot.found && slot.version === version) {
    if (slot.restored === version) return 'aborted';
    if (next === 'present') return 'landed';
  }
  return 'unknown';
}

/** The settle decision of `decider: 'mysql'`: the write is decided, only the index may lag. */
export type ForwardVerdict = 'commit' | 'drive' | 'superseded';

/**
 * | the index holds | verdict |
 * |---|---|
 * | `v`, where the write brings a document | `commit` |
 * | newer than `v` | `superseded`: read the row again; still so → lift it above and drive it again |
 * | older, or nothing | `drive`: put the new image at `v`, or delete at `v`, then commit |
 */
export function decideForward(version: number, next: Presence, slot: SlotView): ForwardVerdict {
  if (slot.found && slot.version > version) return 'superseded';
  if (slot.found && slot.version === version && next === 'present') return 'commit';
  return 'drive';
}
