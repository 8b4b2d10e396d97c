import { DELETED_FIELD } from '../elasticsearch/tombstone.codec.js';
import { InvalidDocumentError } from '../errors.js';
import { ExactJson, stringifyDocument, stringifyMember } from '../mysql/json.codec.js';
import { RESTORED_FIELD } from '../protocol/row.js';
import type { BoundColumn, EntityBinding } from './entity.binding.js';
import type { RowImage } from './row.image.js';
import { keyTexts } from './row.key.js';

/** Elasticsearch's own limit for `_id`. */
const MAX_ID_BYTES = 512;
/** Far below Elasticsearch's 100 MB `http.max_content_length`, so that a bulk of several still passes. */
const MAX_DOCUMENT_BYTES = 32 * 1024 * 1024;
/** Of one UTF-16 unit as UTF-8: shorter texts need not be counted. */
const MAX_UNIT_BYTES = 3;
const EMPTY_DOCUMENT = '{}';

/** TypeORM types whose entity value says more than the column's text. */
const ENTITY_VALUED: ReadonlySet<unknown> = new Set([Boolean, 'bool', 'boolean', 'simple-array', 'simple-json']);

/** The document's id: the key's own text, or what `documentId` says. Throws `InvalidDocumentError`. */
export function documentIdOf(binding: EntityBinding, image: RowImage): string {
  const texts = keyTexts(binding, image);
  const values = Object.values(texts);
  const id = binding.options.documentId
    ? binding.options.documentId(texts)
    : values.length === 1
      ? values[0]!
      : values.map(encodeURIComponent).join(',');
  if (typeof id !== 'string' || id === '') {
    throw new InvalidDocumentError(`${binding.name}: the document id of this row is empty; give the row a key.`, {
      entity: binding.name,
    });
  }
  if (id.length > MAX_ID_BYTES / MAX_UNIT_BYTES && Buffer.byteLength(id) > MAX_ID_BYTES) {
    throw new InvalidDocumentError(
      `${binding.name}: the document id has ${Buffer.byteLength(id)} bytes and Elasticsearch takes ${MAX_ID_BYTES}. ` +
        'Give the repository a `documentId` that is shorter, for instance a hash of the key.',
      { entity: binding.name, bytes: Buffer.byteLength(id) },
    );
  }
  return id;
}

/** The document of an image as JSON text. Pure but for `toDocument`, which is asked to be. */
export function documentTextOf(binding: EntityBinding, image: RowImage, entity: object): string {
  const { toDocument } = binding.options;
  let text: string;
  if (toDocument) {
    const exact = defaultDocument(binding, image);
    const made = callToDocument(binding, () => toDocument(entity, withoutExactness(exact)));
    const taken = [RESTORED_FIELD, DELETED_FIELD].find((field) => Object.hasOwn(made, field));
    if (taken !== undefined) {
      throw new InvalidDocumentError(`${binding.name}: the field ${taken} is the protocol's own.`, {
        entity: binding.name,
      });
    }
    text = stringifyDocument(made);
  } else {
    text = defaultText(binding, image);
  }
  if (text.length > MAX_DOCUMENT_BYTES / MAX_UNIT_BYTES) requireDocumentSize(binding, Buffer.byteLength(text));
  return text;
}

/** Throws `InvalidDocumentError` for a document of more bytes than are sent. */
export function requireDocumentSize(binding: EntityBinding, bytes: number): void {
  if (bytes <= MAX_DOCUMENT_BYTES) return;
  throw new InvalidDocumentError(
    `${binding.name}: the document has ${bytes} bytes; at most ${MAX_DOCUMENT_BYTES} are sent. ` +
      'Leave large columns out with `toDocument`.',
    { entity: binding.name, bytes },
  );
}

/** The same document with the marker that says "put back at this version". */
export function markRestored(text: string, version: number): string {
  const marker = `{"${RESTORED_FIELD}":${version}`;
  return text === EMPTY_DOCUMENT ? `${marker}}` : `${marker},${text.slice(1)}`;
}

function callToDocument<T extends object>(binding: EntityBinding, make: () => T): T {
  let made: unknown;
  try {
    made = make();
  } catch (error) {
    throw new InvalidDocumentError(
      `${binding.name}: toDocument failed: ${(error as Error).message}`,
      { entity: binding.name },
      error,
    );
  }
  // Nobody awaits it: without a handler its rejection would end the process.
  if (made instanceof Promise) made.catch(() => undefined);
  if (typeof made !== 'object' || made === null || Array.isArray(made) || made instanceof Promise) {
    throw new InvalidDocumentError(
      `${binding.name}: toDocument must return a plain object, synchronously. To leave rows out of the index use \`when\`.`,
      { entity: binding.name },
    );
  }
  return made as T;
}

