import type { Decider, SlotView } from '../../../src/protocol/row.js';
import type { Rules } from './rules.js';
import type { Row, Settling, State } from './state.js';

/** What the settler does next with a row whose write is decided (`decider: 'mysql'`): `roundForward` in src/settle. */
export function forwardVerdict(rules: Rules, row: Row, slot: SlotView): 'commit' | 'fence' | 'superseded' {
  const verdict = rules.forward(row.version, row.pending!.next, slot);
  return verdict === 'drive' ? 'fence' : verdict;
}

/** The new image goes to the index, unmarked. */
export function forwardImage({ image, pending }: Row): number | null {
  return pending!.next === 'present' ? image : null;
}

/** After a 409: a tombstone at our own delete's version is our own delete. */
export function landedByConflict({ row, slot }: Settling): boolean {
  return row!.pending!.next === 'absent' && slot !== null && !slot.found;
}

/** A reader needs no answer from the index (but after a lift under the strict decider), and a parked row waits for a person. */
export function needsNoLook(
  { row }: State,
  settling: Settling,
  { operator, decider: ruling }: { readonly operator?: boolean; readonly decider?: Decider },
): boolean {
  const { decider, parked } = row!.pending!;
  const served = settling.purpose === 'read' && ruling === 'mysql';
  return decider === 'mysql' && (served || (parked && !operator));
}
