import type { Scenario } from './explorer.js';
import type { Spec } from './state.js';

const save = (image: number): Spec => ({ kind: 'save', image });
const soft = (image: number): Spec => ({ kind: 'soft', image });
const insert = (image: number): Spec => ({ kind: 'insert', image });
const remove: Spec = { kind: 'remove' };
const database: Spec = { kind: 'database' };
const index: Spec = { kind: 'index' };
const sweeper: Spec = { kind: 'sweeper' };

/** `initial`: 0 for a row with a document, 100 for a soft-deleted one, null for none. */
const scenario = (
  name: string,
  initial: number | null,
  processes: Spec[],
  world: Partial<Scenario> = {},
): Scenario => ({
  name,
  initial,
  processes,
  ...world,
});

/** Small enough for every run of the tests. */
export const SHORT: readonly Scenario[] = [
  scenario('an update under every answer', 0, [save(1), database, index], { refusals: true, busy: true }),
  scenario('a delete under every answer', 0, [remove, database, index], { refusals: true, busy: true }),
  scenario('an insert under every answer', null, [insert(1), database, index], { refusals: true, busy: true }),
  scenario('an update, two sweepers', 0, [save(1), sweeper, sweeper], { busy: true }),
  scenario('two updates, requests that arrive twice', 0, [save(1), save(2)], { refusals: true, duplicates: true }),
  scenario('an update and a delete', 0, [save(1), remove], { busy: true, duplicates: true }),
  scenario('a delete and an insert', 0, [remove, insert(1), index]),
  scenario('two inserts', null, [insert(1), insert(2)], { refusals: true }),
  scenario('an insert and a delete, tombstones forgotten', null, [save(1), remove], { forgetting: true }),
  scenario('a recovery and a soft removal', 100, [save(1), soft(2), database]),
];

/** For the long mode. */
export const LONG: readonly Scenario[] = [
  ...SHORT,
  scenario('an update, a delete, a reader', 0, [save(1), remove, database]),
  scenario('two updates, a reader, an index reader', 0, [save(1), save(2), database, index]),
  scenario('an insert, a delete, a sweeper', null, [save(1), remove, sweeper, index]),
  scenario('two updates and a delete', 0, [save(1), save(2), remove]),
  scenario('an insert, a delete, an insert', null, [insert(1), remove, insert(2)]),
  scenario('two updates, a reader, every answer', 0, [save(1), save(2), database], {
    refusals: true,
    busy: true,
    duplicates: true,
  }),
  scenario('an update, a delete, a reader, tombstones forgotten', 0, [save(1), remove, database], { forgetting: true }),
];
