import { documentConversion } from './document.codec.js';
import { driverConversion, isBinary, isSpatial, type DriverSettings } from './driver.codec.js';
import { quote } from './identifier.js';
import type { ColumnShape } from './table.introspection.js';

export type { DriverSettings } from './driver.codec.js';
export { ExactJson, stringifyDocument } from './json.codec.js';

/**
 * How one column's values are copied without loss. The undo image is built and applied inside MySQL: no value of a row
 * passes through JavaScript on its way into the image and back.
 *
 * The image holds a JSON string or null per column; only a JSON column is embedded as it is, wrapped in an array, so
 * that SQL NULL and JSON null differ and the decimals and dates inside keep their type.
 */
export interface ColumnCodec {
  readonly name: string;
  readonly dataType: string;
  /** Generated columns are in the image, for the document of the previous one, but MySQL computes them: not restored. */
  readonly generated: boolean;
  /** SQL over the live column: its member of the undo image. */
  readonly undo: string;
  /**
   * SQL of the column's former value, given SQL of the image's `previous` object. A column that is not in the image
   * (added after the prepare) keeps its current value. The statement needs `restoreHint`.
   */
  restore(previous: string): string;
  /**
   * SQL over the live column: its exact text, which `toDriver` and `toDocument` read. TIMESTAMP is in the session's
   * time zone, as the driver sees it.
   */
  readonly text: string;
  /** The same text out of the undo image; NULL where there is no image at all. */
  previousText(previous: string): string;
  /** What mysql2, with these connection options, hands to TypeORM for this column. */
  toDriver(text: string | null, driver: DriverSettings): unknown;
  /** The value in the default document. */
  toDocument(text: string | null, driver: DriverSettings): unknown;
}

/** The SQL of one type. `image` stands for SQL that yields the string that `undo` made. */
interface SqlForm {
  readonly undo: string;
  readonly text: string;
  readonly restore: (image: string) => string;
  readonly previousText: (image: string) => string;
}

const same = (image: string): string => image;
const fromBase64 = (image: string): string => `FROM_BASE64(${image})`;
const asText = (sql: string): string => `CAST(${sql} AS CHAR CHARACTER SET utf8mb4)`;

/** ENUM members have at most 255 characters, so this one is no member: assigning it gives index 0, the error value. */
const NO_MEMBER = `REPEAT('-', 256)`;

/** Pure. The column is named without its table: the statements are on one table. */
export function columnCodec(column: ColumnShape): ColumnCodec {
  const driver = driverConversion(column);
  const document = documentConversion(column);
  const form = column.dataType === 'json' ? undefined : sqlForm(column);
  const path = jsonPath(column.name);
  return {
    name: column.name,
    dataType: column.dataType,
    generated: column.generated,
    ...(form ? textCopies(form, path) : jsonCopies(quote(column.name), path)),
    toDriver: (text, settings) => (text === null ? null : driver(text, settings)),
    toDocument: (text, settings) => (text === null ? null : document(text, settings)),
  };
}

type Copies = Pick<ColumnCodec, 'undo' | 'text' | 'restore' | 'previousText'>;

function textCopies(form: SqlForm, path: string): Copies {
  const image = (previous: string, missing: string): string => {
    const member = `JSON_EXTRACT(${previous}, ${path})`;
    // JSON_UNQUOTE makes the word 'null' of a JSON null.
    return `CASE JSON_TYPE(${member}) WHEN 'NULL' THEN NULL WHEN 'STRING' THEN JSON_UNQUOTE(${member}) ELSE ${missing} END`;
  };
  return {
    undo: form.undo,
    text: form.text,
    restore: (previous) => form.restore(image(previous, form.undo)),
    previousText: (previous) => form.previousText(image(previous, onlyWithImage(previous, form.undo))),
  };
}

