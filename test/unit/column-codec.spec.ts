import { describe, expect, it } from '@jest/globals';
import { InvalidDocumentError } from '../../src/errors.js';
import {
  columnCodec,
  ExactJson,
  RESTORE_HINT,
  restoreAssignments,
  restoreHint,
  stringifyDocument,
  undoObject,
  type DriverSettings,
} from '../../src/mysql/column.codec.js';
import type { ColumnShape } from '../../src/mysql/table.introspection.js';

function column(columnType: string, more: Partial<ColumnShape> = {}): ColumnShape {
  const dataType = /^\w+/.exec(columnType)![0];
  return {
    name: 'a',
    dataType,
    columnType,
    nullable: true,
    charset: null,
    generated: false,
    onUpdate: false,
    autoIncrement: false,
    hasDefault: false,
    fractionDigits: null,
    ...more,
  };
}

const UTC: DriverSettings = { timezone: 'Z', supportBigNumbers: true, bigNumberStrings: true };
const inDocument = (type: string, text: string | null, settings: DriverSettings = UTC) =>
  columnCodec(column(type)).toDocument(text, settings);
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const singles = (...values: number[]): string => base64(new Uint8Array(new Float32Array(values).buffer));

describe('document values', () => {
  it.each<[string, string | null, unknown]>([
    ['int', '-2147483648', -2147483648],
    ['int unsigned zerofill', '0000000042', 42],
    ['tinyint(1)', '1', 1],
    ['year', '0000', 0],
    ['bigint unsigned', '18446744073709551615', '18446744073709551615'],
    ['bigint', '7', '7'],
    ['bigint unsigned zerofill', '00000000000000000007', '7'],
    ['decimal(65,30)', '-0.000000000000000000000000000001', '-0.000000000000000000000000000001'],
    ['decimal(10,2) unsigned zerofill', '00000012.50', '12.50'],
    ['float', '1.100000023841858', 1.1],
    ['float', '16777216', 16777216],
    ['float', '3.4028234663852886e38', 3.4028235e38],
    ['float(7,2)', '1234.56005859375', 1234.56],
    ['double', '-2.2250738585072014e-308', -2.2250738585072014e-308],
    ['double(20,3)', '-0.0010000000000000009', -0.001],
    ['date', '2024-02-29', '2024-02-29'],
    ['date', '0000-00-00', null],
    ['date', '2024-02-00', null],
    ['date', '2023-02-29', null],
    ['time', '-838:59:59.000000', '-838:59:59.000000'],
    ['datetime', '2024-01-02 03:04:05', '2024-01-02T03:04:05Z'],
    ['datetime(6)', '2024-01-02 03:04:05.678901', '2024-01-02T03:04:05.678901Z'],
    ['datetime(3)', '0001-01-01 00:00:00.001', '0001-01-01T00:00:00.001Z'],
    ['datetime(6)', '9999-12-31 23:59:59.999999', '9999-12-31T23:59:59.999999Z'],
    ['datetime', '0000-00-00 00:00:00', null],
    ['timestamp', '0000-00-00 00:00:00', null],
    ['enum', '', ''],
    ['set', '', []],
    ['set', 'red,green', ['red', 'green']],
    ['char(3)', 'é😀', 'é😀'],
    ['bit(64)', '18446744073709551615', '18446744073709551615'],
    ['bit(8)', '5', 5],
    ['varbinary(100)', 'AAEC\nAwQ=', 'AAECAwQ='],
    ['longblob', '', ''],
    ['vector(3)', singles(1.1, -2, 0.1), [1.1, -2, 0.1]],
    ['json', null, null],
    ['int', null, null],
  ])('%s %s', (type, text, expected) => {
    expect(inDocument(type, text)).toEqual(expected);
  });

  it('reads a date and time in the time zone that the driver reads it in', () => {
    const text = '2024-01-01 00:30:00.123456';
    expect(inDocument('datetime(6)', text, { timezone: '+02:00' })).toBe('2023-12-31T22:30:00.123456Z');
    expect(inDocument('datetime(6)', text, { timezone: '-03:30' })).toBe('2024-01-01T04:00:00.123456Z');
    const local = new Date(2024, 0, 1, 0, 30).toISOString().replace('.000Z', '.123456Z');
    expect(inDocument('datetime(6)', text, { timezone: 'local' })).toBe(local);
    expect(inDocument('timestamp(6)', text, {})).toBe(local);
  });

  it('names the same instant as the driver, to the millisecond', () => {
    for (const timezone of ['Z', 'local', '+05:45', '-11:00']) {
      const codec = columnCodec(column('datetime(3)'));
      const text = '1987-06-05 04:03:02.109';
      const driver = codec.toDriver(text, { timezone }) as Date;
      expect(new Date(codec.toDocument(text, { timezone }) as string)).toEqual(driver);
    }
  });

  it('keeps JSON as the text it is', () => {
    const value = inDocument('json', '{"n": 18446744073709551615}');
    expect(value).toBeInstanceOf(ExactJson);
    expect(stringifyDocument({ value })).toBe('{"value":{"n": 18446744073709551615}}');
  });

  it('gives shapes as GeoJSON, longitude first', () => {
    const bytes = Buffer.alloc(25);
    bytes.writeUInt32LE(4326, 0);
    bytes.writeUInt8(1, 4);
    bytes.writeUInt32LE(1, 5);
    bytes.writeDoubleLE(4.9, 9);
    bytes.writeDoubleLE(52.37, 17);
    const text = `${base64(bytes)},POINT(52.37 4.9)`;
    expect(inDocument('point', text)).toEqual({ type: 'Point', coordinates: [4.9, 52.37] });
    expect(columnCodec(column('point')).toDriver(text, UTC)).toBe('POINT(52.37 4.9)');
  });
});

