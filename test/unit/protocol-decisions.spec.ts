import { describe, expect, it } from '@jest/globals';
import type { IndexOutcome } from '../../src/protocol/outcome.js';
import type { Operation, PendingWrite, Presence, SlotView } from '../../src/protocol/row.js';
import { decideSettle, type SettleVerdict } from '../../src/protocol/settle.decision.js';
import {
  decideAfterConflict,
  decideAfterIndex,
  decideForward,
  isDoubtful,
  type SlotFate,
  type WriteStep,
} from '../../src/protocol/write.decision.js';

const V = 100;
/** Every kind of thing that the index can hold. A marker counts only at its own version. */
const SLOTS = {
  none: { found: false },
  older: { found: true, version: V - 1, restored: null },
  'older, marked': { found: true, version: V - 1, restored: V - 1 },
  same: { found: true, version: V, restored: null },
  'same, marked': { found: true, version: V, restored: V },
  'same, marked at another version': { found: true, version: V, restored: V - 1 },
  newer: { found: true, version: V + 1, restored: null },
  'newer, marked': { found: true, version: V + 1, restored: V + 1 },
} satisfies Record<string, SlotView>;
type SlotName = keyof typeof SLOTS;
const slotNames = Object.keys(SLOTS) as SlotName[];

/** Writes by operation and by whether their images have a document. */
const WRITES: [Operation, Presence, Presence][] = [
  ['insert', 'absent', 'present'],
  ['update', 'present', 'present'],
  ['update', 'absent', 'present'],
  ['update', 'present', 'absent'],
  ['update', 'absent', 'absent'],
  ['delete', 'present', 'absent'],
  ['delete', 'absent', 'absent'],
];

/** The table of docs/protocol.md, in other words than the code: what must hold of each verdict. */
function expectedVerdict(
  slot: SlotName,
  [operation, before, next]: (typeof WRITES)[number],
  { expired, conflicted, reread }: { expired: boolean; conflicted: boolean; reread: boolean },
): SettleVerdict {
  const undecided = expired ? 'race' : 'in-flight';
  switch (slot) {
    case 'newer':
    case 'newer, marked':
      return 'superseded';
    case 'same':
    case 'same, marked at another version':
      return 'commit';
    case 'same, marked':
      return 'restore';
    case 'older':
    case 'older, marked':
      return undecided;
    case 'none': {
      const takesAway = next === 'absent';
      if (takesAway) return 'commit';
      if (conflicted) return before === 'absent' ? 'restore' : 'reread';
      return operation === 'update' && !reread ? 'reread' : undecided;
    }
  }
}

describe('decideSettle', () => {
  const cases = WRITES.flatMap((write) =>
    slotNames.flatMap((slot) =>
      [0, 1, 2, 3, 4, 5, 6, 7].map((bits) => ({
        write,
        slot,
        facts: { expired: (bits & 1) > 0, conflicted: (bits & 2) > 0, reread: (bits & 4) > 0 },
      })),
    ),
  );

  it(`agrees with the table in all ${cases.length} cases`, () => {
    for (const { write, slot, facts } of cases) {
      const [operation, before, next] = write;
      const pending: PendingWrite = { operation, before, next, decider: 'elasticsearch' };
      const verdict = decideSettle({ version: V, expired: facts.expired, pending }, SLOTS[slot], facts);
      expect({ write, slot, facts, verdict }).toEqual({
        write,
        slot,
        facts,
        verdict: expectedVerdict(slot, write, facts),
      });
    }
  });

  it('never acts on the clock alone: passing the deadline only turns in-flight into race', () => {
    for (const { write, slot, facts } of cases) {
      const [operation, before, next] = write;
      const pending: PendingWrite = { operation, before, next, decider: 'elasticsearch' };
      const [early, late] = [false, true].map((expired) =>
        decideSettle({ version: V, expired, pending }, SLOTS[slot], facts),
      );
      expect(late).toBe(early === 'in-flight' ? 'race' : early);
    }
  });

  it('never restores without a marker, or a lost slot of a write that brings the first document', () => {
    for (const { write, slot, facts } of cases) {
      const [operation, before, next] = write;
      const pending: PendingWrite = { operation, before, next, decider: 'elasticsearch' };
      const verdict = decideSettle({ version: V, expired: facts.expired, pending }, SLOTS[slot], facts);
      if (verdict !== 'restore' || slot === 'same, marked') continue;
      expect({ slot, conflicted: facts.conflicted, before, next }).toEqual({
        slot: 'none',
        conflicted: true,
        before: 'absent',
        next: 'present',
      });
    }
  });
});

