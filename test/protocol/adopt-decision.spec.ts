import { describe, expect, it } from '@jest/globals';
import {
  adoptVersion,
  decideAfterAdoptConflict,
  decideCheck,
  decideGone,
  decideSettled,
  type RowMark,
} from '../../src/protocol/adopt.decision.js';
import type { SlotView } from '../../src/protocol/row.js';

const commit = (version: number): RowMark => ({ state: 'commit', version });
const prepare = (version: number): RowMark => ({ state: 'prepare', version });
const nothing: SlotView = { found: false };
const holds = (version: number, restored: number | null = null): SlotView => ({ found: true, version, restored });

describe('what the backstop does about a change', () => {
  it('adopts one above the row', () => {
    expect(adoptVersion(commit(5))).toBe(6);
    expect(adoptVersion(commit(0))).toBe(1);
  });

  it('believes the very version of a check, and nothing else', () => {
    expect(decideCheck(commit(5), holds(5), undefined)).toBe('fine');
    expect(decideCheck(commit(5), holds(5, 5), undefined)).toBe('read-row');
    for (const slot of [holds(4), holds(6), nothing]) {
      expect(decideCheck(commit(5), slot, undefined)).toBe('read-row');
      expect(decideCheck(commit(5), slot, commit(5))).toBe('compare');
      expect(decideCheck(commit(5), slot, commit(7))).toBe('fine');
      expect(decideCheck(commit(5), slot, prepare(7))).toBe('fine');
      expect(decideCheck(commit(5), slot, null)).toBe('fine');
    }
  });

  it('compares after a conflict only what no later event is about', () => {
    expect(decideAfterAdoptConflict(commit(5), commit(5))).toBe('compare');
    expect(decideAfterAdoptConflict(commit(5), commit(6))).toBe('fine');
    expect(decideAfterAdoptConflict(commit(5), prepare(6))).toBe('fine');
    expect(decideAfterAdoptConflict(commit(5), null)).toBe('fine');
  });

  it('waits for a row that was changed while undecided', () => {
    expect(decideSettled(prepare(5), prepare(5))).toBe('wait');
    expect(decideSettled(prepare(5), commit(5))).toBe('compare');
    expect(decideSettled(prepare(5), prepare(6))).toBe('fine');
    expect(decideSettled(prepare(5), null)).toBe('fine');
  });

  it('deletes the document of a row that is gone, above itself only', () => {
    const gone = { ...commit(5), operation: null };
    expect(decideGone(gone, nothing, undefined)).toEqual({ kind: 'fine' });
    expect(decideGone(gone, holds(4), undefined)).toEqual({ kind: 'read-row' });
    expect(decideGone(gone, holds(4), commit(8))).toEqual({ kind: 'fine' });
    expect(decideGone(gone, holds(4), commit(0))).toEqual({ kind: 'redrive', above: 5 });
    expect(decideGone(gone, holds(2), null)).toEqual({ kind: 'delete', version: 5 });
    expect(decideGone(gone, holds(5), null)).toEqual({ kind: 'delete', version: 6 });
    expect(decideGone({ ...prepare(7), operation: 'delete' }, nothing, undefined)).toEqual({ kind: 'fine' });
  });

  it('takes the slot of a request that may be on its way to a row that is gone', () => {
    const gone = { ...prepare(7), operation: 'update' } as const;
    expect(decideGone(gone, nothing, undefined)).toEqual({ kind: 'read-row' });
    expect(decideGone(gone, nothing, null)).toEqual({ kind: 'delete', version: 7 });
    expect(decideGone(gone, holds(4), null)).toEqual({ kind: 'delete', version: 7 });
    expect(decideGone(gone, holds(7), null)).toEqual({ kind: 'delete', version: 8 });
    expect(decideGone(gone, nothing, null, true)).toEqual({ kind: 'fine' });
    expect(decideGone(gone, nothing, commit(8))).toEqual({ kind: 'fine' });
    expect(decideGone(gone, nothing, commit(0))).toEqual({ kind: 'redrive', above: 7 });
    expect(decideGone(gone, nothing, prepare(3))).toEqual({ kind: 'wait', above: 7 });
  });
});
