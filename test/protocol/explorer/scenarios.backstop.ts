import type { Scenario } from './explorer.js';
import type { Spec } from './state.js';

const save = (image: number): Spec => ({ kind: 'save', image });
const soft = (image: number): Spec => ({ kind: 'soft', image });
const insert = (image: number): Spec => ({ kind: 'insert', image });
const sql = (image: number): Spec => ({ kind: 'sql', image });
const sqlSoft = (image: number): Spec => ({ kind: 'sqlSoft', image });
const foreign = (image: number): Spec => ({ kind: 'foreign', image });
const remove: Spec = { kind: 'remove' };
const sqlRemove: Spec = { kind: 'sqlRemove' };
const database: Spec = { kind: 'database' };
const index: Spec = { kind: 'index' };
const sweeper: Spec = { kind: 'sweeper' };
const backstop: Spec = { kind: 'backstop' };

const scenario = (name: string, initial: number | null, processes: Spec[], world: Partial<Scenario>): Scenario => ({
  name: `backstop: ${name}`,
  initial,
  processes: [...processes, backstop],
  ...world,
});

/** MySQL's clock may show a statement any time that it has shown before, and the backstop may die or get no answer once. */
const HARSH: Partial<Scenario> = { clocks: 'any', faults: 1 };
const EVERY: Partial<Scenario> = { ...HARSH, refusals: true, busy: true };

/** `sql` writes around the library, `foreign` into the index. Where nobody does, the backstop must find nothing to repair. */
export const BACKSTOP_SMALL: readonly Scenario[] = [
  scenario('an update of the library only, both readers', 0, [save(1), database, index], EVERY),
  scenario('an update, and SQL', 0, [save(1), sql(2)], { ...EVERY, duplicates: true }),
  scenario('an update, and SQL twice', 0, [save(1), sql(2), sql(3)], HARSH),
  scenario('SQL there, back and there again', 0, [sql(1), sql(0), sql(1)], { faults: 2 }),
  scenario('an update, and a delete by SQL', 0, [save(1), sqlRemove], EVERY),
  scenario('a delete, and SQL; tombstones forgotten', 0, [remove, sql(2)], { ...HARSH, forgetting: true }),
  scenario('a delete, and SQL; far behind', 0, [remove, sql(2)], { ...HARSH, forgetting: true, late: true }),
  scenario('an insert, and a delete by SQL', null, [insert(1), sqlRemove], { ...EVERY, faults: 2 }),
  scenario('an update, soft-deleted by SQL', 0, [save(1), sqlSoft(2)], HARSH),
  scenario('SQL thrice, once a soft delete', 0, [sql(1), sqlSoft(2), sql(3)], { faults: 1 }),
  scenario('a recovery by SQL, and a soft removal', 100, [soft(1), sql(2)], EVERY),
  scenario("an update, and a stranger's document", 0, [save(1), foreign(2), database], { faults: 1 }),
  scenario("a delete, and a stranger's document", 0, [remove, foreign(2), database], {}),
  scenario("decider 'mysql': an update, and SQL", 0, [save(1), sql(2)], { ...EVERY, decider: 'mysql' }),
];

export const BACKSTOP_LARGE: readonly Scenario[] = [
  scenario('an insert that is refused, SQL inserts and deletes', null, [insert(1), sql(2), sqlRemove], {
    faults: 1,
    refusals: true,
    busy: true,
  }),
  scenario('an update that is refused and parked, and SQL', 0, [save(1), sql(2)], { ...EVERY, parking: true }),
  scenario('an update, and SQL, two faults', 0, [save(1), sql(2)], { ...EVERY, faults: 2, duplicates: true }),
  scenario('an update and a delete of the library only', 0, [save(1), remove], { ...HARSH, busy: true }),
  scenario('SQL inserts and deletes, beside an update', null, [sql(1), sqlRemove, save(2)], HARSH),
  scenario('a delete, SQL, a sweeper, every answer', 0, [remove, sql(2), sweeper], EVERY),
  scenario('an update, a delete by SQL, a sweeper, every answer', 0, [save(1), sqlRemove, sweeper], EVERY),
  scenario('an update, SQL, a reader, every answer', 0, [save(1), sql(2), database], EVERY),
  scenario("two updates, and a stranger's document", 0, [save(1), save(2), foreign(3)], {}),
  scenario(
    "an insert, a stranger's document, a reader, a sweeper",
    null,
    [insert(1), foreign(2), database, sweeper],
    {},
  ),
  scenario('a delete and an insert, and SQL', 0, [remove, insert(1), sql(2)], { clocks: 'any' }),
  // Not under any clock: see docs/protocol.md, what the model assumes.
  scenario('an update and an insert, and a delete by SQL', 0, [save(1), insert(3), sqlRemove], {}),
  scenario('an update and a delete, and SQL', 0, [save(1), remove, sql(2)], {}),
  scenario("decider 'mysql': two updates, and SQL", 0, [save(1), save(3), sql(2)], { decider: 'mysql', faults: 1 }),
  scenario('two updates, and SQL', 0, [save(1), save(3), sql(2)], { faults: 1 }),
];
