import type { ObjectLiteral } from 'typeorm';
import { documentIdOf, documentTextOf } from '../entity/document.builder.js';
import type { EntityContext } from '../entity/entity.context.js';
import { keyOfImage, type RowKey } from '../entity/row.key.js';
import type { PlannedUpdate, Statement } from '../mysql/group.statements.js';
import type { RowImage } from '../entity/row.image.js';
import type { SqlRunner } from '../mysql/row.store.js';
import { versionOf } from '../mysql/row.values.js';
import type { PendingWrite, Presence } from '../protocol/row.js';
import { changedValues, NOT_PLAIN } from './column.values.js';
import type { PreparedWrite } from './prepared.write.js';

/** A row as the driver read it. */
export type RawRow = Record<string, unknown>;

/** A row that was read, what its columns hold, and its key: worked out once. */
export interface ReadRow {
  readonly raw: RawRow;
  readonly image: RowImage;
  readonly key: RowKey;
}

/** A row that is to be inserted by a statement of ours. */
export interface Insert {
  readonly entity: ObjectLiteral;
  readonly values: ReadonlyMap<string, unknown>;
  /** Undefined while MySQL is to give the id. */
  readonly key: RowKey | undefined;
}

/** A row that is to be changed or removed by a statement of ours. */
export interface Change {
  readonly kind: 'update' | 'remove';
  readonly entity: ObjectLiteral;
  readonly key: RowKey;
  readonly expectedVersion: number | undefined;
}

/** What is pending on every row that our own INSERT makes. */
export function pendingInsert({ binding }: EntityContext): PendingWrite {
  return { operation: 'insert', next: 'present', before: 'absent', decider: binding.decider };
}

/** What the change does to the row that was read. Null where it must go singly. */
export function planChange(
  { binding }: EntityContext,
  { kind, entity, key, expectedVersion }: Change,
  { raw, image }: ReadRow,
): PlannedUpdate | null {
  if (expectedVersion !== undefined && expectedVersion !== versionOf(raw['version'])) return null;
  const changes = kind === 'remove' ? [] : changedValues(binding, entity, image);
  if (changes === NOT_PLAIN) return null;
  const deleted = binding.metadata.deleteDateColumn;
  const before: Presence = deleted && image[deleted.databaseName] != null ? 'absent' : 'present';
  const moved = changes.find(({ column }) => column.metadata === deleted);
  const after: Presence = moved ? (moved.value === null ? 'present' : 'absent') : before;
  const next = kind === 'remove' ? 'absent' : after;
  // Neither image has a document: the write ends with its transaction, which the single path does.
  if (next === 'absent' && before === 'absent') return null;
  const operation = kind === 'remove' ? 'delete' : 'update';
  const pending: PendingWrite = { operation, next, before, decider: binding.decider };
  return { key, pending, changes };
}

/** The prepared write of a row that was read back. Throws where the row cannot become a document. */
export function preparedFrom(
  context: EntityContext,
  row: ReadRow,
  pending: PendingWrite,
): PreparedWrite | Promise<PreparedWrite> {
  const { binding } = context;
  const entity = binding.entityOf(row.image);
  if (binding.metadata.afterLoadListeners.length === 0) return preparedOf(context, row, pending, entity);
  return binding.runAfterLoad(entity).then(() => preparedOf(context, row, pending, entity));
}

function preparedOf(
  context: EntityContext,
  { raw, image, key }: ReadRow,
  pending: PendingWrite,
  entity: ObjectLiteral,
): PreparedWrite {
  const { binding } = context;
  return {
    context,
    key,
    documentId: documentIdOf(binding, image),
    version: versionOf(raw['version']),
    deadline: raw['deadline'] as string | null,
    pending,
    body: pending.next === 'present' ? documentTextOf(binding, image, entity) : null,
    image,
    entity,
    complete: false,
  };
}

export function readRow({ binding, store }: EntityContext, raw: RawRow): ReadRow {
  const image = store.imageOf(raw, 'c');
  return { raw, image, key: keyOfImage(binding, image) };
}

export async function query(runner: SqlRunner, { sql, values }: Statement): Promise<RawRow[]> {
  return (await runner.query(sql, [...values])) as RawRow[];
}
