import type { ChangeVerdict } from '../../../src/protocol/adopt.decision.js';
import type { Mutant } from './mutants.js';
import { type Rules, SHIPPED } from './rules.js';
import type { Scenario } from './explorer.js';

const save = (image: number) => ({ kind: 'save', image }) as const;
const insert = (image: number) => ({ kind: 'insert', image }) as const;
const sql = (image: number) => ({ kind: 'sql', image }) as const;
const sqlSoft = (image: number) => ({ kind: 'sqlSoft', image }) as const;
const foreign = (image: number) => ({ kind: 'foreign', image }) as const;
const remove = { kind: 'remove' } as const;
const sqlRemove = { kind: 'sqlRemove' } as const;
const sweeper = { kind: 'sweeper' } as const;
const backstop = { kind: 'backstop' } as const;

const scenario = (
  name: string,
  initial: number | null,
  processes: Scenario['processes'],
  world: Partial<Scenario> = {},
): Scenario => ({ name, initial, processes: [...processes, backstop], ...world });

const ANY: Partial<Scenario> = { clocks: 'any' };
const beside = scenario('an update, and SQL around the library', 0, [save(1), sql(2)]);
const anyClock = scenario('an update, and SQL around the library, any clock', 0, [save(1), sql(2)], ANY);
const changedTwice = scenario('SQL around the library, twice', 0, [sql(1), sql(2)], { faults: 1 });

/** Our rules with one verdict about a change taken for another. */
function verdict(from: ChangeVerdict, to: ChangeVerdict): Rules {
  return {
    ...SHIPPED,
    change: (...given) => {
      const told = SHIPPED.change(...given);
      return told === from ? to : told;
    },
  };
}

const LOST = 'An acknowledged write of the library is undone.';
const DIFFERENT = 'The stores differ, and nobody comes any more.';

