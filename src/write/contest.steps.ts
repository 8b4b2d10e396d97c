import type { IndexOutcome } from '../protocol/outcome.js';
import type { SlotView } from '../protocol/row.js';
import { decideAfterConflict } from '../protocol/write.decision.js';
import type { Resolution } from '../settle/resolution.js';
import { COMMITTED, type Completion, DEFERRED, failed, type NotTaken, notTaken } from './completion.js';
import type { PreparedWrite } from './prepared.write.js';
import { outcomeUnknown, rowParked, writeAborted } from './write.errors.js';

/*
 * The steps of a write that cannot tell by its own answers whether it has the slot of its version.
 */

/** 409. Settling the row by the usual table tells who took the slot. */
export async function lookForTaker(write: PreparedWrite): Promise<Completion> {
  const resolution = await settleOwn(write, false);
  if (resolution instanceof Error) {
    if (write.pending.decider === 'mysql') return DEFERRED;
    return failed(
      outcomeUnknown(write, `its version was taken, and by whom could not be seen: ${resolution.message}`, resolution),
    );
  }
  if (write.pending.decider === 'mysql') return resolution.settled ? COMMITTED : DEFERRED;
  return byFate(write, resolution, 'its version was taken in the index, and later writes hide by whom');
}

/** One of the tries may have been applied. Winning the slot ourselves makes it certain that none was. */
export async function raceForSlot(write: PreparedWrite, outcome: IndexOutcome): Promise<Completion> {
  const { reason, cause } = { cause: undefined, ...(outcome as NotTaken) };
  const resolution = await settleOwn(write, true);
  if (resolution instanceof Error) return failed(outcomeUnknown(write, reason, cause ?? resolution));
  const ours = resolution.actedAt === write.version;
  if (ours && resolution.acted === 'restored') return failed(notTaken(write, outcome as NotTaken));
  return byFate(write, resolution, reason);
}

async function byFate(write: PreparedWrite, resolution: Resolution, reason: string): Promise<Completion> {
  const acted = resolution.actedAt === write.version ? resolution.acted : null;
  const row = acted ?? (resolution.settled ? 'moved' : 'unsettled');
  // A row that somebody else has settled was not looked up in the index: its slot still tells what he found.
  const slot = resolution.slot ?? (await slotOf(write));
  const fate = decideAfterConflict(write.version, write.pending.next, slot, row);
  if (fate === 'landed') return COMMITTED;
  if (fate === 'aborted') return failed(writeAborted(write));
  return failed(resolution.parked ? rowParked(write, reason) : outcomeUnknown(write, reason));
}

async function slotOf({ context, documentId }: PreparedWrite): Promise<SlotView> {
  const { binding, documents, options } = context;
  const slots = documents.look(binding.alias, [documentId], { timeoutMs: options.writeTimeoutMs });
  return slots.then(
    ([slot]) => slot!,
    () => ({ found: false }),
  );
}

async function settleOwn({ context, key, version }: PreparedWrite, race: boolean): Promise<Resolution | Error> {
  const results = await context.settler.resolve([key], {
    purpose: 'write',
    timeoutMs: context.options.writeTimeoutMs,
    ...(race ? { claimed: new Map([[key.id, version]]) } : { conflictedAt: version }),
  });
  return results.get(key.id)!;
}
