import fc from 'fast-check';

/** One column of the table of all types: how to make it, values to write (as SQL), and SQL that tells two apart. */
export interface EveryColumn {
  readonly name: string;
  readonly ddl: string;
  readonly value: fc.Arbitrary<string>;
  /** SQL over the column whose result differs exactly when the stored bytes do. */
  readonly bytes: string;
  /** The column's type in an entity. */
  readonly type: any;
  /** Members of ENUM and SET. */
  readonly members?: string[];
}

const hex = (bytes: Uint8Array): string => (bytes.length === 0 ? "''" : `0x${Buffer.from(bytes).toString('hex')}`);
const utf8 = (text: string): string => `CONVERT(${hex(Buffer.from(text))} USING utf8mb4)`;
const nullable = (value: fc.Arbitrary<string>): fc.Arbitrary<string> => fc.option(value, { nil: 'NULL', freq: 8 });
const edges = (...values: string[]): fc.Arbitrary<string> => fc.constantFrom(...values);
const pad = (value: number, digits: number): string => String(value).padStart(digits, '0');
const whole = (min: bigint, max: bigint): fc.Arbitrary<string> =>
  fc.oneof(fc.bigInt({ min, max }).map(String), edges(String(min), '0', String(max)));

/** A literal with an exponent is a DOUBLE to MySQL, not a DECIMAL; minus zero needs its sign. */
const double = (value: number): string => {
  const text = Object.is(value, -0) ? '-0' : String(value);
  return text.includes('e') ? text : `${text}e0`;
};
const finite = { noNaN: true, noDefaultInfinity: true };

const characters = (maxLength: number): fc.Arbitrary<string> =>
  fc.oneof(
    fc.string({ unit: 'binary', maxLength }),
    edges('', ' ', 'trailing  ', '\u0000', '😀é\u0000\\', '\'"`?:', '\r\n\t', 'ÿ￿'.slice(0, maxLength)),
  );
const bytes = (maxLength: number): fc.Arbitrary<Uint8Array> =>
  fc.oneof(
    fc.uint8Array({ maxLength }),
    fc.constantFrom(new Uint8Array([0]), new Uint8Array([0x20, 0, 0]), new Uint8Array()),
  );

const fraction = (digits: number): fc.Arbitrary<string> =>
  digits === 0 ? fc.constant('') : fc.integer({ min: 0, max: 10 ** digits - 1 }).map((part) => `.${pad(part, digits)}`);
const day = fc
  .oneof(
    fc.tuple(fc.integer({ min: 0, max: 9999 }), fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 31 })),
    fc.tuple(fc.integer({ min: 1970, max: 2037 }), fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 28 })),
    fc.constantFrom([0, 0, 0], [2024, 2, 0], [2024, 2, 31], [1, 1, 1], [9999, 12, 31], [2024, 10, 27]),
  )
  .map((parts) => parts.map((part, at) => pad(part, at === 0 ? 4 : 2)).join('-'));
const clock = fc
  .tuple(fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 }), fc.integer({ min: 0, max: 59 }))
  .map((parts) => parts.map((part) => pad(part, 2)).join(':'));
const dateTime = (digits: number): fc.Arbitrary<string> =>
  fc.tuple(day, clock, fraction(digits)).map(([date, time, part]) => `'${date} ${time}${part}'`);
/** The hour that clocks pass twice, in the zone of the test. */
export const FOLD_SECONDS = 1_729_990_800;
const timestamp = (digits: number): fc.Arbitrary<string> =>
  fc.oneof(
    fc
      .tuple(
        fc.oneof(
          fc.integer({ min: 1, max: 2_147_483_646 }),
          fc.integer({ min: FOLD_SECONDS - 7200, max: FOLD_SECONDS + 7200 }),
        ),
        fraction(digits),
      )
      .map(([seconds, part]) => `FROM_UNIXTIME(${seconds}${part})`),
    edges(`'0000-00-00'`, 'FROM_UNIXTIME(1)', 'FROM_UNIXTIME(2147483647)'),
  );
const time = (digits: number): fc.Arbitrary<string> =>
  fc
    .tuple(fc.constantFrom('', '-'), fc.integer({ min: 0, max: 838 }), clock, fraction(digits))
    .map(([sign, hours, minutes, part]) => `'${sign}${hours}${minutes.slice(2)}${part}'`);