/** The rules of the backstop, each spoiled once. */
export const BACKSTOP_MUTANTS: readonly Mutant[] = [
  {
    name: 'the backstop takes the lift of an undecided row for a new write',
    breaks: 'What SQL did to the row before the lift, a soft delete for one, never reaches the index.',
    rules: {
      ...SHIPPED,
      change: (before, after, changed) =>
        before?.state === 'prepare' && after?.state === 'prepare' && after.version > before.version
          ? 'undecided'
          : SHIPPED.change(before, after, changed),
    },
    scenario: scenario('SQL thrice, once a soft delete', 0, [sql(1), sqlSoft(2), sql(3)], { faults: 1 }),
  },
  {
    name: "the backstop adopts at the transaction's commit timestamp",
    breaks:
      'It comes over a document of the library whose statement began earlier: a write that was undone as refused takes effect.',
    rules: { ...SHIPPED, adoptVersion: (_mark, _own, committedAt) => committedAt },
    scenario: { ...anyClock, refusals: true },
  },
  {
    name: "the backstop adopts at the commit timestamp, and a lifted row's write can still be undone",
    breaks: LOST,
    rules: { ...SHIPPED, adoptVersion: (_mark, _own, committedAt) => committedAt, liftedDecided: false },
    scenario: anyClock,
  },
  {
    name: "where the row's version is used up, the backstop goes on above its own last request",
    breaks: 'After a crash nobody knows of that request, and it arrives late.',
    rules: { ...SHIPPED, chained: true, adoptVersion: (mark, own) => Math.max(mark.version, own ?? 0) + 1 },
    scenario: scenario('SQL around the library, there, back and there again', 0, [sql(1), sql(0), sql(1)], {
      faults: 1,
    }),
  },
  {
    name: 'an adopted document carries no marker',
    breaks: 'A write whose version it has takes it for its own landing.',
    rules: { ...SHIPPED, adoptMarked: false },
    scenario: anyClock,
  },
  {
    name: 'a conflict of an adopted document is taken for an earlier delivery of the same',
    breaks: DIFFERENT,
    rules: { ...SHIPPED, afterAdoptConflict: () => 'fine' },
    scenario: changedTwice,
  },
  {
    name: 'the next entry of a key does not wait for the answer to the one before',
    breaks: 'An older image comes over a newer one, or nobody notices that a request was lost.',
    rules: { ...SHIPPED, inOrder: false },
    scenario: beside,
  },
  {
    name: 'the checkpoint is ahead of what is done',
    breaks: 'After a crash the entry is never seen again.',
    rules: { ...SHIPPED, checkpointAhead: 1 },
    scenario: scenario('SQL around the library', 0, [sql(1)], { faults: 1 }),
  },
  {
    name: 'a check is content with any document at or above its version',
    breaks: "A stranger's document above it stays.",
    rules: {
      ...SHIPPED,
      check: (mark, slot, row) =>
        slot.found && slot.version >= mark.version ? 'fine' : SHIPPED.check(mark, slot, row),
    },
    scenario: scenario("an update, and a stranger's document", 0, [save(1), foreign(2)]),
  },
  {
    name: 'a check is content with its very version, marked or not',
    breaks: 'An older adopted image had taken the slot of a write that was undone to a newer one.',
    rules: {
      ...SHIPPED,
      check: (mark, slot, row) =>
        slot.found && slot.version === mark.version ? 'fine' : SHIPPED.check(mark, slot, row),
    },
    scenario: scenario('an update, and SQL around the library twice, any clock', 0, [save(1), sql(2), sql(3)], {
      ...ANY,
      faults: 1,
    }),
  },
  {
    name: 'our own flips and restores are not checked',
    breaks: DIFFERENT,
    rules: verdict('check', 'ignore'),
    scenario: scenario('an update, and SQL around the library twice, any clock', 0, [save(1), sql(2), sql(3)], {
      ...ANY,
      faults: 1,
    }),
  },
  {
    name: 'a change around the library of an undecided row is left to the check of its flip',
    breaks: 'The flip is about the document, which SQL did not change.',
    rules: verdict('adopt-settled', 'undecided'),
    scenario: beside,
  },
  {
    name: 'the document of a deleted row is deleted at "now"',
    breaks: LOST,
    rules: {
      ...SHIPPED,
      gone: (...given) => {
        const told = SHIPPED.gone(...given);
        return told.kind === 'delete' ? { ...told, version: told.version + 3 } : told;
      },
    },
    scenario: scenario('a delete around the library, then an insert, any clock', 0, [sqlRemove, insert(1)], ANY),
  },
  {
    name: 'the document of a deleted row is deleted without reading the row again',
    breaks: LOST,
    rules: {
      ...SHIPPED,
      gone: (mark, slot, row, conflicted) => SHIPPED.gone(mark, slot, row === undefined ? undefined : null, conflicted),
    },
    scenario: scenario('a delete around the library, then an insert', 0, [sqlRemove, insert(1)]),
  },
  {
    name: 'where SQL deleted an undecided row, its slot is not taken',
    breaks: 'Its request lands afterwards: a document without a row.',
    rules: {
      ...SHIPPED,
      gone: (mark, slot, row, conflicted) => SHIPPED.gone({ ...mark, state: 'commit' }, slot, row, conflicted),
    },
    scenario: scenario('an insert, and a delete around the library', null, [insert(1), sqlRemove]),
  },
  {
    name: "the document of a deleted row is deleted above itself only, not above the row's version",
    breaks: 'A sweeper had put the image before back, late: a document without a row.',
    rules: {
      ...SHIPPED,
      gone: (mark, slot, row, conflicted) => SHIPPED.gone({ ...mark, version: 0 }, slot, row, conflicted),
    },
    scenario: scenario(
      'an update that is refused, a sweeper, a delete around the library',
      0,
      [save(1), sweeper, sqlRemove],
      {
        ...ANY,
        refusals: true,
      },
    ),
  },
  {
    name: 'where SQL deleted an undecided row and inserted it anew, the new row is left to its own entry',
    breaks: "The old row's request lands above the adopted document.",
    rules: {
      ...SHIPPED,
      gone: (mark, slot, row, conflicted) => (row ? { kind: 'fine' } : SHIPPED.gone(mark, slot, row, conflicted)),
    },
    scenario: scenario('an insert, a delete and an insert around the library', null, [insert(1), sqlRemove, sql(2)]),
  },
  {
    name: 'a backstop that is far behind adopts without reading the row before',
    breaks: 'Elasticsearch has forgotten the delete that came after, which nobody has flipped yet: it is undone.',
    rules: { ...SHIPPED, lateReads: false },
    scenario: scenario('SQL around the library, then a delete; tombstones forgotten', 0, [remove, sql(2)], {
      faults: 1,
      forgetting: true,
      late: true,
    }),
  },
  {
    name: "a row that is lifted above a stranger's document can still be undone",
    breaks: LOST,
    rules: { ...SHIPPED, liftedDecided: false },
    scenario: scenario("an update, and a stranger's document", 0, [save(1), foreign(2)]),
  },
];
