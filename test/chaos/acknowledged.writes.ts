import { isRecordedWrite, type Recorded } from './history.reader.js';
import type { ItemState } from './item.model.js';

/**
 * Acknowledged writes that the final state has forgotten. A second opinion beside the linearizability check, and a blunt
 * one: the write whose value the row holds at the end must not have been answered before an acknowledged write of a value
 * began; and a row that is gone must have been removed after that.
 */
export function lostWrites(recorded: readonly Recorded[], final: ItemState): Recorded[] {
  const writes = recorded.filter(isRecordedWrite);
  const endedAt = (one: Recorded): number =>
    one.answer === null || one.answer.result === 'unknown' ? Infinity : one.answer.t;
  const mayHaveHappened = writes.filter(
    ({ answer }) => !answer || answer.result === 'ok' || answer.result === 'unknown',
  );
  const last =
    final === null
      ? mayHaveHappened.filter(({ call }) => call.kind === 'remove')
      : mayHaveHappened.filter(({ call }) => call.value === final.value && setsValue(call.kind));
  const latest = Math.max(-Infinity, ...last.map(endedAt));
  return writes.filter(({ call, answer }) => answer?.result === 'ok' && setsValue(call.kind) && call.t > latest);
}

function setsValue(kind: string): boolean {
  return kind !== 'remove' && kind !== 'softRemove' && kind !== 'recover';
}

/** Versions of one key's row that certainly, or perhaps, belong to a write that did not happen. */
export class UsedUpVersions {
  private readonly versions = new Set<number>();
  private unnamed = false;

  add({ answer }: Recorded): void {
    if (answer && (answer.result === 'ok' || answer.result === 'exists' || answer.result === 'missing')) return;
    if (answer?.version !== undefined) this.versions.add(answer.version);
    // A killed writer's last answers, and a unit of work's, name no version.
    else if (!answer || answer.result === 'unknown' || answer.code?.startsWith('INDEX_')) this.unnamed = true;
  }

  has(version: number): boolean {
    return this.unnamed || this.versions.has(version);
  }
}
