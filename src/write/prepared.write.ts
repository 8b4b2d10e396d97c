import type { ObjectLiteral } from 'typeorm';
import type { EntityContext } from '../entity/entity.context.js';
import type { RowImage } from '../entity/row.image.js';
import type { RowKey } from '../entity/row.key.js';
import type { PendingWrite } from '../protocol/row.js';

/** A write whose row is in `prepare` (or, where no document is concerned, in `commit` already). */
export interface PreparedWrite<Entity extends ObjectLiteral = any> {
  readonly context: EntityContext;
  readonly key: RowKey;
  readonly documentId: string;
  readonly version: number;
  /** By MySQL's clock, UTC; null when nothing is pending. */
  readonly deadline: string | null;
  readonly pending: PendingWrite;
  /** The document as JSON text, or null when the write takes it away. */
  readonly body: string | null;
  readonly image: RowImage;
  /** The row's new image as an entity, with defaults and generated columns. */
  readonly entity: Entity;
  /** Neither image has a document: the write was over with its MySQL transaction. */
  readonly complete: boolean;
}

/** Signal inside the library: the row is in `prepare` under another writer. */
export class RowInPrepare extends Error {
  constructor(
    readonly context: EntityContext,
    readonly key: RowKey,
  ) {
    super('the row is in prepare');
  }
}
