import { type EntityMetadata, type ObjectLiteral, type QueryRunner, TypeORMError } from 'typeorm';
import { documentIdOf, documentTextOf } from '../entity/document.builder.js';
import type { EntityContext } from '../entity/entity.context.js';
import type { RowImage } from '../entity/row.image.js';
import { keyOfEntity, keyOfImage, type RowKey } from '../entity/row.key.js';
import { RowNotFoundError, StaleVersionError, UnsupportedOperationError } from '../errors.js';
import type { LoadedRow, ProbedRow } from '../mysql/row.store.js';
import type { PendingWrite, Presence } from '../protocol/row.js';
import { RowInPrepare, type PreparedWrite } from './prepared.write.js';
import { sanction } from './sanctioned.js';
import type { PrepareOptions } from './write.options.js';

/** Writes through TypeORM that change columns of a row that exists. */
export type UpdateVia = 'save' | 'softRemove' | 'recover';

/**
 * The MySQL half of a write, inside a transaction that somebody else begins and commits. TypeORM writes the entity's
 * own columns, so listeners, subscribers, transformers, version and date columns work as users know them; the protocol
 * columns and the undo image are ours, in SQL.
 */
export class Preparer<Entity extends ObjectLiteral = any> {
  constructor(private readonly context: EntityContext) {}

  /** Inserts or updates, by whether the row is there. */
  async save(runner: QueryRunner, entity: Entity, options: PrepareOptions): Promise<PreparedWrite<Entity>> {
    const key = keyOfEntity(this.context.binding, entity);
    const row = key && (await this.context.store.probe(runner, key));
    if (!key || !row) {
      if (options.expectedVersion !== undefined) throw this.notFound(key);
      return this.insert(runner, entity);
    }
    try {
      return await this.update(runner, entity, 'save', options, row);
    } catch (error) {
      // Somebody's delete was finished between the look and the change.
      if (!(error instanceof RowNotFoundError) || options.expectedVersion !== undefined) throw error;
      return this.insert(runner, entity);
    }
  }

  async insert(runner: QueryRunner, entity: Entity): Promise<PreparedWrite<Entity>> {
    const { binding, store, options } = this.context;
    await runner.manager.insert(binding.target as never, sanction(entity) as never).catch((error: unknown) => {
      throw isKeyUnread(error) ? this.keyUnread(error) : error;
    });
    const key = keyOfEntity(binding, entity);
    if (!key) throw this.keyUnread();
    const version = await store.prepareInserted(runner, key, 'present', options.deadlineMs);
    if (version === null) throw this.notFound(key);
    return this.finish(runner, key, {
      operation: 'insert',
      next: 'present',
      before: 'absent',
      decider: binding.decider,
    });
  }

  /** Updates a row that must exist. */
  async update(
    runner: QueryRunner,
    entity: Entity,
    via: UpdateVia,
    options: PrepareOptions,
    probed?: ProbedRow,
  ): Promise<PreparedWrite<Entity>> {
    const { binding, store } = this.context;
    const key = this.requireKey(entity);
    const pending: PendingWrite = { operation: 'update', next: 'present', before: 'present', decider: binding.decider };
    await this.prepareExisting(runner, key, pending, options);
    const row = probed ?? (this.hasTextKey ? await store.probe(runner, key) : null);
    if (row) this.adoptSpelling(entity, row.keyImage);
    await this.throughTypeOrm(runner, entity, via);
    return this.finish(runner, key, pending);
  }

  /** Writes a row again that the same transaction has prepared: version, deadline and undo image are the first write's. */
  async updateAgain(
    runner: QueryRunner,
    entity: Entity,
    via: UpdateVia,
    own: PreparedWrite,
  ): Promise<PreparedWrite<Entity>> {
    this.adoptSpelling(entity, own.image);
    await this.throughTypeOrm(runner, entity, via);
    return this.finish(runner, own.key, own.pending);
  }

  private get hasTextKey(): boolean {
    const { key, shape } = this.context.binding;
    return key.some(({ name }) => shape.columns.some((column) => column.name === name && column.charset !== null));
  }

  /** To a collation `ABC` and `abc` can be one key; TypeORM compares exactly, and would insert the row again. */
  private adoptSpelling(entity: Entity, image: RowImage): void {
    const { binding } = this.context;
    if (keyOfEntity(binding, entity)?.id === keyOfImage(binding, image).id) return;
    for (const column of binding.key) column.metadata!.setEntityValue(entity, binding.entityValue(column, image));
  }

  private async throughTypeOrm(runner: QueryRunner, entity: Entity, via: UpdateVia): Promise<void> {
    const { binding } = this.context;
    sanction(entity);
    if (via === 'save') await runner.manager.save(binding.target as never, entity as never, { transaction: false });
    else if (via === 'softRemove') await runner.manager.softRemove(entity, { transaction: false });
    else await runner.manager.recover(entity, { transaction: false });
  }

  /** Prepares a delete: the row itself goes when the write commits. */
  async remove(runner: QueryRunner, entity: Entity, options: PrepareOptions): Promise<PreparedWrite<Entity>> {
    const { binding } = this.context;
    const key = this.requireKey(entity);
    const pending: PendingWrite = { operation: 'delete', next: 'absent', before: 'present', decider: binding.decider };
    await this.prepareExisting(runner, key, pending, options);
    await this.announce(runner, 'BeforeRemove', sanction(entity));
    if (binding.shape.referencedBy.length > 0) await this.tryRemoval(runner, key);
    await this.announce(runner, 'AfterRemove', entity);
    return this.finish(runner, key, pending);
  }