function jsonCopies(name: string, path: string): Copies {
  const image = (previous: string, missing: string): string => {
    const member = `JSON_EXTRACT(${previous}, ${path})`;
    return `CASE JSON_TYPE(${member}) WHEN 'NULL' THEN NULL WHEN 'ARRAY' THEN JSON_EXTRACT(${member}, '$[0]') ELSE ${missing} END`;
  };
  return {
    undo: `IF(${name} IS NULL, NULL, JSON_ARRAY(${name}))`,
    text: asText(name),
    restore: (previous) => image(previous, name),
    previousText: (previous) => asText(image(previous, onlyWithImage(previous, name))),
  };
}

/** Rows that are not in `prepare` would otherwise send each of their columns twice. */
function onlyWithImage(previous: string, sql: string): string {
  return `IF(JSON_TYPE(${previous}) = 'OBJECT', ${sql}, NULL)`;
}

function sqlForm(column: ColumnShape): SqlForm {
  const name = quote(column.name);
  const plain = asText(name);
  switch (column.dataType) {
    case 'float':
      return uniform(asText(`CAST(${name} AS DOUBLE)`), same);
    case 'double':
      // A DOUBLE(M,D) is printed with D decimals, which can be less than it holds; JSON prints all of it.
      return uniform(column.columnType.includes(',') ? asText(`CAST(${name} AS JSON)`) : plain, same);
    case 'bit':
      return uniform(asText(`CAST(${name} AS UNSIGNED)`), (image) => `CAST(${image} AS UNSIGNED)`);
    case 'timestamp':
      return timestampForm(name, column.fractionDigits ?? 0);
    case 'enum':
      return enumForm(name);
    case 'set':
      return setForm(name, column.columnType);
    case 'vector':
      return uniform(base64(name), fromBase64);
    default:
      if (isBinary(column.dataType)) return uniform(base64(name), fromBase64);
      if (isSpatial(column)) return spatialForm(name);
      return column.charset === null ? uniform(plain, same) : stringForm(name, column.charset);
  }
}

/** Types whose text and image are one. */
function uniform(text: string, restore: (image: string) => string): SqlForm {
  return { undo: text, text, restore, previousText: same };
}

/**
 * Other character sets than UTF-8 keep their own bytes: in some (cp932, gbk, big5 …) several codes are one character, and
 * the way through Unicode does not lead back.
 */
function stringForm(name: string, charset: string): SqlForm {
  const text = `CONVERT(${name} USING utf8mb4)`;
  if (charset === 'utf8mb4' || charset === 'utf8mb3') return uniform(text, same);
  return {
    undo: base64(name),
    text,
    restore: fromBase64,
    previousText: (image) => `CONVERT(CONVERT(FROM_BASE64(${image}) USING ${charset}) USING utf8mb4)`,
  };
}

/**
 * The image holds seconds since 1970: in a session's time zone one hour a year has two meanings. The zero date has the
 * value 0, which no TIMESTAMP else can have.
 */
function timestampForm(name: string, fractionDigits: number): SqlForm {
  const seconds = (image: string): string => `CAST(${image} AS DECIMAL(20, 6))`;
  const zero = `'0000-00-00 00:00:00${fractionDigits > 0 ? `.${'0'.repeat(fractionDigits)}` : ''}'`;
  return {
    undo: asText(`UNIX_TIMESTAMP(${name})`),
    text: asText(name),
    restore: (image) => `IF(${seconds(image)} = 0, ${zero}, FROM_UNIXTIME(${seconds(image)}))`,
    previousText: (image) =>
      `IF(${seconds(image)} = 0, ${zero}, ` +
      `${asText(`CAST(FROM_UNIXTIME(${seconds(image)}) AS DATETIME(${fractionDigits}))`)})`,
  };
}

/** Members are copied by name, so that an ALTER that reorders them does no harm. */
function enumForm(name: string): SqlForm {
  const text = `CONVERT(${name} USING utf8mb4)`;
  return {
    undo: `IF(${name} + 0 = 0, ${NO_MEMBER}, ${text})`,
    text,
    restore: same,
    previousText: (image) => `REPLACE(${image}, ${NO_MEMBER}, '')`,
  };
}

