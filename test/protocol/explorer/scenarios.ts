import type { Scenario } from './explorer.js';
import { BACKSTOP_LARGE, BACKSTOP_SMALL } from './scenarios.backstop.js';
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

const BY_MYSQL: Partial<Scenario> = { decider: 'mysql' };

/** Elasticsearch forgets what it likes of its own tombstones. */
const FORGETFUL: Partial<Scenario> = { forgetting: 'early' };

/** The one assumption dropped: Elasticsearch forgets a delete while an older request is under way. These must violate. */
export const WITHOUT_TOMBSTONES: readonly Scenario[] = [
  scenario('a delete, and the late request of one who raced for its slot', 0, [save(1), remove], FORGETFUL),
  scenario('an insert that was undone, and its late request', null, [insert(1), sweeper], FORGETFUL),
];

/** Deletes are documents, which are only purged: nothing may be found. */
export const DURABLE: readonly Scenario[] = [
  scenario('an update and a delete', 0, [save(1), remove], FORGETFUL),
  scenario('an insert that is undone, and another', null, [insert(1), insert(2), sweeper], FORGETFUL),
  scenario('a delete, an insert after it, an index reader', 0, [remove, insert(1), index], FORGETFUL),
  scenario('an update and a soft removal', 0, [save(1), soft(2)], FORGETFUL),
  scenario("decider 'mysql': an update and a delete", 0, [save(1), remove], { ...FORGETFUL, ...BY_MYSQL, busy: true }),
].map((given) => ({ ...given, name: `durable tombstones: ${given.name}`, durable: true }));

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
  scenario('a delete, an insert after it, tombstones forgotten', 0, [remove, insert(1), database], {
    forgetting: true,
  }),
  scenario('an update whose undoing is refused, and parked', 0, [save(1), database, index], {
    refusals: true,
    busy: true,
    parking: true,
  }),
  scenario('an update parked by a sweeper, then another', 0, [save(1), save(2), sweeper], { parking: true }),
  scenario("decider 'mysql': an update under every answer", 0, [save(1), sweeper, database, database], {
    ...BY_MYSQL,
    refusals: true,
    busy: true,
  }),
  scenario("decider 'mysql': an update written over", 0, [save(1), save(2), database], BY_MYSQL),
  scenario("decider 'mysql': an update and a delete", 0, [save(1), remove, database], BY_MYSQL),
  ...DURABLE,
  ...BACKSTOP_SMALL,
];

/** For the long mode; those at the end begin first. */
export const LONG: readonly Scenario[] = [
  ...SHORT,
  scenario('an update, a delete, a reader', 0, [save(1), remove, database]),
  scenario('two updates, a reader, an index reader', 0, [save(1), save(2), database, index]),
  scenario('an insert, a delete, a sweeper', null, [save(1), remove, sweeper, index]),
  scenario('two updates and a delete', 0, [save(1), save(2), remove]),
  scenario('an insert, a delete, an insert', null, [insert(1), remove, insert(2)]),
  scenario('an update, a delete, a reader, tombstones forgotten', 0, [save(1), remove, database], { forgetting: true }),
  scenario('a delete, an insert after it, an index reader, every answer', 0, [remove, insert(1), index], {
    refusals: true,
    busy: true,
    forgetting: true,
  }),
  scenario('two updates, two sweepers', 0, [save(1), save(2), sweeper, sweeper]),
  scenario('an update that is parked, another, a reader', 0, [save(1), save(2), database], {
    refusals: true,
    parking: true,
  }),
  scenario('an update that is parked, a sweeper, both readers', 0, [save(1), sweeper, database, index], {
    busy: true,
    parking: true,
  }),
  scenario("decider 'mysql': two updates, a delete", 0, [save(1), save(2), remove], BY_MYSQL),
  scenario("decider 'mysql': two updates, a reader, every answer", 0, [save(1), save(2), database], {
    ...BY_MYSQL,
    refusals: true,
    busy: true,
    duplicates: true,
  }),
  scenario("decider 'mysql': a delete, an insert, a sweeper, every answer", 0, [remove, insert(1), sweeper], {
    ...BY_MYSQL,
    refusals: true,
    busy: true,
  }),
  ...BACKSTOP_LARGE,
  // By far the largest: it begins first.
  scenario('two updates, a reader, every answer', 0, [save(1), save(2), database], {
    refusals: true,
    busy: true,
    duplicates: true,
  }),
];