const decimal = (digits: number, scale: number): fc.Arbitrary<string> =>
  fc.tuple(fc.boolean(), fc.bigInt({ min: 0n, max: 10n ** BigInt(digits) - 1n })).map(([negative, value]) => {
    const text = value.toString().padStart(scale + 1, '0');
    return `${negative ? '-' : ''}${text.slice(0, text.length - scale)}${scale > 0 ? `.${text.slice(-scale)}` : ''}`;
  });

const member = (members: string[]): fc.Arbitrary<string> =>
  fc.oneof(fc.constantFrom(...members).map(utf8), edges(utf8('no such member'), '0'));
const mask = (bits: number): fc.Arbitrary<string> => whole(0n, (1n << BigInt(bits)) - 1n);

const SRIDS = [0, 4326, 3857];
/** Latitudes and longitudes that fit every reference system used here. */
const point = fc
  .tuple(fc.double({ ...finite, min: -85, max: 85 }), fc.double({ ...finite, min: -179, max: 179 }))
  .map(([x, y]) => `${double(x)} ${double(y)}`);
const line = fc.array(point, { minLength: 2, maxLength: 5 }).map((points) => `(${points.join(',')})`);
const ring = fc
  .tuple(fc.integer({ min: -80, max: 80 }), fc.integer({ min: -170, max: 170 }))
  .map(([x, y]) => `((${x} ${y},${x} ${y + 1},${x + 1} ${y + 1},${x + 1} ${y},${x} ${y}))`);
