import type { EntityMetadata } from 'typeorm';
import type { BypassGuard } from '../consistent.options.js';
import { DELETED_FIELD } from '../elasticsearch/tombstone.codec.js';
import { InvalidSchemaError } from '../errors.js';
import { quote } from '../mysql/identifier.js';
import type { TableShape } from '../mysql/table.introspection.js';
import { RESTORED_FIELD } from '../protocol/row.js';
import type { ConsistencyNames } from './entity.binding.js';

/** Storage engines whose transactions the protocol can rely on. */
const TRANSACTIONAL_ENGINES = new Set(['innodb']);
const UNSAFE_KEY_TYPES = new Set(['float', 'double', 'json', 'geometry']);
/** TIME, DATETIME or TIMESTAMP finer than a JavaScript Date. */
const FINE_TIME = /^(?:time|datetime|timestamp)\([456]\)/i;
const ACTING_RULES = new Set(['CASCADE', 'SET NULL', 'SET DEFAULT']);

/** What of the entity cannot go through the protocol. Thrown at start-up, each with what to do. */
export function checkEntity(metadata: EntityMetadata): void {
  const refuse = (message: string): never => {
    throw new InvalidSchemaError(`${metadata.name}: ${message}`, { entity: metadata.name });
  };
  if (typeof metadata.target !== 'function') {
    refuse(
      'an EntitySchema without a class is not supported: give it a `target` class, or decorate the class instead.',
    );
  }
  if (metadata.tableType === 'view') refuse('a view has no rows of its own; make a repository for the table.');
  if (metadata.inheritancePattern) {
    refuse('single-table inheritance is not supported: give each class a table of its own.');
  }
  if (metadata.treeType) {
    refuse(`tree entities (${metadata.treeType}) write rows of other nodes; keep a plain parent column instead.`);
  }
  if (metadata.primaryColumns.length === 0) refuse('the entity needs a primary key.');
  for (const field of [RESTORED_FIELD, DELETED_FIELD]) {
    // In the document it would say that the document was put back, or is none.
    if (metadata.columns.some(({ propertyPath }) => propertyPath.split('.')[0] === field)) {
      refuse(`the property \`${field}\` has the name of a field of the protocol's own; name yours differently.`);
    }
  }
  for (const relation of metadata.relations) {
    const { isCascadeInsert, isCascadeUpdate, isCascadeRemove, isCascadeSoftRemove, isCascadeRecover } = relation;
    if (isCascadeInsert || isCascadeUpdate || isCascadeRemove || isCascadeSoftRemove || isCascadeRecover) {
      refuse(
        `the relation \`${relation.propertyName}\` has \`cascade\`, which writes other tables around the protocol. Remove ` +
          'it and save those entities themselves; in one MySQL transaction with consistent.transaction().',
      );
    }
  }
}

/** What of the table cannot go through the protocol. Answers with warnings where `guard` lets it pass. */
export function checkTable(
  metadata: EntityMetadata,
  shape: TableShape,
  names: ConsistencyNames,
  guard: BypassGuard,
): string[] {
  const refuse = (message: string): never => {
    throw new InvalidSchemaError(`${metadata.name} (table ${shape.table}): ${message}`, {
      entity: metadata.name,
      table: shape.table,
    });
  };
  if (!TRANSACTIONAL_ENGINES.has(shape.engine.toLowerCase())) {
    refuse(`engine ${shape.engine} has no transactions. Run: ALTER TABLE ${quote(shape.table)} ENGINE = InnoDB`);
  }
  checkConsistencyColumns(metadata, shape, names, refuse);
  for (const primary of metadata.primaryColumns) {
    const column = shape.columns.find((candidate) => candidate.name === primary.databaseName);
    if (column && UNSAFE_KEY_TYPES.has(column.dataType)) refuse(`a ${column.dataType} column cannot be the key.`);
    if (column && FINE_TIME.test(column.columnType)) {
      refuse(
        `the key column \`${column.name}\` is ${column.columnType}: a JavaScript Date holds milliseconds and cannot address its ` +
          'rows. Use at most 3 fraction digits, or a BIGINT of microseconds.',
      );
    }
  }
  const around = [...triggerProblems(shape), ...foreignKeyProblems(shape)];
  if (around.length === 0 || guard === 'off') return [];
  if (guard === 'warn') return around.map((problem) => `${metadata.name}: ${problem}`);
  return refuse(`${around.join(' ')} Or set bypassGuard: 'warn' and accept that those changes go around the protocol.`);
}

function checkConsistencyColumns(
  metadata: EntityMetadata,
  shape: TableShape,
  names: ConsistencyNames,
  refuse: (message: string) => never,
): void {
  const missing = Object.values(names).filter((name) => !shape.columns.some((column) => column.name === name));
  if (missing.length > 0) {
    refuse(
      `the columns ${missing.join(', ')} are missing. Run this in a migration:\n` +
        `  await addConsistencyColumns(queryRunner, '${metadata.tableName}');`,
    );
  }
  const typed = (name: string) => shape.columns.find((column) => column.name === name)!;
  const wrong = [
    typed(names.state).columnType !== "enum('commit','prepare')" && names.state,
    !/^bigint.* unsigned/.test(typed(names.version).columnType) && names.version,
    typed(names.deadline).columnType !== 'datetime(6)' && names.deadline,
    typed(names.pending).dataType !== 'json' && names.pending,
  ].filter((name): name is string => name !== false);
  if (wrong.length > 0) {
    refuse(
      `${wrong.join(', ')} have another type than the protocol needs: ENUM('commit','prepare'), BIGINT UNSIGNED, ` +
        'DATETIME(6), JSON. Drop them and add them again with addConsistencyColumns().',
    );
  }
}

/** The flip is an UPDATE too: a trigger would run a second time, and could change the row behind the document's back. */
function triggerProblems(shape: TableShape): string[] {
  return shape.triggers
    .filter((trigger) => trigger.event === 'UPDATE')
    .map(
      (trigger) =>
        `Trigger \`${trigger.name}\` (${trigger.timing} UPDATE) would run at every step of the protocol. Drop it, or move its work into a subscriber.`,
    );
}

/** MySQL carries these out itself: rows of this table change and no document follows. */
function foreignKeyProblems(shape: TableShape): string[] {
  return shape.foreignKeys
    .filter((key) => ACTING_RULES.has(key.deleteRule) || ACTING_RULES.has(key.updateRule))
    .map(
      (key) =>
        `Foreign key \`${key.name}\` (ON DELETE ${key.deleteRule}, ON UPDATE ${key.updateRule}) lets MySQL change rows of this ` +
        'table by itself. Use ON DELETE RESTRICT ON UPDATE RESTRICT and remove the rows through the repository.',
    );
}
