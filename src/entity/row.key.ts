import { isBinary } from '../mysql/driver.codec.js';
import type { EntityBinding } from './entity.binding.js';
import type { RowImage } from './row.image.js';

/**
 * A row's primary key: the parameters for SQL, and a canonical text by which maps and logs know the row.
 * Two keys of one table are the same row exactly when their `id` is the same.
 */
export interface RowKey {
  readonly parameters: readonly unknown[];
  readonly id: string;
}

/** Dates, buffers, numbers and numeric strings of one key must come out the same from an entity and from a row. */
function canonical(value: unknown): string {
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (typeof value === 'object' && value !== null) return JSON.stringify(value);
  return String(value);
}

function makeKey(parameters: readonly unknown[], values: readonly unknown[]): RowKey {
  return { parameters, id: values.length === 1 ? canonical(values[0]) : JSON.stringify(values.map(canonical)) };
}

/** The key of an entity, or undefined while one of its parts is not set. */
export function keyOfEntity(binding: EntityBinding, entity: object): RowKey | undefined {
  const values: unknown[] = [];
  for (const { metadata } of binding.key) {
    const value = metadata!.getEntityValue(entity, false);
    if (value === undefined || value === null) return undefined;
    values.push(value);
  }
  return makeKey(
    binding.key.map(({ metadata }, at) => binding.driver.preparePersistentValue(values[at], metadata!)),
    values,
  );
}

/** The key of a row that was read as an image. */
export function keyOfImage(binding: EntityBinding, image: RowImage): RowKey {
  const raw = binding.key.map((column) => binding.driverValue(column, image));
  return makeKey(
    // Temporal keys keep their microseconds only as text.
    raw.map((value, at) => (value instanceof Date ? image[binding.key[at]!.name] : value)),
    raw.map((value, at) => binding.driver.prepareHydratedValue(value, binding.key[at]!.metadata!)),
  );
}

/** The key's values by column as MySQL prints them, binary ones in base64: what `documentId` receives. */
export function keyTexts(binding: EntityBinding, image: RowImage): Record<string, string> {
  return Object.fromEntries(
    binding.key.map(({ name, codec }) => {
      const text = image[name] ?? '';
      // MySQL breaks base64 into lines, which an id must not depend on.
      return [name, isBinary(codec.dataType) ? text.replaceAll('\n', '') : text];
    }),
  );
}
