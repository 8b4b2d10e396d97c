import { documentIdOf } from '../entity/document.builder.js';
import type { BoundColumn, EntityBinding } from '../entity/entity.binding.js';
import type { RowImage } from '../entity/row.image.js';
import { keyOfImage, type RowKey } from '../entity/row.key.js';
import { isBinary } from '../mysql/driver.codec.js';

/**
 * Whose document it is. `nobody`: no row can have one with this id. `unknown`: `documentId` is the application's, and the
 * key's columns are not in the document.
 */
export type DocumentOwner = RowKey | 'nobody' | 'unknown';

const SHAPES: Readonly<Record<string, RegExp>> = {
  decimal: /^-?\d+(\.\d+)?$/,
  year: /^\d{4}$/,
  bit: /^\d+$/,
  date: /^\d{4}-\d\d-\d\d$/,
  datetime: /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?$/,
  timestamp: /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?$/,
  time: /^-?\d{2,3}:\d\d:\d\d(\.\d+)?$/,
};
const INTEGER = /int$/;

/** From documents back to the keys of their rows. Pure. */
export class DocumentKeys {
  /** What has to be read of each document for it. */
  readonly fields: readonly string[];

  constructor(private readonly binding: EntityBinding) {
    this.fields = binding.options.documentId ? binding.key.map(pathOf) : [];
  }

  ownerOf(id: string, source: Readonly<Record<string, unknown>>): DocumentOwner {
    return this.binding.options.documentId ? this.fromContents(id, source) : this.fromId(id);
  }

  private fromId(id: string): DocumentOwner {
    const { key } = this.binding;
    const texts = key.length === 1 ? [id] : decoded(id);
    if (texts?.length !== key.length || !texts.every((text, at) => mayPrint(key[at]!, text))) return 'nobody';
    return this.keyOf(id, texts) ?? 'nobody';
  }

  private fromContents(id: string, source: Readonly<Record<string, unknown>>): DocumentOwner {
    const values = this.fields.map((path) => valueAt(source, path));
    for (const spell of SPELLINGS) {
      const texts = values.map((value) =>
        typeof value === 'string' || typeof value === 'number' ? spell(String(value)) : '',
      );
      if (!texts.every((text, at) => mayPrint(this.binding.key[at]!, text))) continue;
      const key = this.keyOf(id, texts);
      if (key) return key;
    }
    return 'unknown';
  }

  /** Only where the way back leads to the same id. */
  private keyOf(id: string, texts: readonly string[]): RowKey | null {
    const image: RowImage = Object.fromEntries(this.binding.key.map(({ name }, at) => [name, texts[at]!]));
    try {
      return documentIdOf(this.binding, image) === id ? keyOfImage(this.binding, image) : null;
    } catch {
      return null;
    }
  }
}

/** How a key's value may be written in a document: as MySQL prints it, or as a date. */
const SPELLINGS: readonly ((text: string) => string)[] = [
  (text) => text,
  (text) => text.replace('T', ' ').replace(/Z$/, ''),
  (text) => text.replace('T', ' ').replace(/(\.\d+)?Z$/, ''),
];

function pathOf({ metadata }: BoundColumn): string {
  return metadata!.propertyPath;
}

function valueAt(source: Readonly<Record<string, unknown>>, path: string): unknown {
  let at: unknown = source;
  for (const part of path.split('.')) at = (at as Record<string, unknown> | null | undefined)?.[part];
  return at;
}

function decoded(id: string): string[] | null {
  try {
    return id.split(',').map(decodeURIComponent);
  } catch {
    return null;
  }
}

/** Whether MySQL may print a value of this column so. Compared with anything else, it would guess what is meant. */
function mayPrint({ codec: { dataType } }: BoundColumn, text: string): boolean {
  if (INTEGER.test(dataType)) return /^-?\d+$/.test(text);
  if (isBinary(dataType)) return Buffer.from(text, 'base64').toString('base64') === text;
  return SHAPES[dataType]?.test(text) ?? true;
}