const several = (one: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.array(one, { minLength: 1, maxLength: 3 }).map((parts) => `(${parts.join(',')})`);
const shapes: Record<string, fc.Arbitrary<string>> = {
  point: point.map((at) => `POINT(${at})`),
  linestring: line.map((points) => `LINESTRING${points}`),
  polygon: ring.map((rings) => `POLYGON${rings}`),
  multipoint: several(point).map((points) => `MULTIPOINT${points}`),
  multilinestring: several(line).map((lines) => `MULTILINESTRING${lines}`),
  multipolygon: several(ring).map((polygons) => `MULTIPOLYGON${polygons}`),
};
const collection = fc
  .array(fc.oneof(shapes.point!, shapes.linestring!, shapes.polygon!), { maxLength: 3 })
  .map((parts) => (parts.length === 0 ? 'GEOMETRYCOLLECTION EMPTY' : `GEOMETRYCOLLECTION(${parts.join(',')})`));
const geometry = (wkt: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.tuple(wkt, fc.constantFrom(...SRIDS)).map(([text, srid]) => `ST_GeomFromText('${text}', ${srid})`);

const json = fc.oneof(
  fc
    .jsonValue({ stringUnit: 'binary', maxDepth: 4 } as fc.JsonSharedConstraints)
    .map((value) => `CAST(${utf8(JSON.stringify(value))} AS JSON)`),
  edges(
    `CAST('null' AS JSON)`,
    `CAST('-0.0' AS JSON)`,
    `CAST('[18446744073709551615, -9223372036854775808, 1e300, 0.1]' AS JSON)`,
    `JSON_ARRAY(CAST(1.10 AS DECIMAL(65,30)), CAST('2024-02-03' AS DATE), CAST('2024-02-03 04:05:06.123456' AS DATETIME(6)), TIME'-12:34:56.5')`,
    `JSON_OBJECT('bin', CAST(0x00ff AS BINARY(2)), 'bit', b'101', 'inner', JSON_OBJECT('d', 99999999999999999999.5))`,
    `JSON_OBJECT('', 1, '__proto__', JSON_OBJECT('a', NULL), 'consistency_restored', 7)`,
  ),
);

const singles = fc.oneof(
  fc.float(finite),
  fc.constantFrom(0, -0, 1.1, 16777217, -1.1754943508222875e-38, 3.4028234663852886e38, 1e-45, 1234565, 0.5),
);
const doubles = fc.oneof(
  fc.double(finite),
  fc.constantFrom(0, -0, 5e-324, -2.2250738585072014e-308, -1.7976931348623157e308, 0.1, 1e15, 123456789012345680),
);
const vector = fc
  .array(fc.float(finite), { minLength: 1, maxLength: 4 })
  .map((values) => hex(Buffer.from(new Float32Array(values).buffer)));

const asIs = (name: string): string => `CAST(${name} AS CHAR)`;
const asHex = (name: string): string => `HEX(${name})`;
const asDouble = (name: string): string => `CAST(CAST(CAST(${name} AS DOUBLE) AS JSON) AS CHAR)`;
const asNumber = (name: string): string => `${name} + 0`;
const asJson = (name: string): string => `CONCAT(JSON_STORAGE_SIZE(${name}), ${name})`;

const ENUM = ['commit', 'Ünï 😀', "it's", '0', '2'];
const ODD_ENUM = ['a', '', '1'];
const SET = ['red', 'green', "o'blue"];
const SET64 = Array.from({ length: 64 }, (_, at) => `m${at}`);
const list = (members: string[]): string => members.map((text) => `'${text.replaceAll("'", "''")}'`).join(',');

type Line = [ddl: string, value: fc.Arbitrary<string>, bytes: (name: string) => string, type: any, members?: string[]];

const LINES: Line[] = [
  ['TINYINT', whole(-128n, 127n), asIs, 'tinyint'],
  ['TINYINT(1)', whole(0n, 1n), asIs, Boolean],
  ['SMALLINT', whole(-32768n, 32767n), asIs, 'smallint'],
  ['MEDIUMINT UNSIGNED', whole(0n, 16777215n), asIs, 'mediumint'],
  ['INT', whole(-2147483648n, 2147483647n), asIs, 'int'],
  ['INT(8) UNSIGNED ZEROFILL', whole(0n, 4294967295n), asIs, 'int'],
  ['BIGINT', whole(-(2n ** 63n), 2n ** 63n - 1n), asIs, 'bigint'],
  ['BIGINT UNSIGNED', whole(0n, 2n ** 64n - 1n), asIs, 'bigint'],
  ['BIGINT UNSIGNED ZEROFILL', whole(0n, 2n ** 64n - 1n), asIs, 'bigint'],
  ['DECIMAL(65,30)', decimal(65, 30), asIs, 'decimal'],
  ['DECIMAL(20,0)', decimal(20, 0), asIs, 'decimal'],
  ['DECIMAL(10,2) ZEROFILL', decimal(10, 2).map((text) => text.replace('-', '')), asIs, 'decimal'],
  ['FLOAT', singles.map(double), asDouble, 'float'],
  ['FLOAT(12,2)', fc.double({ ...finite, min: -1e9, max: 1e9 }).map(double), asDouble, 'float'],
  ['DOUBLE', doubles.map(double), asDouble, 'double'],
  [
    'DOUBLE(60,30)',
    fc.oneof(fc.double({ ...finite, min: -1e29, max: 1e29 }), fc.double({ ...finite, min: -1, max: 1 })).map(double),
    asDouble,
    'double',
  ],
  [
    'DOUBLE(20,3)',
    fc.oneof(fc.double({ ...finite, min: -1e16, max: 1e16 }), fc.double({ ...finite, min: -1, max: 1 })).map(double),
    asDouble,
    'double',
  ],
  ['BIT(1)', mask(1), asNumber, 'bit'],
  ['BIT(13)', mask(13), asNumber, 'bit'],
  ['BIT(64)', mask(64), asNumber, 'bit'],
  ['YEAR', fc.oneof(fc.integer({ min: 1901, max: 2155 }).map(String), edges(`'0000'`)), asIs, 'year'],
  ['DATE', day.map((text) => `'${text}'`), asIs, 'date'],
  ['TIME', time(0), asIs, 'time'],
  ['TIME(6)', time(6), asIs, 'time'],
  ['DATETIME', dateTime(0), asIs, 'datetime'],
  ['DATETIME(3)', dateTime(3), asIs, 'datetime'],
  ['DATETIME(6)', dateTime(6), asIs, 'datetime'],
  ['TIMESTAMP', timestamp(0), (name) => `UNIX_TIMESTAMP(${name})`, 'timestamp'],
  ['TIMESTAMP(3)', timestamp(3), (name) => `UNIX_TIMESTAMP(${name})`, 'timestamp'],
  ['TIMESTAMP(6)', timestamp(6), (name) => `UNIX_TIMESTAMP(${name})`, 'timestamp'],
  ['CHAR(8)', characters(8).map(utf8), asHex, 'char'],
  ['VARCHAR(20)', characters(20).map(utf8), asHex, 'varchar'],
  ['VARCHAR(20) COLLATE utf8mb4_bin', characters(20).map(utf8), asHex, 'varchar'],
  ['TINYTEXT', characters(60).map(utf8), asHex, 'tinytext'],
  ['TEXT', characters(300).map(utf8), asHex, 'text'],
  ['MEDIUMTEXT', characters(300).map(utf8), asHex, 'mediumtext'],
  ['LONGTEXT', characters(300).map(utf8), asHex, 'longtext'],
  [
    'VARCHAR(20) CHARACTER SET utf8mb3',
    characters(20).map((text) => utf8(text.replaceAll(/[\u{10000}-\u{10ffff}]/gu, '¿'))),
    asHex,
    'varchar',
  ],
  ['VARCHAR(20) CHARACTER SET latin1', bytes(20).map((text) => `CONVERT(${hex(text)} USING latin1)`), asHex, 'varchar'],
  ['VARCHAR(20) CHARACTER SET ascii', bytes(20).map((text) => hex(text.map((byte) => byte % 128))), asHex, 'varchar'],
  ['TEXT CHARACTER SET utf16', characters(20).map(utf8), asHex, 'text'],
  ['VARCHAR(20) CHARACTER SET utf32', characters(20).map(utf8), asHex, 'varchar'],
  // 0x8790 and 0x81E0 are the same character in Unicode; only one of them comes back.
  ['VARCHAR(20) CHARACTER SET cp932', edges('0x8790', '0x81E0', '0x41FA54', '0x83898365', "'plain'"), asHex, 'varchar'],
  ['VARCHAR(20) CHARACTER SET gbk', edges('0xA1A4', '0xA996', '0xC4E3BAC3', "'plain'"), asHex, 'varchar'],
  ['BINARY(6)', bytes(6).map(hex), asHex, 'binary'],
  ['VARBINARY(40)', bytes(40).map(hex), asHex, 'varbinary'],
  ['TINYBLOB', bytes(200).map(hex), asHex, 'tinyblob'],
  ['BLOB', bytes(300).map(hex), asHex, 'blob'],
  ['MEDIUMBLOB', bytes(300).map(hex), asHex, 'mediumblob'],
  ['LONGBLOB', bytes(300).map(hex), asHex, 'longblob'],
  [`ENUM(${list(ENUM)})`, member(ENUM), asNumber, 'enum', ENUM],
  [`ENUM(${list(ODD_ENUM)})`, member(ODD_ENUM), asNumber, 'enum', ODD_ENUM],
  [`ENUM('é','ß') CHARACTER SET latin1`, member(['é', 'ß']), asNumber, 'enum', ['é', 'ß']],
  [`SET(${list(SET)})`, mask(3), asNumber, 'set', SET],
  [`SET(${list(SET64)})`, mask(64), asNumber, 'set', SET64],
  [`SET('','a','b')`, mask(3), asNumber, 'set', ['', 'a', 'b']],
  ['JSON', json, asJson, 'json'],
  ['GEOMETRY', geometry(fc.oneof(...Object.values(shapes), collection)), asHex, 'geometry'],
  ...Object.entries(shapes).map(([type, wkt]): Line => [type.toUpperCase(), geometry(wkt), asHex, type]),
  ['GEOMETRYCOLLECTION', geometry(collection), asHex, 'geometrycollection'],
  ['VECTOR(4)', vector, asHex, 'vector'],
];

/** Every column type of MySQL, nullable, with the variants that are stored or printed in their own way. */
export const EVERY_COLUMN: readonly EveryColumn[] = LINES.map(([ddl, value, tellApart, type, members], at) => {
  const name = `c${at}`;
  return { name, ddl: `${ddl} NULL`, value: nullable(value), bytes: tellApart(`\`${name}\``), type, members };
});

/** One value for every column, as SQL. */
export const everyRow: fc.Arbitrary<readonly string[]> = fc.tuple(...EVERY_COLUMN.map((column) => column.value));
