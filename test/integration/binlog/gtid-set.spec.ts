import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';
import { GtidSet } from '../../../src/binlog/gtid.set.js';
import { InvalidGtidSetError } from '../../../src/errors.js';
import { mysqlUrl } from '../../support/servers.js';

const UUIDS = ['3e11fa47-71ca-11e1-9e33-c80aa9429562', '3E11FA48-71CA-11E1-9E33-C80AA9429562'];
const ER_MALFORMED_GTID_SET_SPECIFICATION = 1772;

const gno = fc.oneof(
  { weight: 8, arbitrary: fc.bigInt(1n, 30n) },
  { weight: 1, arbitrary: fc.bigInt(2n ** 53n - 3n, 2n ** 53n + 3n) },
  { weight: 1, arbitrary: fc.bigInt(2n ** 63n - 4n, 2n ** 63n - 2n) },
);
const space = fc.constantFrom('', '', '', ' ');
const range = fc
  .tuple(gno, fc.option(gno), space)
  .map(([start, end, gap]) => (end === null ? `${start}${gap}` : `${start}${gap}-${gap}${end}`));
const tag = fc.constantFrom('tag', 'TAG', 'a_1', '_');
const part = fc
  .tuple(
    fc.constantFrom(...UUIDS),
    fc.array(fc.oneof({ weight: 4, arbitrary: range }, { weight: 1, arbitrary: tag }), { maxLength: 6 }),
  )
  .map(([uuid, items]) => [uuid, ...items].join(':'));
const gtidSet = fc.array(part, { maxLength: 5 }).map((parts) => parts.join(','));
/** Mostly not a set: characters of sets in any order. */
const noise = fc
  .tuple(gtidSet, fc.nat(), fc.constantFrom(':', ',', '-', ' ', '0', '9', 'x', '', '::', '1-'))
  .map(([text, at, put]) => {
    const place = at % (text.length + 1);
    return text.slice(0, place) + put + text.slice(place + (at % 3));
  });

/** MySQL prints one source a line. */
const onOneLine = (text: string) => text.replaceAll('\n', '');

describe('GTID sets, compared with the server', () => {
  let connection: Connection;

  beforeAll(async () => {
    connection = await createConnection(mysqlUrl());
  });
  afterAll(() => connection?.end());

  async function ask(sql: string, values: string[]): Promise<unknown> {
    const [rows] = await connection.query<RowDataPacket[]>(`SELECT ${sql} AS answer`, values);
    return rows[0]!['answer'];
  }

  it('reads and prints what MySQL does', async () => {
    await fc.assert(
      fc.asyncProperty(gtidSet, async (text) => {
        expect(GtidSet.parse(text).toString()).toBe(onOneLine((await ask(`GTID_SUBTRACT(?, '')`, [text])) as string));
      }),
      { numRuns: 500 },
    );
  });

  it('subtracts and compares as MySQL does', async () => {
    await fc.assert(
      fc.asyncProperty(gtidSet, gtidSet, async (one, two) => {
        const [first, second] = [GtidSet.parse(one), GtidSet.parse(two)];
        expect(first.subtract(second).toString()).toBe(
          onOneLine((await ask('GTID_SUBTRACT(?, ?)', [one, two])) as string),
        );
        expect(first.isSubsetOf(second)).toBe((await ask('GTID_SUBSET(?, ?)', [one, two])) === 1);
        const union = first.union(second).toString();
        expect(union).toBe(onOneLine((await ask(`GTID_SUBTRACT(CONCAT(?, ',', ?), '')`, [one, two])) as string));
      }),
      { numRuns: 500 },
    );
  });

  it('refuses what MySQL refuses, and nothing else', async () => {
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(noise, async (text) => {
        const theirs = await ask(`GTID_SUBTRACT(?, '')`, [text]).then(
          (answer) => onOneLine(answer as string),
          (error: { errno: number }) => error.errno,
        );
        if (theirs === ER_MALFORMED_GTID_SET_SPECIFICATION) {
          refused++;
          expect(() => GtidSet.parse(text)).toThrow(InvalidGtidSetError);
        } else {
          expect(GtidSet.parse(text).toString()).toBe(theirs);
        }
      }),
      { numRuns: 1_000 },
    );
    expect(refused).toBeGreaterThan(100);
  });

  it('reads what the server has executed', async () => {
    const executed = String(await ask('@@GLOBAL.gtid_executed', []));
    expect(GtidSet.parse(executed).toString()).toBe(onOneLine(executed));
  });
});