describe('decideAfterIndex', () => {
  const OUTCOMES = {
    applied: { kind: 'applied' },
    conflict: { kind: 'conflict' },
    refused: { kind: 'refused', status: 400, type: 't', reason: 'r' },
    certain: { kind: 'unavailable', certain: true, reason: 'r' },
    denied: { kind: 'unavailable', certain: true, denied: true, reason: 'r' },
    uncertain: { kind: 'unavailable', certain: false, reason: 'r' },
    unknown: { kind: 'unknown', reason: 'r' },
  } satisfies Record<string, IndexOutcome>;

  it.each<[keyof typeof OUTCOMES, boolean, WriteStep, WriteStep, WriteStep]>([
    // outcome, may be tried again, decider elasticsearch, the same after a doubtful try, decider mysql
    ['applied', true, 'commit', 'commit', 'commit'],
    ['applied', false, 'commit', 'commit', 'commit'],
    ['conflict', true, 'look', 'look', 'look'],
    ['conflict', false, 'look', 'look', 'look'],
    ['refused', true, 'restore', 'race', 'park'],
    ['refused', false, 'restore', 'race', 'park'],
    // Nothing changes until a person acts: never again at once, never parked.
    ['denied', true, 'restore', 'race', 'leave'],
    ['denied', false, 'restore', 'race', 'leave'],
    ['certain', true, 'retry', 'retry', 'retry'],
    ['certain', false, 'restore', 'race', 'leave'],
    ['uncertain', true, 'retry', 'retry', 'retry'],
    ['uncertain', false, 'race', 'race', 'leave'],
    ['unknown', true, 'leave', 'leave', 'leave'],
    ['unknown', false, 'leave', 'leave', 'leave'],
  ])('%s, may retry: %s → %s (doubtful: %s, mysql: %s)', (outcome, mayRetry, strict, doubtful, available) => {
    expect(decideAfterIndex(OUTCOMES[outcome], 'elasticsearch', mayRetry, false)).toBe(strict);
    expect(decideAfterIndex(OUTCOMES[outcome], 'elasticsearch', mayRetry, true)).toBe(doubtful);
    expect(decideAfterIndex(OUTCOMES[outcome], 'mysql', mayRetry, false)).toBe(available);
    expect(decideAfterIndex(OUTCOMES[outcome], 'mysql', mayRetry, true)).toBe(available);
  });

  it('only an uncertain answer leaves doubt behind', () => {
    const doubtful = Object.entries(OUTCOMES).filter(([, outcome]) => isDoubtful(outcome));
    expect(doubtful.map(([name]) => name)).toEqual(['uncertain']);
  });
});

describe('decideAfterConflict', () => {
  const fates = (next: Presence, row: 'moved' | 'unsettled'): Record<SlotName, SlotFate> =>
    Object.fromEntries(slotNames.map((slot) => [slot, decideAfterConflict(V, next, SLOTS[slot], row)])) as Record<
      SlotName,
      SlotFate
    >;

  it('believes what settling did to the row, whatever the slot holds', () => {
    for (const next of ['present', 'absent'] as const) {
      for (const slot of slotNames) {
        expect(decideAfterConflict(V, next, SLOTS[slot], 'committed')).toBe('landed');
        expect(decideAfterConflict(V, next, SLOTS[slot], 'restored')).toBe('aborted');
      }
    }
  });

  it.each(['moved', 'unsettled'] as const)('of a row that has %s, only the slot at its version tells', (row) => {
    const unknown = Object.fromEntries(slotNames.map((slot) => [slot, 'unknown']));
    expect(fates('present', row)).toEqual({
      ...unknown,
      same: 'landed',
      'same, marked at another version': 'landed',
      'same, marked': 'aborted',
    });
    // A delete leaves no document: an unmarked one at its version is somebody else's.
    expect(fates('absent', row)).toEqual({ ...unknown, 'same, marked': 'aborted' });
  });
});

describe('decideForward', () => {
  it.each<[SlotName, string, string]>([
    // slot, the write brings a document, it takes it away
    ['none', 'drive', 'drive'],
    ['older', 'drive', 'drive'],
    ['older, marked', 'drive', 'drive'],
    ['same', 'commit', 'drive'],
    ['same, marked', 'commit', 'drive'],
    ['same, marked at another version', 'commit', 'drive'],
    ['newer', 'superseded', 'superseded'],
    ['newer, marked', 'superseded', 'superseded'],
  ])('%s → %s (a delete: %s)', (slot, present, absent) => {
    expect(decideForward(V, 'present', SLOTS[slot])).toBe(present);
    expect(decideForward(V, 'absent', SLOTS[slot])).toBe(absent);
  });
});
