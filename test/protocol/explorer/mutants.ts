import type { Scenario } from './explorer.js';
import { type Rules, SHIPPED } from './rules.js';

/** A rule changed for the worse, and a scenario in which that must show. */
export interface Mutant {
  readonly name: string;
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

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'the previous image is put back above v, not at it',
    rules: { ...SHIPPED, fenceVersion: (version) => version + 0.5 },
    scenario: { ...update, processes: [save(1), sweeper, index, index] },
  },
  {
    name: 'the previous image, put back, carries no marker',
    rules: { ...SHIPPED, marked: false },
    scenario: { ...swept, processes: [save(1), sweeper, sweeper] },
  },
  {
    name: 'an expired row is restored after a look, without winning the slot',
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
    rules: { ...SHIPPED, settle: (row, slot, evidence) => SHIPPED.settle(row, slot, { ...evidence, reread: true }) },
    scenario: removed,
  },
  {
    name: 'the row is read again only where the image before had a document',
    rules: {
      ...SHIPPED,
      settle: (row, slot, evidence) =>
        SHIPPED.settle(row, slot, { ...evidence, reread: evidence.reread || row.pending.before === 'absent' }),
    },
    scenario: { name: 'a recovery, then a soft removal', processes: [save(1), soft(2), database], initial: 100 },
  },
  {
    name: 'the flip does not name its version',
    rules: { ...SHIPPED, versionNamed: false },
    scenario: { name: 'two updates', processes: [save(1), save(2)], initial: 0 },
  },
  {
    name: 'after an unknown outcome the request is repeated, and a refusal of the repetition believed',
    rules: {
      ...SHIPPED,
      afterIndex: (outcome, ...given) =>
        outcome.kind === 'unknown' && given[1] ? 'retry' : SHIPPED.afterIndex(outcome, ...given),
    },
    scenario: { ...update, refusals: true },
  },
  {
    name: 'a 503 of the cluster is taken for certain',
    rules: {
      ...SHIPPED,
      afterIndex: (outcome, ...given) =>
        outcome.kind === 'unavailable' ? 'restore' : SHIPPED.afterIndex(outcome, ...given),
    },
    scenario: { ...update, busy: true },
  },
  {
    name: 'the doubt that a 503 leaves is forgotten with the next try',
    rules: {
      ...SHIPPED,
      afterIndex: (outcome, decider, mayRetry) => SHIPPED.afterIndex(outcome, decider, mayRetry, false),
    },
    scenario: { ...update, busy: true, refusals: true },
  },
  {
    name: 'a conflict is taken for success',
    rules: {
      ...SHIPPED,
      afterIndex: (outcome, ...given) =>
        outcome.kind === 'conflict' ? 'commit' : SHIPPED.afterIndex(outcome, ...given),
    },
    scenario: swept,
  },
  {
    name: 'after a conflict a missing document is taken for a lost write',
    rules: {
      ...SHIPPED,
      afterConflict: (version, next, slot, row) =>
        !slot.found && row !== 'committed' ? 'aborted' : SHIPPED.afterConflict(version, next, slot, row),
    },
    scenario: { ...removed, duplicates: true },
  },
  {
    name: 'Elasticsearch takes equal versions (external_gte)',
    rules: { ...SHIPPED, accepts: (version, held) => version >= held },
    scenario: swept,
  },
  {
    name: 'a write uses the version of the one before again',
    rules: { ...SHIPPED, nextVersion: (held, clock) => held ?? clock },
    scenario: update,
  },
  {
    name: 'a row in flight is served as if its write had landed',
    rules: { ...SHIPPED, inFlight: 'after' },
    scenario: update,
  },
  {
    name: 'a write that got no answer is reported as failed',
    rules: { ...SHIPPED, left: 'aborted' },
    scenario: update,
  },
];
