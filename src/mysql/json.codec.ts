import { InvalidDocumentError } from '../errors.js';

/** JSON text that must reach the document as it is: JavaScript's numbers would round large integers and decimals. */
export class ExactJson {
  constructor(readonly text: string) {}

  /** The value as JavaScript can hold it. */
  toJSON(): unknown {
    return JSON.parse(this.text);
  }
}

/**
 * JSON text of a document: as `JSON.stringify`, but an `ExactJson` is written out as the text it carries, and the text
 * never has a line break (a bulk request is one line per document).
 * Throws `InvalidDocumentError` for what JSON cannot say: a bigint, a cycle, a document that is not an object at all.
 */
export function stringifyDocument(value: unknown): string {
  const text = serialize(value, '', []);
  if (text === undefined) {
    throw new InvalidDocumentError(`A document must be a plain object, not ${typeof value}.`);
  }
  return text;
}

/** JSON text of one member of a document, as `stringifyDocument` writes it; undefined where it leaves the member out. */
export function stringifyMember(value: unknown, key: string): string | undefined {
  return serialize(value, key, []);
}

const LINE_BREAK = /[\r\n]/;

function serialize(given: unknown, key: string, parents: object[]): string | undefined {
  if (typeof given === 'string') return JSON.stringify(given);
  let value: unknown = given;
  if (value instanceof ExactJson)
    return LINE_BREAK.test(value.text) ? value.text.replaceAll(/[\r\n]/g, ' ') : value.text;
  if (typeof (value as { toJSON?: unknown } | null | undefined)?.toJSON === 'function') {
    value = (value as { toJSON(key: string): unknown }).toJSON(key);
    if (value instanceof ExactJson) return serialize(value, key, parents);
  }
  if (value instanceof Number || value instanceof String || value instanceof Boolean) value = value.valueOf();
  if (typeof value === 'bigint') {
    throw new InvalidDocumentError(
      `The document's field "${key}" is a bigint, which JSON has not: give its decimal text with String(value).`,
      { field: key },
    );
  }
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (parents.includes(value)) {
    throw new InvalidDocumentError(`The document's field "${key}" refers back to an object that contains it.`, {
      field: key,
    });
  }
  parents.push(value);
  const text = Array.isArray(value) ? serializeArray(value, parents) : serializeObject(value, parents);
  parents.pop();
  return text;
}

function serializeArray(values: readonly unknown[], parents: object[]): string {
  // Array.from, as map() would skip holes.
  return `[${Array.from(values, (value, at) => serialize(value, String(at), parents) ?? 'null').join(',')}]`;
}

function serializeObject(value: object, parents: object[]): string {
  const members: string[] = [];
  for (const key of Object.keys(value)) {
    const text = serialize((value as Record<string, unknown>)[key], key, parents);
    if (text !== undefined) members.push(`${JSON.stringify(key)}:${text}`);
  }
  return `{${members.join(',')}}`;
}
