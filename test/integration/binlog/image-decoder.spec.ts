import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createConnection, type Connection } from 'mysql2/promise';
import { Column, DataSource, Entity, PrimaryColumn } from 'typeorm';
import type { BinlogEvent, RowsEvent } from '../../../src/binlog/binlog.types.js';
import { textDecoder, UndecodedText } from '../../../src/binlog/charset.text.js';
import { DocumentWriter } from '../../../src/binlog/document.writer.js';
import { decodeImage, ImageDecoder } from '../../../src/binlog/image.decoder.js';
import { LineWriter } from '../../../src/binlog/line.writer.js';
import { RowCursor } from '../../../src/binlog/logged.rows.js';
import { SessionZone } from '../../../src/binlog/session.zone.js';
import { Consistency } from '../../../src/consistency.columns.js';
import { encodeItem } from '../../../src/elasticsearch/bulk.codec.js';
import { documentTextOf, markRestored } from '../../../src/entity/document.builder.js';
import { EntityBinding } from '../../../src/entity/entity.binding.js';
import type { RowImage } from '../../../src/entity/row.image.js';
import { introspectTable } from '../../../src/mysql/table.introspection.js';
import { RowStore } from '../../../src/mysql/row.store.js';
import { EVERY_COLUMN, everyRow } from '../../support/every.column.js';
import { createTestDatabase, type TestDatabase } from '../../support/servers.js';
import { isRows, Listener, sourceOf } from './listener.fixture.js';

const ZONE = 'NestConsistent/Image';
const ZONE_ID = 990_017;
const CEST_1 = 1_711_846_800;
const CET_2 = 1_729_990_800;
const LENIENT = `SET time_zone = '+00:00', sql_mode = 'ALLOW_INVALID_DATES'`;
const NAMES = EVERY_COLUMN.map((column) => `\`${column.name}\``);
/** Beyond ASCII these are left to MySQL. */
const LEFT_TO_MYSQL = new Set(EVERY_COLUMN.filter(({ ddl }) => /cp932|gbk/.test(ddl)).map(({ name }) => name));
const ASCII_ONLY = new Set(['0x8790', '0x81E0', '0x41FA54', '0x83898365', '0xA1A4', '0xA996', '0xC4E3BAC3']);

@Entity({ name: 'every_type' })
class EveryType {
  @PrimaryColumn({ type: 'int' }) id!: number;
  @Column(() => Consistency) consistency!: Consistency;
}
for (const { name, type, members } of EVERY_COLUMN) {
  Column({ type, nullable: true, enum: members })(EveryType.prototype, name);
}

let database: TestDatabase;
let connection: Connection;
let dataSource: DataSource;
let binding: EntityBinding;
/** As the other one, where the driver is told that dates are in UTC. */
let bindingInUtc: EntityBinding;
let listener: Listener;
let lastId = 0;

async function run(...statements: string[]): Promise<any> {
  let rows: any;
  for (const sql of statements) [rows] = await connection.query(sql);
  return rows;
}

const query = (sql: string, values?: unknown[]): Promise<any[]> => dataSource.query(sql, values);

async function removeZone(): Promise<void> {
  await run(`DELETE FROM mysql.time_zone_name WHERE Name = '${ZONE}'`);
  for (const table of ['time_zone', 'time_zone_transition', 'time_zone_transition_type']) {
    await run(`DELETE FROM mysql.${table} WHERE Time_zone_id = ${ZONE_ID}`);
  }
}

async function installZone(): Promise<void> {
  await removeZone();
  await run(
    `INSERT INTO mysql.time_zone VALUES (${ZONE_ID}, 'N')`,
    `INSERT INTO mysql.time_zone_name VALUES ('${ZONE}', ${ZONE_ID})`,
    `INSERT INTO mysql.time_zone_transition_type VALUES (${ZONE_ID}, 0, 3600, 0, 'CET'), (${ZONE_ID}, 1, 7200, 1, 'CEST')`,
    `INSERT INTO mysql.time_zone_transition VALUES (${ZONE_ID}, ${CEST_1}, 1), (${ZONE_ID}, ${CET_2}, 0)`,
  );
}

