import type { EntityBinding } from '../entity/entity.binding.js';
import type { RowKey } from '../entity/row.key.js';
import type { Statement } from '../mysql/group.statements.js';
import { quote } from '../mysql/identifier.js';
import { DEADLINE, NOW_MICROS, type RowStatements } from '../mysql/row.statements.js';
import type { PendingWrite } from '../protocol/row.js';

const MICROS_PER_MS = 1_000;

/** The prepare of rows that are written again as they are. */
export class RedriveStatements {
  constructor(
    private readonly binding: EntityBinding,
    private readonly rows: RowStatements,
  ) {}

  /** MySQL's clock, as versions are made of it. */
  now(): Statement {
    return { sql: `SELECT CAST(${NOW_MICROS} AS UNSIGNED) AS now`, values: [] };
  }

  /**
   * Rows that the transaction has locked go to `prepare` above `floor`. The undo image is empty: a column that is not in
   * it is restored, and read back, as it is.
   */
  prepare(keys: readonly RowKey[], pending: PendingWrite, floor: number, deadlineMs: number): Statement {
    const { names, table, shape } = this.binding;
    const version = quote(names.version);
    const own = shape.columns.filter((column) => column.onUpdate).map(({ name }) => `${quote(name)} = ${quote(name)}`);
    const sets = [
      `${quote(names.pending)} = JSON_OBJECT('operation', ?, 'next', ?, 'before', ?, 'decider', ?, 'version', ${version}, 'previous', JSON_OBJECT())`,
      ...own,
      `${quote(names.state)} = 'prepare'`,
      `${version} = GREATEST(${version} + 1, CAST(${NOW_MICROS} AS UNSIGNED), ? + 1)`,
      `${quote(names.deadline)} = ${DEADLINE}`,
    ];
    return {
      sql: `UPDATE ${table} SET ${sets.join(', ')} WHERE ${this.rows.keyIs(keys.length)} AND ${quote(names.state)} = 'commit'`,
      values: [
        pending.operation,
        pending.next,
        pending.before,
        pending.decider,
        floor,
        deadlineMs * MICROS_PER_MS,
        ...keys.flatMap((key) => key.parameters),
      ],
    };
  }
}
