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
     g1 VARCHAR(80) GENERATED ALWAYS AS (CONCAT(c4, ':', c0)) STORED, g2 DOUBLE GENERATED ALWAYS AS (c4 / 3) VIRTUAL) CHARACTER SET utf8mb4`,
    `CREATE TABLE untouched SELECT * FROM every_type`,
  );
  await run('DROP TABLE untouched', 'CREATE TABLE untouched LIKE every_type');
  codecs = await codecsOf('every_type');
});

afterAll(async () => {
  try {
    await removeZone();
    await connection.end();
  } finally {
    await database.drop();
  }
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

  it('holds the same text as the row, in any time zone', async () => {
    await fc.assert(
      fc.asyncProperty(everyRow, everyRow, session, async (before, after, preparing) => {
        await writeRow(before);
        await prepare(after, preparing);
        await run(...preparing.statements, 'SET NAMES utf8mb4');
        const texts = codecs.map((codec, at) => `${codec.text} AS t${at}`);
        const images = codecs.map((codec, at) => `${codec.previousText(PREVIOUS)} AS t${at}`);
        const [row] = await run(`SELECT ${texts.join(', ')} FROM untouched`);
        const [image] = await run(`SELECT ${images.join(', ')} FROM every_type`);
        codecs.forEach((codec, at) => expect([codec.name, image[`t${at}`]]).toEqual([codec.name, row[`t${at}`]]));
      }),
      { numRuns: 100, endOnFailure: true },
    );
  });

  it('keeps the current value of a column that was added after the prepare', async () => {
    await run(
      'CREATE TABLE grown (id INT PRIMARY KEY, a INT, consistency_pending JSON)',
      'INSERT INTO grown (id, a) VALUES (1, 10)',
    );
    const captured = undoObject(await codecsOf('grown'));
    await run(
      `UPDATE grown SET consistency_pending = JSON_OBJECT('previous', ${captured}), a = 11`,
      `ALTER TABLE grown ADD b FLOAT DEFAULT 1.1, ADD c TIMESTAMP(6) NULL, ADD d VARBINARY(4) DEFAULT 'x', ADD e ENUM('y') DEFAULT 'y',
       ADD f JSON, ADD g BIT(3) DEFAULT b'101', ADD h CHAR(3) CHARACTER SET gbk DEFAULT 'z'`,
      `UPDATE grown SET c = '2024-01-02 03:04:05.678901', f = 'null'`,
    );
    const now = await codecsOf('grown');
    const previous = now.map((codec) => `${codec.previousText(PREVIOUS)} AS ${codec.name}`);
    const expected = {
      a: '10',
      b: '1.100000023841858',
      c: '2024-01-02 03:04:05.678901',
      d: 'eA==',
      e: 'y',
      f: 'null',
      g: '5',
      h: 'z',
    };
    expect((await run(`SELECT ${previous.join(', ')} FROM grown`))[0]).toMatchObject(expected);
    await run(`UPDATE ${restoreHint(now)} grown SET ${restoreAssignments(now, PREVIOUS)}, consistency_pending = NULL`);
    const texts = now.map((codec) => `${codec.text} AS ${codec.name}`);
    expect((await run(`SELECT ${texts.join(', ')} FROM grown`))[0]).toMatchObject(expected);
    // Without an image there is no previous text.
    const [none] = await run(`SELECT ${previous.join(', ')} FROM grown`);
    expect(Object.values(none).every((value) => value === null)).toBe(true);
  });

  it('takes column names with quotes, backticks, dots, spaces and words of other scripts', async () => {
    const names = [
      `it's`,
      'a"b',
      'back\\slash',
      'tick`tock',
      'a.b',
      'with space',
      'čísló☃',
      '$[0]',
      '__proto__',
      'consistency pending',
      'a,b',
      '%s',
    ];
    const quoted = names.map((name) => `\`${name.replaceAll('`', '``')}\``);
    await run(
      'SET NAMES utf8mb4',
      `CREATE TABLE named (id INT PRIMARY KEY, ${quoted.map((name) => `${name} VARCHAR(9)`).join(', ')}, consistency_pending JSON)`,
      `INSERT INTO named VALUES (1, ${names.map((_, at) => `'v${at}'`).join(', ')}, NULL)`,
    );
    const odd = await codecsOf('named');
    for (const mode of ['', 'ANSI', 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES,STRICT_ALL_TABLES']) {
      await run(`SET sql_mode = '${mode}'`);
      const change = quoted.map((name) => `${name} = 'new'`).join(', ');
      await run(`UPDATE named SET consistency_pending = JSON_OBJECT('previous', ${undoObject(odd)}), ${change}`);
      const [{ image }] = await run('SELECT CAST(consistency_pending AS CHAR) AS image FROM named');
      expect(Object.keys(JSON.parse(image).previous).sort()).toEqual(['id', ...names].sort());
      await run(
        `UPDATE ${restoreHint(odd)} named SET ${restoreAssignments(odd, PREVIOUS)}, consistency_pending = NULL`,
      );
      // The driver itself refuses a result column called __proto__.
      const [row] = await run(`SELECT ${quoted.map((name, at) => `${name} AS r${at}`).join(', ')} FROM named`);
      expect(Object.values(row)).toEqual(names.map((_, at) => `v${at}`));
    }
  });

  it('refuses in strict mode what no longer fits, rather than cut it', async () => {
    await run(
      `SET sql_mode = ''`,
      'CREATE TABLE narrowed (id INT PRIMARY KEY, a VARCHAR(20), consistency_pending JSON)',
      `INSERT INTO narrowed VALUES (1, 'a long text', NULL)`,
    );
    const wide = await codecsOf('narrowed');
    await run(
      `UPDATE narrowed SET consistency_pending = JSON_OBJECT('previous', ${undoObject(wide)}), a = 'b'`,
      'ALTER TABLE narrowed MODIFY a VARCHAR(3)',
    );
    const restore = `UPDATE ${restoreHint(wide)} narrowed SET ${restoreAssignments(wide, PREVIOUS)}`;
    await expect(run(restore)).rejects.toThrow(/too long/);
  });
});