  /** Listeners and subscribers of a removal, as TypeORM's own `remove` calls them; the row itself goes later. */
  private async announce(runner: QueryRunner, event: 'BeforeRemove' | 'AfterRemove', entity: Entity): Promise<void> {
    const { metadata } = this.context.binding;
    // TypeORM's typing leaves out the identifier that its own executor passes as the last argument.
    const facts = [metadata, entity, entity, metadata.getEntityIdMap(entity)] as unknown as [
      EntityMetadata,
      Entity,
      Entity,
    ];
    await runner.broadcaster.broadcast(event, ...facts);
  }

  /** A foreign key that forbids the delete must say so now, not after the document is gone. */
  private async tryRemoval(runner: QueryRunner, key: RowKey): Promise<void> {
    const { binding, store } = this.context;
    await runner.query('SAVEPOINT consistent_removal');
    await runner.query(`DELETE FROM ${binding.table} WHERE ${store.statements.keyIs(1)}`, [...key.parameters]);
    await runner.query('ROLLBACK TO SAVEPOINT consistent_removal');
  }

  private async prepareExisting(runner: QueryRunner, key: RowKey, pending: PendingWrite, options: PrepareOptions) {
    const { store } = this.context;
    const version = await store.prepareExisting(
      runner,
      key,
      pending,
      this.context.options.deadlineMs,
      options.expectedVersion,
    );
    if (version !== null) return;
    const row = await store.probe(runner, key);
    if (!row) throw this.notFound(key);
    const stale = options.expectedVersion !== undefined && row.version !== options.expectedVersion;
    // Under decider 'mysql' a pending write is decided: its version counts already, and waiting changes nothing.
    if (stale && (row.state === 'commit' || this.context.binding.decider === 'mysql')) {
      throw new StaleVersionError(
        `${this.context.binding.name} ${key.id} is at version ${row.version}, not ${options.expectedVersion}: ` +
          'somebody wrote it since you read it. Read it again and decide anew.',
        {
          entity: this.context.binding.name,
          key: key.id,
          version: row.version,
          expectedVersion: options.expectedVersion,
        },
      );
    }
    // In prepare; or committed by another writer between our UPDATE and the look: simply try again.
    throw new RowInPrepare(this.context, key);
  }

  /** Reads the new image back, makes the document of it, and corrects what was assumed of both images' documents. */
  private async finish(runner: QueryRunner, key: RowKey, assumed: PendingWrite): Promise<PreparedWrite<Entity>> {
    const { binding, store } = this.context;
    const row = (await store.load([key], runner)).get(key.id);
    if (!row) throw this.notFound(key);
    const entity = (await binding.hydrate(row.image)) as Entity;
    const next: Presence = assumed.operation === 'delete' ? 'absent' : binding.presence(row.image, entity);
    const before = await this.presenceBefore(row, entity, assumed);
    const pending: PendingWrite = { ...assumed, next, before };
    // Under decider 'mysql' the write may have gone over one whose document is still to be taken away.
    const complete = next === 'absent' && before === 'absent' && pending.decider === 'elasticsearch';
    if (complete) {
      await store.commit([{ key, version: row.version, operation: assumed.operation }], runner);
    } else if (next !== assumed.next || before !== assumed.before) {
      await store.setPresence(runner, key, next, before);
    }
    return {
      context: this.context,
      key: row.key,
      documentId: documentIdOf(binding, row.image),
      version: row.version,
      deadline: complete ? null : row.deadline,
      pending,
      body: next === 'present' ? documentTextOf(binding, row.image, entity) : null,
      image: row.image,
      entity,
      complete,
    };
  }

  private async presenceBefore(row: LoadedRow, after: Entity, assumed: PendingWrite): Promise<Presence> {
    const { binding } = this.context;
    if (assumed.operation === 'insert') return 'absent';
    if (!binding.options.when && !binding.metadata.deleteDateColumn) return 'present';
    const image: RowImage = assumed.operation === 'delete' ? row.image : row.previous!;
    return binding.presence(image, assumed.operation === 'delete' ? after : ((await binding.hydrate(image)) as Entity));
  }

  private requireKey(entity: Entity): RowKey {
    const { binding } = this.context;
    const key = keyOfEntity(binding, entity);
    if (key) return key;
    throw new RowNotFoundError(`${binding.name}: the entity has no primary key, so there is no row to change.`, {
      entity: binding.name,
    });
  }

  private keyUnread(cause?: unknown): UnsupportedOperationError {
    const { name } = this.context.binding;
    return new UnsupportedOperationError(
      `${name}: the primary key is made by the database and cannot be read back. Use AUTO_INCREMENT ` +
        `(@PrimaryGeneratedColumn()), @PrimaryGeneratedColumn('uuid'), or set the key before saving.`,
      { entity: name },
      cause,
    );
  }

  private notFound(key: RowKey | undefined): RowNotFoundError {
    const { name } = this.context.binding;
    return new RowNotFoundError(`${name} ${key?.id ?? '(no key)'} does not exist.`, { entity: name, key: key?.id });
  }
}

/** TypeORM reads generated columns back by key, and has no error of its own for a key that it does not know. */
function isKeyUnread(error: unknown): boolean {
  return error instanceof TypeORMError && /entity id is not set/.test(error.message);
}
