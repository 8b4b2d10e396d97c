import { randomUUID } from 'node:crypto';
import type { EntityBinding, BoundColumn } from '../entity/entity.binding.js';
import type { RowImage } from '../entity/row.image.js';
import type { ColumnValue } from '../mysql/group.statements.js';
import { heldRelation } from './lazy.relations.js';

/** An entity that only TypeORM's own statements can write (an SQL expression as a value). */
export const NOT_PLAIN = Symbol('not plain');

/** What TypeORM's INSERT would send, by column; a column that is missing takes its default. */
export function insertValues(binding: EntityBinding, entity: object): Map<string, unknown> | typeof NOT_PLAIN {
  const values = new Map<string, unknown>();
  for (const column of binding.columns) {
    const { metadata } = column;
    if (!metadata || column.codec.generated || !metadata.isInsert) continue;
    let value: unknown = metadata.getEntityValue(entity);
    if (typeof value === 'function') return NOT_PLAIN;
    value = binding.driver.preparePersistentValue(value, metadata) as unknown;
    if (value === undefined && metadata.isVersion) value = 1;
    if (value === undefined && metadata.isGenerated && metadata.generationStrategy === 'uuid') value = randomUUID();
    if (value !== undefined) values.set(column.name, value);
  }
  return values;
}

/**
 * The columns that differ from the row, as TypeORM's `save` finds them: compared as the application sees them. A value
 * that lost digits on its way into JavaScript (microseconds, big numbers in JSON) and was not touched is not written back.
 */
export function changedValues(
  binding: EntityBinding,
  entity: object,
  current: RowImage,
): ColumnValue[] | typeof NOT_PLAIN {
  const changes: ColumnValue[] = [];
  for (const column of binding.columns) {
    const { metadata } = column;
    if (!metadata || column.codec.generated || !metadata.isUpdate || metadata.isPrimary) continue;
    const value = givenValue(binding, column, entity, current);
    if (value === undefined) continue;
    if (typeof value === 'function') return NOT_PLAIN;
    const next = binding.driver.preparePersistentValue(value, metadata) as unknown;
    if (next !== undefined && !same(next, currentValue(binding, column, current)))
      changes.push({ column, value: next });
  }
  return changes;
}

/** As TypeORM's `save` has it: a relation set to null clears the column that is mapped as well, unless that was changed too. */
function givenValue(binding: EntityBinding, column: BoundColumn, entity: object, current: RowImage): unknown {
  const metadata = column.metadata!;
  const value: unknown = metadata.getEntityValue(entity);
  const { relationMetadata: relation } = metadata;
  if (!relation || metadata.isVirtual || heldRelation(relation, entity) !== null) return value;
  const kept = binding.driver.preparePersistentValue(value, metadata) as unknown;
  return value === undefined || same(kept, currentValue(binding, column, current)) ? null : value;
}

function currentValue(binding: EntityBinding, column: BoundColumn, current: RowImage): unknown {
  return binding.driver.preparePersistentValue(binding.entityValue(column, current), column.metadata!) as unknown;
}

function same(a: unknown, b: unknown): boolean {
  if (a === null || b === null || a === undefined || b === undefined) return (a ?? null) === (b ?? null);
  if (a instanceof Date && b instanceof Date) return a.getTime() === b.getTime();
  if (Buffer.isBuffer(a) && Buffer.isBuffer(b)) return a.equals(b);
  if (typeof a === 'object' || typeof b === 'object') return false;
  return String(a as string | number | boolean) === String(b as string | number | boolean);
}