/** With an empty member, '' is two values: then the bit mask goes along, and is what is restored. */
function setForm(name: string, columnType: string): SqlForm {
  const text = `CONVERT(${name} USING utf8mb4)`;
  if (!/[(,]''[,)]/.test(columnType)) return uniform(text, same);
  return {
    undo: `CONCAT(CAST(${name} AS UNSIGNED), ':', ${text})`,
    text,
    restore: (image) => `CAST(SUBSTRING_INDEX(${image}, ':', 1) AS UNSIGNED)`,
    previousText: (image) => `SUBSTRING(${image}, LOCATE(':', ${image}) + 1)`,
  };
}

/** The internal format with its SRID; the text adds the WKT that TypeORM selects. */
function spatialForm(name: string): SqlForm {
  const text = (internal: string, wkt: string): string => `CONCAT(${internal}, ',', ST_AsText(${wkt}))`;
  return {
    undo: base64(name),
    text: text(base64(name), name),
    restore: fromBase64,
    previousText: (image) => text(image, `FROM_BASE64(${image})`),
  };
}

/**
 * TO_BASE64 yields NULL, with no more than a warning, where its result is over `max_allowed_packet`. A NULL in the image
 * would be a lost value, so the statement is made to fail: UUID_TO_BIN reports the text that it cannot read.
 */
function base64(name: string): string {
  const failure = `UUID_TO_BIN(CONCAT('a value over max_allowed_packet, bytes: ', LENGTH(${name})))`;
  return `COALESCE(TO_BASE64(${name}), IF(${name} IS NULL, NULL, CONVERT(${failure} USING utf8mb4)))`;
}

/** `JSON_OBJECT('name', …)` of all columns that are in the undo image. Leave the protocol's own columns out. */
export function undoObject(codecs: readonly ColumnCodec[]): string {
  const members = codecs.map((codec) => `${jsonKey(codec.name)}, ${codec.undo}`);
  return `JSON_OBJECT(${members.join(', ')})`;
}

/**
 * The SET list that puts an image back. Columns with ON UPDATE CURRENT_TIMESTAMP are named as any other, which keeps
 * MySQL from touching them. `previous` must not be assigned before these.
 */
export function restoreAssignments(codecs: readonly ColumnCodec[], previous: string): string {
  return codecs
    .filter((codec) => !codec.generated)
    .map((codec) => `${quote(codec.name)} = ${codec.restore(previous)}`)
    .join(', ');
}

/**
 * In UTC no TIMESTAMP is ambiguous. Zero dates, days such as 2024-02-31 and generated columns that divide by zero were
 * taken once and must be taken again.
 */
const hint = (sqlMode: string): string => `/*+ SET_VAR(time_zone = '+00:00') SET_VAR(sql_mode = '${sqlMode}') */`;

/** Goes right after the word UPDATE of a restore. Fits every table; `restoreHint` is stricter where it can be. */
export const RESTORE_HINT = hint('ALLOW_INVALID_DATES');
const STRICT_RESTORE_HINT = hint('STRICT_ALL_TABLES,ALLOW_INVALID_DATES');

/**
 * The hint for these columns. Strict mode turns a value that no longer fits (the column was narrowed meanwhile) into an
 * error, but it refuses an ENUM's index 0, so tables with an ENUM go without.
 */
export function restoreHint(codecs: readonly ColumnCodec[]): string {
  return codecs.some((codec) => codec.dataType === 'enum' && !codec.generated) ? RESTORE_HINT : STRICT_RESTORE_HINT;
}

const jsonKey = (name: string): string => sqlText(name);
/** A path's member name is a JSON string. */
const jsonPath = (name: string): string => sqlText(`$.${JSON.stringify(name)}`);

/** As hexadecimal where quoting would depend on sql_mode (NO_BACKSLASH_ESCAPES) or on the connection's charset. */
function sqlText(text: string): string {
  return /^[\w$."]*$/.test(text) ? `'${text}'` : `_utf8mb4 0x${Buffer.from(text).toString('hex')}`;
}
