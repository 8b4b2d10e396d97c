import { describe, expect, it } from '@jest/globals';
import { ITEM_MODEL } from './history.printer.js';
import { type Recorded, toChecked } from './history.reader.js';
import type { Return } from './history.js';
import { checkLinearizability } from './linearizability.checker.js';

const SECOND_NS = 1e9;
let serial = 0;

function write(value: string, from: number, to: number | null, answer: Partial<Return> = { result: 'ok' }): Recorded {
  const n = ++serial;
  const call = { n, t: from * SECOND_NS, key: 'k', kind: 'save' as const, value, listed: true };
  return { name: `w:${n}`, call, answer: to === null ? null : ({ n, t: to * SECOND_NS, ...answer } as Return) };
}

function read(value: string, at: number): Recorded {
  const n = ++serial;
  const seen = { value, listed: true, deleted: false };
  const answer: Return = { n, t: (at + 1) * SECOND_NS, result: 'seen', seen };
  return { name: `r:${n}`, call: { n, t: at * SECOND_NS, key: 'k', kind: 'row' }, answer };
}

const isGood = (...history: Recorded[]): boolean => checkLinearizability(ITEM_MODEL, toChecked(history), [null]).ok;

describe('a write of unknown fate', () => {
  it.each([
    ['killed', null, undefined],
    ['without a version', 2, { result: 'unknown' as const }],
  ])('%s: may appear after a write that was acknowledged soon after, and not after one much later', (_, to, answer) => {
    const unknown = write('a', 1, to, answer);
    expect(isGood(unknown, write('b', 5, 6), read('a', 8))).toBe(true);
    expect(isGood(unknown, write('b', 200, 201), read('a', 203))).toBe(false);
    expect(isGood(unknown, read('a', 100), write('b', 200, 201), read('b', 203))).toBe(true);
  });

  it('with a version: not after one with a higher version, whenever that began', () => {
    const unknown = write('a', 1, 2, { result: 'unknown', version: 10 });
    expect(isGood(unknown, write('b', 3, 4, { result: 'ok', version: 11 }), read('a', 6))).toBe(false);
    expect(isGood(unknown, write('b', 3, 4, { result: 'ok', version: 9 }), read('a', 6))).toBe(true);
  });
});
