import { describe, expect, it } from '@jest/globals';
import { ITEM_MODEL } from './history.printer.js';
import type { ItemAction, ItemState, ReadKind, WriteKind } from './item.model.js';
import { type CheckedOperation, checkLinearizability } from './linearizability.checker.js';
import { SeededRandom } from './seeded.random.js';

type Operation = CheckedOperation<ItemAction>;

const listed = (value: string): ItemState => ({ value, listed: true, deleted: false });

function write(invokedAt: number, returnedAt: number, kind: WriteKind, value = '', more: object = {}): Operation {
  return { invokedAt, returnedAt, isRead: false, action: { kind, value, listed: true, ...more } };
}
/** A write that timed out. */
const unknown = (invokedAt: number, kind: WriteKind, value = '', until?: number): Operation => ({
  ...write(invokedAt, Infinity, kind, value),
  ...(until === undefined ? {} : { until }),
});
function read(invokedAt: number, returnedAt: number, seen: string | ItemState, kind: ReadKind = 'row'): Operation {
  const state = typeof seen === 'string' ? listed(seen) : seen;
  return { invokedAt, returnedAt, isRead: true, action: { kind, seen: state } };
}

const isGood = (...operations: Operation[]): boolean => checkLinearizability(ITEM_MODEL, operations, [null]).ok;

describe('good histories', () => {
  it.each<[string, Operation[]]>([
    ['nothing', []],
    ['one after the other', [write(1, 2, 'insert', 'a'), read(3, 4, 'a'), write(5, 6, 'remove'), read(7, 8, null)]],
    ['a read during the write sees the old image', [write(1, 10, 'insert', 'a'), read(2, 3, null)]],
    ['a read during the write sees the new image', [write(1, 10, 'insert', 'a'), read(2, 3, 'a')]],
    ['first old, then new', [write(1, 10, 'insert', 'a'), read(2, 3, null), read(4, 5, 'a')]],
    ['overlapping reads in any order', [write(1, 10, 'insert', 'a'), read(2, 6, 'a'), read(3, 7, null)]],
    [
      'concurrent writes, the earlier call wins',
      [write(1, 9, 'save', 'a'), write(2, 8, 'save', 'b'), read(10, 11, 'a')],
    ],
    ['a timed-out write that landed', [write(1, 2, 'insert', 'a'), unknown(3, 'update', 'b'), read(9, 10, 'b')]],
    ['a timed-out write that did not', [write(1, 2, 'insert', 'a'), unknown(3, 'update', 'b'), read(9, 10, 'a')]],
    [
      'a timed-out write that appears late, but once',
      [write(1, 2, 'insert', 'a'), unknown(3, 'update', 'b'), read(5, 6, 'a'), read(7, 8, 'b'), read(9, 10, 'b')],
    ],
    [
      'a timed-out remove explains the second insert',
      [write(1, 2, 'insert', 'a'), unknown(3, 'remove'), read(4, 5, 'a'), write(6, 7, 'insert', 'b'), read(8, 9, 'b')],
    ],
    [
      'index and database agree on the moment',
      [
        write(1, 2, 'insert', 'a'),
        write(3, 10, 'update', 'b'),
        read(4, 5, 'b', 'document'),
        read(6, 7, 'b'),
        read(11, 12, 'b', 'document'),
      ],
    ],
    [
      'a row without a document: unlisted',
      [
        write(1, 2, 'insert', 'a', { listed: false }),
        read(3, 4, null, 'document'),
        read(5, 6, { value: 'a', listed: false, deleted: false }),
      ],
    ],
    [
      'softly deleted and back',
      [
        write(1, 2, 'insert', 'a'),
        write(3, 4, 'softRemove'),
        read(5, 6, null, 'document'),
        read(5, 6, null, 'live'),
        read(5, 6, { value: 'a', listed: true, deleted: true }),
        write(7, 8, 'recover'),
        read(9, 10, 'a', 'document'),
      ],
    ],
    [
      'a duplicate key while the row is there, a missing row while it is not',
      [read(1, 2, null, 'missing'), write(3, 4, 'insert', 'a'), read(5, 6, null, 'exists')],
    ],
    [
      'an expected version that still held',
      [write(1, 2, 'insert', 'a'), write(3, 4, 'cas', 'b', { expected: listed('a') })],
    ],
  ])('%s', (_name, operations) => {
    expect(isGood(...operations)).toBe(true);
  });
});

