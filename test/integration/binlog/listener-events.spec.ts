import { describe, expect, it } from '@jest/globals';
import type { BinlogCoordinates, BinlogEvent, BinlogStart, CommitEvent } from '../../../src/binlog/binlog.types.js';
import { GtidSet } from '../../../src/binlog/gtid.set.js';
import { isRows } from './listener.fixture.js';
import { listenerSetup } from './listener.setup.js';

const { name, run, executed, listen, insert } = listenerSetup('listener-events');

const changesOf = (events: readonly BinlogEvent[]) =>
  events.filter(isRows()).flatMap(({ changes }) => changes.map(({ before, after }) => [before?.id, after?.id]));

describe('events', () => {
  it('come in order, transaction by transaction, with both images', async () => {
    const listener = await listen();
    await run(
      'BEGIN',
      `INSERT INTO item VALUES (1, 'one'), (2, 'two')`,
      `UPDATE item SET title = 'deux' WHERE id = 2`,
      'COMMIT',
      'DELETE FROM item WHERE id = 1',
    );
    const first = await listener.transactionOf(name(), 'item');
    expect(first.map(({ kind }) => kind)).toEqual(['transaction', 'rows', 'rows', 'commit']);
    expect(first.filter(isRows()).flatMap(({ changes }) => changes)).toEqual([
      { before: null, after: { id: 1, title: 'one' } },
      { before: null, after: { id: 2, title: 'two' } },
      { before: { id: 2, title: 'two' }, after: { id: 2, title: 'deux' } },
    ]);
    const second = await listener.transactionOf(name(), 'item');
    expect(changesOf(second)).toEqual([[1, undefined]]);
    expect(second.filter(isRows())[0]!.columns).toEqual([
      { name: 'id', type: 'INT', unsigned: false, decimals: null },
      { name: 'title', type: 'LONGTEXT', unsigned: false, decimals: null },
    ]);
  });

  it('carry the coordinates to go on from, and the server that they belong to', async () => {
    // Whatever a transaction is like, one that is passed over counts as done.
    await run(
      'SET SESSION binlog_transaction_compression = ON',
      `INSERT INTO other VALUES (1, 'packed')`,
      'SET SESSION binlog_transaction_compression = OFF',
      `XA START 'passed'`,
      `INSERT INTO other VALUES (2, 'prepared')`,
      `XA END 'passed'`,
      `XA PREPARE 'passed'`,
      `XA COMMIT 'passed'`,
    );
    const listener = await listen();
    await insert(1, 3);
    const commits: CommitEvent[] = [];
    while (commits.length < 3) {
      commits.push((await listener.transactionOf(name(), 'item')).at(-1) as CommitEvent);
    }
    const [{ uuid }] = await run('SELECT @@server_uuid AS uuid');
    const last = commits.at(-1)!.coordinates;
    expect(last.serverUuid).toBe(uuid);
    const [subset] = await run(`SELECT GTID_SUBSET('${last.gtidSet}', @@GLOBAL.gtid_executed) AS yes`);
    expect(Number(subset.yes)).toBe(1);
    // A new reader that begins at the first commit gets the other two, by GTID set or by position.
    for (const start of startsAt(commits[0]!.coordinates)) {
      const again = await listen({}, start);
      expect(changesOf(await again.transactionOf(name(), 'item'))).toEqual([[undefined, 2]]);
      const end = (await again.transactionOf(name(), 'item')).at(-1) as CommitEvent;
      expect(end.coordinates).toEqual(last);
      await again.stop();
    }
  });

  it('tell the time of the commit to the microsecond', async () => {
    const now = 'SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS UNSIGNED) AS micros';
    const listener = await listen();
    const [before] = await run(now);
    await insert(1, 1);
    const [after] = await run(now);
    const [begin] = await listener.transactionOf(name(), 'item');
    const committedAtUs = begin!.kind === 'transaction' ? begin!.committedAtUs : 0;
    expect(committedAtUs).toBeGreaterThanOrEqual(Number(before.micros));
    expect(committedAtUs).toBeLessThanOrEqual(Number(after.micros));
  });

  it('of tables that are not wanted are left out, and the choice can change while it runs', async () => {
    const listener = await listen({ include: (schema, table) => schema === name() && table === 'item' });
    await run(`INSERT INTO other VALUES (1, 'unwanted')`, `INSERT INTO item VALUES (1, 'wanted')`);
    await listener.until(isRows());
    expect(listener.events.filter(isRows()).map(({ table }) => table)).toEqual(['item']);
    listener.source.include = (schema, table) => schema === name() && table === 'other';
    await run(`INSERT INTO item VALUES (2, 'unwanted')`, `INSERT INTO other VALUES (2, 'wanted')`);
    const { table, changes } = await listener.until(isRows());
    expect([table, changes[0]!.after]).toEqual(['other', { id: 2, note: 'wanted' }]);
  });

  it('have a tagged GTID where the session gives one', async () => {
    const listener = await listen();
    await run(
      `SET gtid_next = 'AUTOMATIC:blue'`,
      `INSERT INTO item VALUES (1, 'tagged')`,
      `SET gtid_next = 'AUTOMATIC'`,
    );
    const [begin, ...rest] = await listener.transactionOf(name(), 'item');
    const commit = rest.at(-1) as CommitEvent;
    const gtid = begin!.kind === 'transaction' ? begin!.gtid : '';
    expect(gtid).toMatch(/^[0-9a-f-]{36}:blue:\d+$/);
    expect(GtidSet.parse(commit.coordinates.gtidSet).contains(gtid)).toBe(true);
    const age = Date.now() * 1000 - (begin!.kind === 'transaction' ? begin!.committedAtUs : 0);
    expect(Math.abs(age)).toBeLessThan(60_000_000);
  });

  it('tell of statements that change tables, and not of others', async () => {
    const listener = await listen();
    await run(
      'ALTER TABLE other ADD extra INT',
      'ALTER TABLE other DROP extra',
      'TRUNCATE TABLE other',
      'RENAME TABLE other TO moved, moved TO other',
      'CREATE TABLE copied AS SELECT 1 AS id',
      'DROP TABLE copied',
      'ANALYZE TABLE item',
    );
    await insert(1, 1);
    await listener.until(isRows('item'));
    const statements = listener.events.flatMap((event) =>
      event.kind === 'schema-change' && event.schema === name() ? [event] : [],
    );
    expect(statements.map(({ schema }) => schema)).toEqual(Array(6).fill(name()));
    expect(statements.map(({ statement }) => statement.split(' ')[0])).toEqual([
      'ALTER',
      'ALTER',
      'TRUNCATE',
      'RENAME',
      'CREATE',
      'DROP',
    ]);
    const kinds = listener.events.map(({ kind }) => kind).filter((kind) => kind !== 'heartbeat');
    expect(kinds.filter((kind) => kind === 'transaction')).toHaveLength(
      kinds.filter((kind) => kind === 'commit').length + 1,
    );
  });

  it('have the names and types of their time, though the table has changed since', async () => {
    const from = await executed();
    await run(
      'CREATE TABLE altered (id INT PRIMARY KEY, a INT, b VARCHAR(10))',
      `INSERT INTO altered VALUES (1, 7, 'old')`,
      'ALTER TABLE altered DROP a, ADD c BIGINT FIRST, CHANGE b a VARCHAR(10)',
      `INSERT INTO altered VALUES (9, 2, 'new')`,
    );
    const listener = await listen({}, { kind: 'gtid-set', gtidSet: from });
    const before = await listener.until(isRows('altered'));
    const after = await listener.until(isRows('altered'));
    expect(before.changes[0]!.after).toEqual({ id: 1, a: 7, b: 'old' });
    expect(after.changes[0]!.after).toEqual({ c: 9, id: 2, a: 'new' });
    await run('DROP TABLE altered');
  });
});

function startsAt({ gtidSet, file, position }: BinlogCoordinates): BinlogStart[] {
  return [
    { kind: 'gtid-set', gtidSet },
    { kind: 'position', file, position },
  ];
}