/** A column of the default document. */
export interface Field {
  readonly column: BoundColumn;
  readonly path: readonly string[];
  /** The name as JSON text, with its colon. */
  readonly label: string;
  readonly throughEntity: boolean;
}

interface DefaultForm {
  readonly fields: readonly Field[];
  /** No field within another: the text can be written without making the object first. */
  readonly flat: boolean;
}

/** Worked out once for an entity, not for each row. By its columns: those change when the table does. */
const forms = new WeakMap<readonly BoundColumn[], DefaultForm>();
/** JavaScript puts such members first, and `__proto__` is not a member at all. */
const UNORDERED_NAME = /^\d+$|^__proto__$/;

/** The default document's members in their order, where each is one column; else null. */
export function flatFields(binding: EntityBinding): readonly Field[] | null {
  const { fields, flat } = defaultForm(binding);
  return flat ? fields : null;
}

/** Every selected column under its property path; bare join columns and the like under their column name. */
function defaultForm(binding: EntityBinding): DefaultForm {
  const known = forms.get(binding.columns);
  if (known) return known;
  const fields: Field[] = [];
  for (const column of binding.columns) {
    const { metadata } = column;
    if (!metadata || !metadata.isSelect) continue;
    const path = metadata.isVirtual ? [column.name] : metadata.propertyPath.split('.');
    const throughEntity = metadata.transformer !== undefined || ENTITY_VALUED.has(metadata.type);
    fields.push({ column, path, label: `${JSON.stringify(path.at(-1))}:`, throughEntity });
  }
  const names = new Set(fields.map(({ path }) => path[0]!));
  const plain = fields.every(({ path }) => path.length === 1 && !UNORDERED_NAME.test(path[0]!));
  const form = { fields, flat: plain && names.size === fields.length };
  forms.set(binding.columns, form);
  return form;
}

function defaultDocument(binding: EntityBinding, image: RowImage): Record<string, unknown> {
  const document: Record<string, unknown> = {};
  for (const field of defaultForm(binding).fields) assign(document, field.path, defaultValue(binding, field, image));
  return document;
}

/** `stringifyDocument` of the default document. */
function defaultText(binding: EntityBinding, image: RowImage): string {
  const { fields, flat } = defaultForm(binding);
  if (!flat) return stringifyDocument(defaultDocument(binding, image));
  // Joined, not added: a text that grows piece by piece keeps every piece in memory for as long as it waits.
  const parts: string[] = [];
  for (const field of fields) {
    const text = stringifyMember(defaultValue(binding, field, image), field.path[0]!);
    if (text !== undefined) parts.push(parts.length === 0 ? '{' : ',', field.label, text);
  }
  parts.push(parts.length === 0 ? EMPTY_DOCUMENT : '}');
  return parts.join('');
}

function defaultValue(binding: EntityBinding, { column, throughEntity }: Field, image: RowImage): unknown {
  return throughEntity ? binding.entityValue(column, image) : binding.documentValue(column, image);
}

function assign(document: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let at = document;
  for (const part of path.slice(0, -1)) {
    if (!Object.hasOwn(at, part)) define(at, part, {});
    at = at[part] as Record<string, unknown>;
  }
  define(at, path.at(-1)!, value);
}

/** Plain assignment would call the setter of `__proto__`; for any other name it is the same, and far cheaper. */
function define(target: Record<string, unknown>, name: string, value: unknown): void {
  if (name !== '__proto__') {
    target[name] = value;
    return;
  }
  Object.defineProperty(target, name, { value, enumerable: true, writable: true, configurable: true });
}

/** What `toDocument` is given: JSON columns as ordinary objects. */
function withoutExactness(document: Record<string, unknown>): Record<string, unknown> {
  const plain: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(document)) {
    if (value instanceof ExactJson) define(plain, name, value.toJSON());
    else if (Object.getPrototypeOf(value ?? 0) === Object.prototype) {
      define(plain, name, withoutExactness(value as Record<string, unknown>));
    } else define(plain, name, value);
  }
  return plain;
}
