import {
  driverConversion,
  geometryParts,
  isBinary,
  isSpatial,
  printedNumber,
  vectorOf,
  type DriverSettings,
} from './driver.codec.js';
import { geoJsonOf } from './geometry.codec.js';
import { ExactJson } from './json.codec.js';
import { documentDate, documentDateTime } from './temporal.codec.js';
import type { ColumnShape } from './table.introspection.js';

type Convert = (text: string, settings: DriverSettings) => unknown;

const MAX_SINGLE_DIGITS = 9;

/** Turns the exact text of a column into the default document's value. */
export function documentConversion(column: ColumnShape): Convert {
  switch (column.dataType) {
    case 'bigint':
      // Always text, also where it is small: a field's type must not depend on the value.
      return (text) => BigInt(text).toString();
    case 'decimal':
      return (text) => text.replace(/^(-?)0+(?=\d)/, '$1');
    case 'float':
      return (text) => (hasDecimals(column) ? printedNumber(column, text) : shortestSingle(Number(text)));
    case 'double':
      return (text) => (hasDecimals(column) ? printedNumber(column, text) : Number(text));
    case 'date':
      return documentDate;
    case 'datetime':
    case 'timestamp':
      return documentDateTime;
    case 'bit':
      return (text) => (Number.isSafeInteger(Number(text)) ? Number(text) : text);
    case 'set':
      return (text) => (text === '' ? [] : text.split(','));
    case 'json':
      return (text) => new ExactJson(text);
    case 'vector':
      return (text) => vectorOf(text).map(shortestSingle);
    default:
      if (isBinary(column.dataType)) return (text) => text.replaceAll('\n', '');
      if (isSpatial(column)) return (text) => geoJsonOf(geometryParts(text).internal);
      return driverConversion(column);
  }
}

function hasDecimals(column: ColumnShape): boolean {
  return column.columnType.includes(',');
}

/** The shortest decimal that is this very 32-bit float: 1.1 rather than 1.100000023841858. */
function shortestSingle(value: number): number {
  const single = Math.fround(value);
  for (let digits = 1; digits <= MAX_SINGLE_DIGITS; digits += 1) {
    const short = Number(single.toPrecision(digits));
    if (Math.fround(short) === single) return short;
  }
  return single;
}