describe('bad histories', () => {
  it.each<[string, Operation[]]>([
    ['a stale read', [write(1, 2, 'insert', 'a'), write(3, 4, 'update', 'b'), read(5, 6, 'a')]],
    ['an acknowledged write that is gone', [write(1, 2, 'insert', 'a'), read(3, 4, null)]],
    ['a value that nobody wrote', [write(1, 2, 'insert', 'a'), read(3, 4, 'x')]],
    [
      'new, then old again',
      [write(1, 2, 'insert', 'a'), write(3, 10, 'update', 'b'), read(4, 5, 'b'), read(6, 7, 'a')],
    ],
    [
      'new in the index, then old in the database',
      [write(1, 2, 'insert', 'a'), write(3, 10, 'update', 'b'), read(4, 5, 'b', 'document'), read(6, 7, 'a')],
    ],
    [
      'new in the database, then old in the index',
      [write(1, 2, 'insert', 'a'), write(3, 10, 'update', 'b'), read(4, 5, 'b'), read(6, 7, 'a', 'document')],
    ],
    [
      'a lost update',
      [
        write(1, 2, 'insert', 'a'),
        write(3, 6, 'cas', 'b', { expected: listed('a') }),
        write(4, 7, 'cas', 'c', { expected: listed('a') }),
      ],
    ],
    ['a removed row that came back', [write(1, 2, 'insert', 'a'), write(3, 4, 'remove'), read(5, 6, 'a')]],
    [
      'a removed document that came back',
      [write(1, 2, 'insert', 'a'), write(3, 4, 'remove'), read(5, 6, null), read(7, 8, 'a', 'document')],
    ],
    [
      'a timed-out write that appears and vanishes',
      [write(1, 2, 'insert', 'a'), unknown(3, 'update', 'b'), read(5, 6, 'b'), read(7, 8, 'a')],
    ],
    [
      'a timed-out write that appears twice',
      [
        write(1, 2, 'insert', 'a'),
        unknown(3, 'update', 'b'),
        read(5, 6, 'b'),
        write(7, 8, 'update', 'c'),
        read(9, 10, 'c'),
        read(11, 12, 'b'),
      ],
    ],
    [
      'a timed-out write that lands after a later one was acknowledged',
      [write(1, 2, 'insert', 'a'), unknown(3, 'update', 'b', 6), write(5, 6, 'update', 'c'), read(7, 8, 'b')],
    ],
    ['two inserts', [write(1, 2, 'insert', 'a'), write(3, 4, 'insert', 'b')]],
    ['an update of a missing row', [write(1, 2, 'update', 'a')]],
    ['a duplicate key of no row', [read(1, 2, null, 'exists')]],
    [
      'a softly deleted row that still has its document',
      [write(1, 2, 'insert', 'a'), write(3, 4, 'softRemove'), read(5, 6, 'a', 'document')],
    ],
    ['an unlisted row with a document', [write(1, 2, 'insert', 'a', { listed: false }), read(3, 4, 'a', 'document')]],
    [
      'concurrent reads that disagree on the order of writes',
      [write(1, 20, 'save', 'a'), write(1, 20, 'save', 'b'), read(2, 3, 'a'), read(4, 5, 'b'), read(6, 7, 'a')],
    ],
  ])('%s', (_name, operations) => {
    expect(isGood(...operations)).toBe(false);
  });

  it('names the answer that fits no order, and when all was quiet before it', () => {
    const stale = read(20, 21, 'a');
    const history = [write(1, 2, 'insert', 'a'), write(3, 4, 'update', 'b'), write(18, 25, 'update', 'c'), stale];
    const verdict = checkLinearizability(ITEM_MODEL, history, [null]);
    expect(verdict).toMatchObject({ ok: false, failed: stale, quietAt: 18, statesWhenQuiet: [listed('b')] });
  });
});

describe('random histories', () => {
  /** Real concurrency around a real register: each operation takes place somewhere between call and answer. */
  function simulate(seed: number): Operation[] {
    const random = new SeededRandom(seed, 'simulation');
    const kinds: WriteKind[] = ['insert', 'save', 'update', 'remove', 'softRemove', 'recover', 'list'];
    const plans = Array.from({ length: 60 }, (_, at) => {
      const start = random.between(0, 400);
      const end = start + random.between(1, 40);
      return { at, start, moment: start + random.next() * (end - start), end, isRead: random.chance(0.5) };
    });
    let state: ItemState = null;
    const operations: Operation[] = [];
    for (const { at, start, moment, end, isRead } of plans.sort((a, b) => a.moment - b.moment)) {
      void moment;
      if (isRead) {
        operations.push(read(start, end, state));
        continue;
      }
      const action = { kind: random.pick(kinds), value: `v${at}`, listed: random.chance(0.7) };
      const next = ITEM_MODEL.step(state, action);
      if (next === undefined) continue;
      const timesOut = random.chance(0.3);
      if (!timesOut || random.chance(0.5)) state = next;
      operations.push({ invokedAt: start, returnedAt: timesOut ? Infinity : end, isRead: false, action });
    }
    return operations;
  }

  it('are good when they come from a register', () => {
    for (let seed = 1; seed <= 150; seed++)
      expect({ seed, good: isGood(...simulate(seed)) }).toEqual({ seed, good: true });
  });

  it('are bad once a read of a value that had been overwritten before is added', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const operations = simulate(seed);
      const later = [write(1_000, 1_001, 'save', 'first'), write(1_002, 1_003, 'save', 'second')];
      expect(isGood(...operations, ...later)).toBe(true);
      const stale = read(1_004, 1_005, { value: 'first', listed: true, deleted: false });
      expect(isGood(...operations, ...later, stale)).toBe(false);
    }
  });
});