describe('driver values', () => {
  it.each<[string, string, DriverSettings, unknown]>([
    ['bigint', '9007199254740993', UTC, '9007199254740993'],
    ['bigint', '5', { supportBigNumbers: true }, 5],
    ['bigint', '9007199254740993', { supportBigNumbers: true }, '9007199254740993'],
    ['decimal(10,2)', '1.10', {}, '1.10'],
    ['decimal(10,2)', '1.10', { decimalNumbers: true }, 1.1],
    // Printed with six digits; ties go to the even digit.
    ['float', '16777216', {}, 16777200],
    ['float', '1234565', {}, 1234560],
    ['float', '1234575', {}, 1234580],
    ['bit(13)', '8191', {}, Buffer.from([0x1f, 0xff])],
    ['binary(2)', 'AP8=', {}, Buffer.from([0, 255])],
    ['date', '2024-01-02', { dateStrings: true }, '2024-01-02'],
    ['datetime', '2024-01-02 03:04:05', { dateStrings: ['DATETIME'] }, '2024-01-02 03:04:05'],
    ['datetime', '2024-01-02 03:04:05', { dateStrings: ['DATE'], timezone: 'Z' }, new Date('2024-01-02T03:04:05Z')],
    ['json', '{"a": [1]}', {}, { a: [1] }],
    ['json', '[1]', { jsonStrings: true }, '[1]'],
    ['vector(2)', singles(1.5, 2), {}, [1.5, 2]],
  ])('%s %s', (type, text, settings, expected) => {
    expect(columnCodec(column(type)).toDriver(text, settings)).toEqual(expected);
  });
});

describe('the statements', () => {
  it('have generated columns in the image, but never assign them', () => {
    const codecs = [columnCodec(column('int')), columnCodec(column('int', { name: 'b', generated: true }))];
    const member = (name: string) => `'${name}', CAST(\`${name}\` AS CHAR CHARACTER SET utf8mb4)`;
    expect(undoObject(codecs)).toBe(`JSON_OBJECT(${member('a')}, ${member('b')})`);
    expect(restoreAssignments(codecs, 'p')).toMatch(/^`a` = /);
    expect(restoreAssignments(codecs, 'p')).not.toContain('`b`');
  });

  it('never quote a name in a way that sql_mode or a placeholder could change', () => {
    const codec = columnCodec(column('int', { name: `a'b"c\\d?e` }));
    const outsideIdentifiers = (undoObject([codec]) + codec.restore('p')).replaceAll(/`[^`]*`/g, '');
    expect(outsideIdentifiers).not.toMatch(/["\\?]/);
    expect(undoObject([codec])).toContain(`_utf8mb4 0x${Buffer.from(codec.name).toString('hex')}`);
  });

  it('are strict where no ENUM stands against it', () => {
    expect(restoreHint([columnCodec(column('int'))])).toContain('STRICT_ALL_TABLES');
    expect(restoreHint([columnCodec(column("enum('a')", { charset: 'utf8mb4' }))])).toBe(RESTORE_HINT);
  });
});

describe('stringifyDocument', () => {
  it('writes what JSON.stringify writes', () => {
    const document = {
      text: 'q"\\\n\u0000\u2028😀\ud800',
      numbers: [1, -0, 1e300, Number.NaN, Infinity, new Number(3)],
      when: new Date(0),
      bytes: Buffer.from([1]),
      nothing: undefined,
      call: () => 1,
      list: [undefined, Symbol('x'), null, true],
      nested: { toJSON: (key: string) => ({ key }) },
      '': {},
    };
    expect(stringifyDocument(document)).toBe(JSON.stringify(document));
    // eslint-disable-next-line no-sparse-arrays
    expect(stringifyDocument([1, , 2])).toBe('[1,null,2]');
  });

  it('splices exact JSON anywhere, on one line', () => {
    const exact = new ExactJson('[1.10,\n 18446744073709551615]');
    expect(stringifyDocument({ a: [exact], b: { toJSON: () => exact } })).toBe(
      '{"a":[[1.10,  18446744073709551615]],"b":[1.10,  18446744073709551615]}',
    );
    expect(JSON.stringify({ exact })).toBe('{"exact":[1.1,18446744073709552000]}');
  });

  it('keeps names such as __proto__ as ordinary ones', () => {
    const hostile = JSON.parse('{"__proto__":{"polluted":true},"constructor":1}');
    expect(stringifyDocument(hostile)).toBe('{"__proto__":{"polluted":true},"constructor":1}');
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  it('writes the same object twice, and refuses a cycle', () => {
    const shared = { a: 1 };
    expect(stringifyDocument({ x: shared, y: shared })).toBe('{"x":{"a":1},"y":{"a":1}}');
    const loop: Record<string, unknown> = {};
    loop.self = [loop];
    expect(() => stringifyDocument(loop)).toThrow(InvalidDocumentError);
  });

  it('refuses a bigint by its field, and what is no document at all', () => {
    expect(() => stringifyDocument({ price: 1n })).toThrow(/"price"/);
    expect(() => stringifyDocument(undefined)).toThrow(InvalidDocumentError);
  });
});
