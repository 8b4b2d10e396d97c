import type { Scenario } from './explorer.js';
import { BACKSTOP_MUTANTS } from './mutants.backstop.js';
import { type Rules, SHIPPED } from './rules.js';

/** A rule changed for the worse, and a scenario in which that must show. */
export interface Mutant {
  readonly name: string;
  /** What goes wrong, in words. */
  readonly breaks: string;
  readonly rules: Rules;
  readonly scenario: Scenario;
}

const save = (image: number) => ({ kind: 'save', image }) as const;
const soft = (image: number) => ({ kind: 'soft', image }) as const;
const remove = { kind: 'remove' } as const;
const database = { kind: 'database' } as const;
const index = { kind: 'index' } as const;
const sweeper = { kind: 'sweeper' } as const;

const update: Scenario = { name: 'an update', processes: [save(1), database, index], initial: 0 };
const swept: Scenario = { name: 'an update and a sweeper', processes: [save(1), sweeper, database], initial: 0 };
const removed: Scenario = { name: 'an update, then a delete', processes: [save(1), remove, database], initial: 0 };

const decided: Scenario = { name: 'an update, decided', processes: [save(1), database], initial: 0, decider: 'mysql' };

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'the previous image is put back above v, not at it',
    breaks: 'The late request still lands first at `v`: the write appears, and vanishes.',
    rules: { ...SHIPPED, fenceVersion: (version) => version + 0.5 },
    scenario: { ...update, processes: [save(1), sweeper, index, index] },
  },
  {
    name: 'the previous image, put back, carries no marker',
    breaks: 'Who looks takes the previous image for the write: two settlers disagree about who won.',
    rules: { ...SHIPPED, marked: false },
    scenario: { ...swept, processes: [save(1), sweeper, sweeper] },
  },
  {
    name: 'an expired row is restored after a look, without winning the slot',
    breaks: 'The request lands after the row was undone.',
    rules: {
      ...SHIPPED,
      settle: (...given) => {
        const verdict = SHIPPED.settle(...given);
        return verdict === 'race' ? 'restore' : verdict;
      },
    },
    scenario: swept,
  },
  {
    name: 'a missing document is believed without reading the row again',
    breaks: 'A reader who was overtaken by a commit and a delete serves what is long gone.',
    rules: { ...SHIPPED, settle: (row, slot, evidence) => SHIPPED.settle(row, slot, { ...evidence, reread: true }) },
    scenario: removed,
  },
  {
    name: 'the row is read again only where the image before had a document',
    breaks: 'The same for a row that was soft-deleted before.',
    rules: {
      ...SHIPPED,
      settle: (row, slot, evidence) =>
        SHIPPED.settle(row, slot, { ...evidence, reread: evidence.reread || row.pending.before === 'absent' }),
    },
    scenario: { name: 'a recovery, then a soft removal', processes: [save(1), soft(2), database], initial: 100 },
  },
  {
    name: 'the flip does not name its version',
    breaks: 'A late flip commits the next write, which nobody has decided.',
    rules: { ...SHIPPED, versionNamed: false },
    scenario: { name: 'two updates', processes: [save(1), save(2)], initial: 0 },
  },
  {
    name: 'after an unknown outcome the request is repeated, and a refusal of the repetition believed',
    breaks: 'The first try lands after the write was undone and reported as failed.',
    rules: {
      ...SHIPPED,
      afterIndex: (outcome, ...given) =>
        outcome.kind === 'unknown' && given[1] ? 'retry' : SHIPPED.afterIndex(outcome, ...given),
    },
    scenario: { ...update, refusals: true },
  },
  {
    name: 'a 503 of the cluster is taken for certain',
    breaks: "The cluster's own inner try lands after the row was undone.",
    rules: {
      ...SHIPPED,
      afterIndex: (outcome, ...given) =>
        outcome.kind === 'unavailable' ? 'restore' : SHIPPED.afterIndex(outcome, ...given),
    },
    scenario: { ...update, busy: true },
  },
  {
    name: 'the doubt that a 503 leaves is forgotten with the next try',
    breaks: "A refused second try is believed, and the first try's request lands after it.",
    rules: {
      ...SHIPPED,
      afterIndex: (outcome, decider, mayRetry) => SHIPPED.afterIndex(outcome, decider, mayRetry, false),
    },
    scenario: { ...update, busy: true, refusals: true },
  },
  {
    name: 'a conflict is taken for success',
    breaks: 'The slot was lost to a settler: a write is acknowledged that was undone.',
    rules: {
      ...SHIPPED,
      afterIndex: (outcome, ...given) =>
        outcome.kind === 'conflict' ? 'commit' : SHIPPED.afterIndex(outcome, ...given),
    },
    scenario: swept,
  },
  {
    name: 'after a conflict a missing document is taken for a lost write',
    breaks: 'The write landed and was deleted by a later one; its caller is told that it failed.',
    rules: {
      ...SHIPPED,
      afterConflict: (version, next, slot, row) =>
        !slot.found && row !== 'committed' ? 'aborted' : SHIPPED.afterConflict(version, next, slot, row),
    },
    scenario: { ...removed, duplicates: true },
  },
  {
    name: 'Elasticsearch takes equal versions (external_gte)',
    breaks: 'The slot can be won twice: the stores differ.',
    rules: { ...SHIPPED, accepts: (version, held) => version >= held },
    scenario: swept,
  },
  {
    name: 'a write uses the version of the one before again',
    breaks: 'Its document is refused, or taken for the one before.',
    rules: { ...SHIPPED, nextVersion: (held, clock) => held ?? clock },
    scenario: update,
  },
  {
    name: 'a row in flight is served as if its write had landed',
    breaks: 'A reader sees a write that can still fail.',
    rules: { ...SHIPPED, inFlight: 'after' },
    scenario: update,
  },
  {
    name: 'a write that got no answer is reported as failed',
    breaks: 'It may have landed, and readers see it.',
    rules: { ...SHIPPED, left: 'aborted' },
    scenario: update,
  },
  {
    name: 'a parked row is served as MySQL holds it',
    breaks: 'Readers of the row and of the document see different images until a person comes.',
    rules: { ...SHIPPED, parkedImage: (row) => row.image },
    scenario: { ...update, refusals: true, parking: true },
  },
  {
    name: 'a parked row is not read again although the index is ahead of it',
    breaks: 'The row was settled and written again meanwhile: a reader gets an image that was gone before it came.',
    rules: { ...SHIPPED, parkedEnds: (verdict) => verdict !== 'reread' },
    scenario: {
      name: 'an update that is parked, and another',
      processes: [save(1), save(2), database],
      initial: 0,
      parking: true,
    },
  },
  {
    name: "decider 'mysql': a pending row is served as it was before",
    breaks: 'A writer does not read its own acknowledged write while Elasticsearch is away.',
    rules: { ...SHIPPED, decided: 'before' },
    scenario: decided,
  },
  {
    name: "decider 'mysql': an acknowledged write is restored when its document is refused",
    breaks: 'The caller was told success, and the write is gone.',
    rules: {
      ...SHIPPED,
      afterIndex: (outcome, decider, ...given) =>
        SHIPPED.afterIndex(outcome, outcome.kind === 'refused' ? 'elasticsearch' : decider, ...given),
    },
    scenario: { ...decided, refusals: true },
  },
  {
    name: "decider 'mysql': any document in the index is taken for the write",
    breaks: 'The row is committed while the index still holds the image before it.',
    rules: {
      ...SHIPPED,
      forward: (version, next, slot) => (slot.found ? 'commit' : SHIPPED.forward(version, next, slot)),
    },
    scenario: { ...decided, processes: [save(1), sweeper] },
  },
  ...BACKSTOP_MUTANTS,
];
