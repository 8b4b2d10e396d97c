import type { BoundColumn, EntityBinding } from '../entity/entity.binding.js';
import type { RowImage } from '../entity/row.image.js';
import { isBinary, isSpatial } from '../mysql/driver.codec.js';
import type { ColumnShape } from '../mysql/table.introspection.js';
import type { BinlogColumn, BinlogValues } from './binlog.types.js';
import { geometryText } from './geometry.text.js';
import { mysqlBase64 } from './json.text.js';
import { isRangeError } from './log.bytes.js';
import { castDoubleText, doubleText, jsonDoubleText } from './number.text.js';
import type { SessionZone } from './session.zone.js';

/** The exact text of a value that is not NULL; null where it cannot be told. */
export type ToText = (value: unknown) => string | null;

interface Step {
  readonly name: string;
  readonly toText: ToText;
  /** The entity maps it: without it there is no image. */
  readonly needed: boolean;
}

const unknown: ToText = () => null;

/**
 * Makes of the log's values the very texts that the library's own reads give: `image` of a row in the log equals the
 * image that `RowStore` loads. Compiled once for each description of the table in the log.
 *
 * Null, so that the row must be read from MySQL, for: text beyond ASCII in other character sets than UTF-8, UTF-16, UTF-32,
 * latin1 and ASCII; geometries of other reference systems than 0, 3857 and 4326; TIMESTAMP when no `zone` is given; and
 * a column that the log does not have, or has with another type or number of decimals than the table has now.
 */
export class ImageDecoder {
  private readonly compiled = new WeakMap<readonly BinlogColumn[], { all: Step[]; key: Step[] }>();

  /** `zone`: the time zone in which the library's own connections print TIMESTAMP. */
  constructor(
    private readonly binding: EntityBinding,
    private readonly zone: SessionZone | null,
  ) {}

  /** Every column of the table but the protocol's four. */
  image(columns: readonly BinlogColumn[], values: BinlogValues): RowImage | null {
    return decode(this.stepsFor(columns).all, values);
  }

  /** Only the primary key's columns. */
  key(columns: readonly BinlogColumn[], values: BinlogValues): RowImage | null {
    return decode(this.stepsFor(columns).key, values);
  }

  /** Makes the exact text of one column's values that are not NULL. Null where no value of it can be told. */
  texts(columns: readonly BinlogColumn[], name: string): ToText | null {
    const step = this.stepsFor(columns).all.find((one) => one.name === name);
    return !step || step.toText === unknown ? null : (value) => textOrNull(step.toText, value);
  }

  private stepsFor(columns: readonly BinlogColumn[]) {
    let steps = this.compiled.get(columns);
    if (!steps) {
      const { binding, zone } = this;
      const logged = new Map(columns.map((column) => [column.name, column]));
      const shapes = new Map(binding.shape.columns.map((shape) => [shape.name, shape]));
      const compile = (column: BoundColumn): Step => {
        const found = logged.get(column.name);
        const shape = shapes.get(column.name)!;
        const toText = found && sameType(found, shape) ? textOf(shape, zone) : unknown;
        return { name: column.name, toText, needed: column.metadata !== undefined };
      };
      steps = { all: binding.columns.map(compile), key: binding.key.map(compile) };
      this.compiled.set(columns, steps);
    }
    return steps;
  }
}

const decoders = new WeakMap<EntityBinding, Map<SessionZone | null, ImageDecoder>>();

/** As `ImageDecoder.image`, with a decoder that is kept for each binding. */
export function decodeImage(
  binding: EntityBinding,
  columns: readonly BinlogColumn[],
  values: BinlogValues,
  zone: SessionZone | null = null,
): RowImage | null {
  let zones = decoders.get(binding);
  if (!zones) decoders.set(binding, (zones = new Map()));
  let decoder = zones.get(zone);
  if (!decoder) zones.set(zone, (decoder = new ImageDecoder(binding, zone)));
  return decoder.image(columns, values);
}

function decode(steps: readonly Step[], values: BinlogValues): RowImage | null {
  const image: Record<string, string | null> = {};
  for (const { name, toText, needed } of steps) {
    const value = values[name];
    if (value === null) {
      image[name] = null;
      continue;
    }
    const text = value === undefined ? null : textOrNull(toText, value);
    if (text !== null) image[name] = text;
    else if (needed) return null;
  }
  return image;
}

/** JSON and geometries are looked into only here: broken ones are MySQL's to tell. */
function textOrNull(toText: ToText, value: unknown): string | null {
  try {
    return toText(value);
  } catch (error) {
    if (isRangeError(error)) return null;
    throw error;
  }
}

function sameType(column: BinlogColumn, shape: ColumnShape): boolean {
  const type = column.type.toLowerCase();
  const shapeType = shape.dataType === 'geometrycollection' ? 'geomcollection' : shape.dataType;
  if (type !== shapeType) return false;
  if (type === 'decimal') return (column.decimals ?? 0) === Number(/,(\d+)\)/.exec(shape.columnType)?.[1] ?? 0);
  return shape.fractionDigits === null || (column.decimals ?? 0) === shape.fractionDigits;
}

function textOf(shape: ColumnShape, zone: SessionZone | null): ToText {
  const { dataType, columnType } = shape;
  switch (dataType) {
    case 'tinyint':
    case 'smallint':
    case 'mediumint':
    case 'int':
    case 'bigint':
    case 'decimal':
      return columnType.includes('zerofill') ? zeroFilled(columnType) : (value) => String(value);
    case 'float':
      return (value) => castDoubleText(value as number);
    case 'double':
      return columnType.includes(',')
        ? (value) => jsonDoubleText(value as number)
        : (value) => doubleText(value as number);
    case 'year':
      return (value) => String(value).padStart(4, '0');
    case 'timestamp':
      return (value) => (zone ? zone.print(value as string) : null);
    case 'json':
      return String;
    case 'vector':
      return (value) => mysqlBase64(value as Buffer);
    default:
      if (isBinary(dataType)) return (value) => mysqlBase64(value as Buffer);
      if (isSpatial(shape)) return (value) => geometryText(value as Buffer);
      return (value) => (typeof value === 'string' ? value : null);
  }
}

/** `int(8) zerofill` has 8 digits, `decimal(10,2) zerofill` 8 before its point. */
function zeroFilled(columnType: string): ToText {
  const [, width, scale] = /\((\d+)(?:,(\d+))?\)/.exec(columnType) ?? [];
  const length = Number(width ?? 0) + (Number(scale ?? 0) > 0 ? 1 : 0);
  return (value) => String(value).padStart(length, '0');
}