beforeAll(async () => {
  database = await createTestDatabase('image_decoder');
  connection = await createConnection({ uri: database.url, dateStrings: true, supportBigNumbers: true });
  const columns = EVERY_COLUMN.map((column) => `\`${column.name}\` ${column.ddl}`);
  await installZone();
  await run(
    LENIENT,
    `CREATE TABLE every_type (id INT PRIMARY KEY, ${columns.join(', ')},
     consistency_state ENUM('commit','prepare') NOT NULL DEFAULT 'commit', consistency_version BIGINT UNSIGNED NOT NULL DEFAULT 0,
     consistency_deadline DATETIME(6) NULL, consistency_pending JSON NULL,
     g1 VARCHAR(80) GENERATED ALWAYS AS (CONCAT(c4, ':', c0)) STORED, g2 DOUBLE GENERATED ALWAYS AS (c4 / 3) VIRTUAL) CHARACTER SET utf8mb4`,
  );
  dataSource = await new DataSource({
    type: 'mysql',
    ...database.connection,
    entities: [EveryType],
    // One session, so that its time zone is everybody's.
    poolSize: 1,
  }).initialize();
  const shape = await introspectTable(query, database.name, 'every_type');
  const bindingTo = (source: DataSource): EntityBinding =>
    new EntityBinding(
      source,
      'default',
      dataSource.getMetadata(EveryType),
      shape,
      { index: 'unused' },
      'elasticsearch',
    );
  binding = bindingTo(dataSource);
  const options = { ...dataSource.options, timezone: 'Z' };
  bindingInUtc = bindingTo(Object.create(dataSource, { options: { value: options } }) as DataSource);
});

afterAll(async () => {
  await removeZone();
  await dataSource.destroy();
  await connection.end();
  await database.drop();
});

beforeEach(() => {
  listener = new Listener(sourceOf({ include: (schema) => schema === database.name }), { kind: 'now' });
});

afterEach(async () => {
  await listener.stop();
});

/** The event that the log has for a row, and what the library's own read makes of the row. */
async function write(values: readonly string[]): Promise<{ event: RowsEvent; loaded: RowImage }> {
  lastId += 1;
  await run(
    'SET NAMES utf8mb4',
    `INSERT INTO every_type (id, ${NAMES.join(', ')}) VALUES (${lastId}, ${values.join(', ')})`,
  );
  const event = await listener.until(isRows('every_type'));
  const rows = [...(await new RowStore(binding).load([{ parameters: [lastId], id: String(lastId) }])).values()];
  return { event, loaded: rows[0]!.image };
}

/** What the writer makes of the event's only row, and what the library's own texts are of the same. */
function linesOf(event: RowsEvent, of: EntityBinding, zone: SessionZone) {
  const decoder = new ImageDecoder(of, zone);
  const cursor = new RowCursor();
  cursor.begin(event);
  expect(cursor.next()).toBe(true);
  const texts = (name: string) => decoder.texts(event.columns, name);
  const lines = DocumentWriter.of(of, event.description, texts, new LineWriter())!.put(cursor.after!, 'a "key"', 7);
  const image = decoder.image(event.columns, event.changes[0]!.after!)!;
  const body = markRestored(documentTextOf(of, image, {}), 7);
  return {
    written: lines?.buffer.toString('utf8', lines.start, lines.end),
    expected: encodeItem({ id: 'a "key"', version: 7, body }, 0).lines,
  };
}

const ready = (): Promise<BinlogEvent> =>
  listener.until((event) => event.kind === 'heartbeat' || event.kind === 'commit');

async function started(): Promise<void> {
  const first = ready();
  // The source starts from "now", whenever that is.
  for (let tries = 0; tries < 200; tries += 1) {
    await run('CREATE TABLE IF NOT EXISTS tick (id INT)', 'INSERT INTO tick VALUES (1)');
    if (await Promise.race([first.then(() => true), new Promise((resolve) => setTimeout(resolve, 50, false))])) return;
  }
}

