import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createConnection, type Connection } from 'mysql2/promise';
import { DataSource, EntitySchema } from 'typeorm';
import type { MysqlDriver } from 'typeorm/driver/mysql/MysqlDriver.js';
import {
  columnCodec,
  restoreAssignments,
  restoreHint,
  undoObject,
  type ColumnCodec,
  type DriverSettings,
} from '../../src/mysql/column.codec.js';
import { introspectTable } from '../../src/mysql/table.introspection.js';
import { EVERY_COLUMN, everyRow, FOLD_SECONDS } from '../support/every.column.js';
import { createTestDatabase, type TestDatabase } from '../support/servers.js';

const ZONE = 'NestConsistent/Fold';
const ZONE_ID = 990_001;
const PREVIOUS = `JSON_EXTRACT(consistency_pending, '$.previous')`;
const LENIENT = `SET time_zone = '+00:00', sql_mode = 'ALLOW_INVALID_DATES'`;
const NAMES = EVERY_COLUMN.map((column) => `\`${column.name}\``);

const session = fc
  .record({
    zone: fc.constantFrom('+00:00', '-11:30', '+14:00', ZONE),
    mode: fc.constantFrom(
      '',
      'TRADITIONAL',
      'ANSI,STRICT_ALL_TABLES',
      'STRICT_TRANS_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO',
      'NO_BACKSLASH_ESCAPES,IGNORE_SPACE,NO_UNSIGNED_SUBTRACTION',
      'ALLOW_INVALID_DATES,HIGH_NOT_PRECEDENCE,REAL_AS_FLOAT,TIME_TRUNCATE_FRACTIONAL',
    ),
    charset: fc.constantFrom('utf8mb4', 'utf8mb4 COLLATE utf8mb4_bin', 'latin1', 'utf8mb4 COLLATE utf8mb4_0900_as_cs'),
  })
  .map(({ zone, mode, charset }) => ({
    // Strict modes refuse some of the new values: there the change is a statement of its own, in a lenient session.
    strict: /STRICT|TRADITIONAL/.test(mode),
    statements: [`SET NAMES ${charset}`, `SET time_zone = '${zone}', sql_mode = '${mode}'`],
  }));
type Session = typeof session extends fc.Arbitrary<infer Value> ? Value : never;

let database: TestDatabase;
let connection: Connection;
let codecs: ColumnCodec[];

async function run(...statements: string[]): Promise<any> {
  let rows: any;
  for (const sql of statements) [rows] = await connection.query(sql);
  return rows;
}

/** A zone of our own, as servers may have no named ones: it repeats an hour, as clocks do in autumn. */
async function installZone(): Promise<void> {
  await removeZone();
  await run(
    `INSERT INTO mysql.time_zone VALUES (${ZONE_ID}, 'N')`,
    `INSERT INTO mysql.time_zone_name VALUES ('${ZONE}', ${ZONE_ID})`,
    `INSERT INTO mysql.time_zone_transition_type VALUES (${ZONE_ID}, 0, 3600, 0, 'CET'), (${ZONE_ID}, 1, 7200, 1, 'CEST')`,
    `INSERT INTO mysql.time_zone_transition VALUES (${ZONE_ID}, 1711846800, 1), (${ZONE_ID}, ${FOLD_SECONDS}, 0)`,
  );
}

async function removeZone(): Promise<void> {
  await run(
    `DELETE FROM mysql.time_zone_name WHERE Name = '${ZONE}'`,
    ...['time_zone', 'time_zone_transition', 'time_zone_transition_type'].map(
      (table) => `DELETE FROM mysql.${table} WHERE Time_zone_id = ${ZONE_ID}`,
    ),
  );
}

/** Both tables get the same values: INSERT … SELECT itself loses the empty member of a SET. */
async function writeRow(values: readonly string[]): Promise<void> {
  const row = `(id, ${NAMES.join(', ')}) VALUES (1, ${values.join(', ')})`;
  await run('SET NAMES utf8mb4', LENIENT, `REPLACE INTO every_type ${row}`, `REPLACE INTO untouched ${row}`);
}

/** Captures the image and changes every column, from left to right in one statement where the session allows it. */
async function prepare(after: readonly string[], { strict, statements }: Session): Promise<void> {
  const capture = `consistency_pending = JSON_OBJECT('previous', ${undoObject(codecs)})`;
  const change = NAMES.map((name, at) => `${name} = ${after[at]}`).join(', ');
  await run(...statements, `UPDATE every_type SET ${strict ? capture : `${capture}, ${change}`}`);
  if (strict) await run('SET NAMES utf8mb4', LENIENT, `UPDATE every_type SET ${change}`);
}

async function codecsOf(table: string): Promise<ColumnCodec[]> {
  const shape = await introspectTable(async (sql, values) => database.query(sql, values), database.name, table);
  return shape.columns.filter((column) => !column.name.startsWith('consistency_')).map(columnCodec);
}

beforeAll(async () => {
  database = await createTestDatabase('undo_image');
  connection = await createConnection({ uri: database.url, dateStrings: true, supportBigNumbers: true });
  await installZone();
  const columns = EVERY_COLUMN.map((column) => `\`${column.name}\` ${column.ddl}`);
  await run(
    LENIENT,
    `CREATE TABLE every_type (id INT PRIMARY KEY, ${columns.join(', ')}, consistency_pending JSON NULL,
     \`sum\` VARCHAR(80) GENERATED ALWAYS AS (CONCAT(\`c4\`, ':', \`c0\`)) STORED) CHARACTER SET utf8mb4`,
    `CREATE TABLE untouched SELECT * FROM every_type`,
  );
  await run('DROP TABLE untouched', 'CREATE TABLE untouched LIKE every_type');
  codecs = await codecsOf('every_type');
});

afterAll(async () => {
  await removeZone();
  await connection.end();
  await database.drop();
});

describe('undo image', () => {
  it('puts back every type byte for byte, whatever the sessions are set to', async () => {
    const differs = EVERY_COLUMN.map(({ name, bytes }) => {
      const of = (table: string) => bytes.replaceAll(`\`${name}\``, `${table}.\`${name}\``);
      return `(${of('e')} <=> ${of('u')}) AS \`${name}\``;
    });
    await fc.assert(
      fc.asyncProperty(everyRow, everyRow, session, session, async (before, after, preparing, settling) => {
        await writeRow(before);
        await prepare(after, preparing);
        await run(...settling.statements);
        await run(
          `UPDATE ${restoreHint(codecs)} every_type SET ${restoreAssignments(codecs, PREVIOUS)}, consistency_pending = NULL`,
        );
        await run(LENIENT);
        const [equal] = await run(`SELECT ${differs.join(', ')} FROM every_type e JOIN untouched u USING (id)`);
        for (const { name, ddl } of EVERY_COLUMN) expect([name, ddl, equal[name]]).toEqual([name, ddl, 1]);
        const [e, u] = await run('CHECKSUM TABLE every_type, untouched');
        expect(e.Checksum).toBe(u.Checksum);
      }),
      { numRuns: 150, endOnFailure: true },
    );
  });
});