/** Two invalid dates are the same answer, though never equal. */
const comparable = (value: unknown): unknown => (value instanceof Date ? ['date', String(value.getTime())] : value);

describe('driver values', () => {
  const settings: { name: string; options: DriverSettings }[] = [
    { name: 'the defaults', options: {} },
    { name: 'UTC', options: { timezone: 'Z' } },
    { name: 'an offset, numbers', options: { timezone: '-03:30', supportBigNumbers: false, bigNumberStrings: false } },
    { name: 'big numbers as needed', options: { timezone: '+02:00', bigNumberStrings: false, decimalNumbers: true } },
    { name: 'date strings, JSON strings', options: { dateStrings: true, jsonStrings: true } },
    { name: 'only DATE as string', options: { dateStrings: ['DATE'], timezone: 'Z' } },
  ];

  it.each(settings)('equal what TypeORM hydrates with $name', async ({ options }) => {
    const { decimalNumbers, jsonStrings, ...typeorm } = options;
    const everyType = new EntitySchema<any>({
      name: 'EveryType',
      tableName: 'every_type',
      columns: Object.fromEntries([
        ['id', { type: 'int', primary: true }],
        ...EVERY_COLUMN.map(({ name, type, members }) => [name, { type, nullable: true, enum: members }]),
      ]),
    });
    const dataSource = await new DataSource({
      type: 'mysql',
      ...database.connection,
      ...(typeorm as { timezone?: string }),
      extra: { decimalNumbers, jsonStrings },
      entities: [everyType],
    }).initialize();
    try {
      const driver = dataSource.driver as MysqlDriver;
      const repository = dataSource.getRepository(everyType);
      const live: DriverSettings = { supportBigNumbers: true, bigNumberStrings: true, ...options };
      const columns = codecs.filter((codec) => repository.metadata.findColumnWithDatabaseName(codec.name));
      const texts = columns.map((codec, at) => `${codec.text} AS t${at}`);
      await fc.assert(
        fc.asyncProperty(everyRow, async (values) => {
          await writeRow(values);
          const entity = await repository.findOneByOrFail({ id: 1 });
          const [row] = await dataSource.query(`SELECT ${texts.join(', ')} FROM every_type`);
          columns.forEach((codec, at) => {
            const column = repository.metadata.findColumnWithDatabaseName(codec.name)!;
            const value = driver.prepareHydratedValue(codec.toDriver(row[`t${at}`], live), column);
            // The driver makes an empty list of a NULL vector; the codec says null.
            const found = codec.dataType === 'vector' && row[`t${at}`] === null ? null : entity[codec.name];
            expect([codec.name, comparable(value)]).toEqual([codec.name, comparable(found)]);
          });
        }),
        { numRuns: 60, endOnFailure: true },
      );
    } finally {
      await dataSource.destroy();
    }
  });
});