describe('decodeImage, and DocumentWriter,', () => {
  it.each(['+00:00', '-11:30', '+14:00', ZONE])(
    'equals what RowStore loads, for every type, in zone %s',
    async (zoneName) => {
      await dataSource.query(`SET time_zone = '${zoneName}'`);
      const zone = await SessionZone.read(query);
      await run(LENIENT);
      await started();
      await fc.assert(
        fc.asyncProperty(everyRow, async (values) => {
          const plain = values.map((value, at) =>
            LEFT_TO_MYSQL.has(EVERY_COLUMN[at]!.name) && ASCII_ONLY.has(value) ? 'NULL' : value,
          );
          const { event, loaded } = await write(plain);
          const image = decodeImage(binding, event.columns, event.changes[0]!.after!, zone);
          expect(image).not.toBeNull();
          for (const column of binding.columns) {
            expect([column.name, column.codec.dataType, image![column.name]]).toEqual([
              column.name,
              column.codec.dataType,
              loaded[column.name],
            ]);
          }
          for (const each of [binding, bindingInUtc]) {
            const { written, expected } = linesOf(event, each, zone);
            expect(written).toBe(expected);
          }
        }),
        { numRuns: 60, endOnFailure: true },
      );
    },
  );

  it('leaves to MySQL what the log does not tell exactly', async () => {
    await dataSource.query(`SET time_zone = '+00:00'`);
    await run(LENIENT);
    await started();
    const decoder = new ImageDecoder(binding, SessionZone.UTC);
    const of = (ddl: string) => EVERY_COLUMN.findIndex((column) => column.ddl.startsWith(ddl));
    const row = (at: number, value: string) => EVERY_COLUMN.map((_, index) => (index === at ? value : 'NULL'));
    const cases: [string, string][] = [
      ['VARCHAR(20) CHARACTER SET gbk', '0xC4E3BAC3'],
      ['VARCHAR(20) CHARACTER SET cp932', '0x8790'],
      ['GEOMETRY', `ST_GeomFromText('POINT(1 2)', 4267)`],
    ];
    for (const [ddl, value] of cases) {
      const { event } = await write(row(of(ddl), value));
      const values = event.changes[0]!.after!;
      expect([ddl, decoder.image(event.columns, values)]).toEqual([ddl, null]);
      expect(decoder.key(event.columns, values)).toEqual({ id: String(lastId) });
    }
    const { event } = await write(row(of('TIMESTAMP'), `'2024-01-02 03:04:05'`));
    const values = event.changes[0]!.after!;
    expect(decodeImage(binding, event.columns, values)).toBeNull();
    expect(decoder.image(event.columns, values)).toMatchObject({ id: String(lastId) });
    // A column that is not in the log, has another type there, or other decimals.
    const changed = (name: string, difference: object) =>
      event.columns.map((column) => (column.name === name ? { ...column, ...difference } : column));
    const decimals = EVERY_COLUMN[of('DATETIME(3)')]!.name;
    const dated = { ...values, [decimals]: '2024-01-02 03:04:05.678' };
    expect(decoder.image(event.columns, dated)).toMatchObject({ [decimals]: '2024-01-02 03:04:05.678' });
    expect(decoder.image(changed(decimals, { decimals: 2 }), dated)).toBeNull();
    expect(decoder.image(changed(decimals, { type: 'DATE' }), dated)).toBeNull();
    expect(decoder.image(changed(decimals, { name: 'other' }), dated)).toBeNull();
  });
});

describe('textDecoder', () => {
  it('agrees with MySQL on ASCII in every character set, and on all of latin1', async () => {
    const ascii = Buffer.from(Array.from({ length: 128 }, (_, code) => code));
    const collations: { id: number; charset: string }[] = await run(
      'SELECT ID AS id, CHARACTER_SET_NAME AS charset FROM information_schema.COLLATIONS ORDER BY ID',
    );
    expect(collations.length).toBeGreaterThan(200);
    for (const { id, charset } of collations) {
      if (charset === 'binary') continue;
      const wide = /^(utf16|utf32|ucs2)/.test(charset);
      const [{ hex }] = await run(`SELECT HEX(CONVERT(_utf8mb4 0x${ascii.toString('hex')} USING ${charset})) AS hex`);
      const stored = wide ? Buffer.from(hex, 'hex') : ascii;
      const [{ text }] = await run(`SELECT CONVERT(_${charset} 0x${stored.toString('hex')} USING utf8mb4) AS text`);
      const decoded = textDecoder(id)(stored, 0, stored.length);
      if (charset === 'swe7') expect(decoded).toBeInstanceOf(UndecodedText);
      else expect([id, charset, decoded]).toEqual([id, charset, text]);
    }
    const all = Buffer.from(Array.from({ length: 256 }, (_, code) => code));
    const [{ text }] = await run(`SELECT CONVERT(_latin1 0x${all.toString('hex')} USING utf8mb4) AS text`);
    expect(textDecoder(8)(all, 0, 256)).toBe(text);
  });
});
