import { describe, expect, it } from '@jest/globals';
import type { RowsEvent } from '../../../src/binlog/binlog.types.js';
import { readCascades } from '../../../src/binlog/cascade.rules.js';
import { CascadeWatch } from '../../../src/binlog/cascade.watch.js';

const key = (child: string, parent: string, rules: { deleteRule?: string; updateRule?: string } = {}) => ({
  childDatabase: 'shop',
  childTable: child,
  parentDatabase: 'shop',
  parentTable: parent,
  name: `${child}_${parent}`,
  columnName: 'id',
  deleteRule: 'CASCADE',
  updateRule: 'RESTRICT',
  ...rules,
});
const rulesOf = (keys: object[], ...watched: string[]) => readCascades(async () => keys, watched);
/** What the watch looks at of an event. */
const rows = (table: string, changes: RowsEvent['changes'], cascadesEscape = true): RowsEvent =>
  ({ schema: 'shop', table, changes, cascadesEscape }) as RowsEvent;

describe('the rules of cascades', () => {
  it('lead through any number of tables, and end where tables point at each other or at themselves', async () => {
    const keys = [
      key('leaf', 'branch'),
      key('branch', 'root'),
      key('root', 'leaf'),
      key('leaf', 'leaf'),
      key('x', 'root'),
    ];
    const rules = await rulesOf(keys, 'shop.leaf');
    expect(rules.map(({ parent }) => parent).toSorted((a, b) => a.localeCompare(b))).toEqual([
      'shop.branch',
      'shop.leaf',
      'shop.leaf',
      'shop.root',
    ]);
    expect(new Set(rules.map(({ child }) => child))).toEqual(new Set(['shop.leaf']));
  });

  it('take the columns of a key together, and what acts of the two', async () => {
    const acting = { deleteRule: 'NO ACTION', updateRule: 'SET NULL' };
    const keys = [key('leaf', 'root', acting), { ...key('leaf', 'root', acting), columnName: 'part' }];
    expect(await rulesOf(keys, 'shop.leaf')).toEqual([
      { parent: 'shop.root', child: 'shop.leaf', onDelete: false, onUpdateOf: ['id', 'part'] },
    ]);
  });
});

describe('the watch for cascades', () => {
  const watching = async (...keys: object[]) => {
    const told: string[] = [];
    const watch = new CascadeWatch((table) => told.push(table));
    watch.set(await rulesOf(keys, 'shop.leaf'));
    return { watch, told };
  };

  it('tells of a deleted row, of a changed value, and of rows that cannot be read', async () => {
    const { watch, told } = await watching(key('leaf', 'root', { updateRule: 'CASCADE' }));
    expect([watch.isParent('shop.root'), watch.isParent('shop.leaf')]).toEqual([true, false]);
    watch.look(rows('root', [{ before: { id: 1 }, after: null }]));
    watch.look(rows('root', [{ before: { id: 1 }, after: { id: 2 } }]));
    watch.unreadable('shop.root');
    expect(told).toEqual(['shop.leaf', 'shop.leaf', 'shop.leaf']);
  });

  it.each([
    ['an insert', [{ before: null, after: { id: 1 } }], true],
    ['a change of other columns', [{ before: { id: 1, a: 1 }, after: { id: 1, a: 2 } }], true],
    ['a delete whose cascades are in the log', [{ before: { id: 1 }, after: null }], false],
  ])('says nothing of %s', async (_, changes, escape) => {
    const { watch, told } = await watching(key('leaf', 'root', { updateRule: 'CASCADE' }));
    watch.look(rows('root', changes, escape));
    expect(told).toEqual([]);
  });

  it('says nothing of a change where only deletes act, nor of a table that is no parent any more', async () => {
    const { watch, told } = await watching(key('leaf', 'root'));
    watch.look(rows('root', [{ before: { id: 1 }, after: { id: 2 } }]));
    watch.set([]);
    watch.look(rows('root', [{ before: { id: 1 }, after: null }]));
    expect(told).toEqual([]);
  });
});
