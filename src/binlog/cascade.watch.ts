import { isDeepStrictEqual } from 'node:util';
import type { RowsEvent } from './binlog.types.js';

/** A foreign key by which a change of `parent` can change rows of a watched table, directly or through tables between them. */
export interface CascadeRule {
  /** `database.table`. */
  readonly parent: string;
  /** The watched table that may be changed in the end, `database.table`. */
  readonly child: string;
  /** A deleted row of the parent does something to the rows that name it. */
  readonly onDelete: boolean;
  /** So does another value of one of these columns of the parent. */
  readonly onUpdateOf: readonly string[];
}

/**
 * Watches for what foreign keys do where the log does not show it. InnoDB carries out `ON DELETE CASCADE` and the like by itself, and
 * only what the statement named is logged: always before MySQL 9.6, and after that with `innodb_native_foreign_keys` and in
 * sessions that were reset or changed their user. The log's events say which. Then only a verification finds it.
 */
export class CascadeWatch {
  private rules = new Map<string, CascadeRule[]>();

  /** `suspect`: rows of the watched table may have changed, unseen. */
  constructor(private readonly suspect: (table: string, reason: string) => void) {}

  set(rules: readonly CascadeRule[]): void {
    this.rules = new Map();
    for (const rule of rules) this.rules.set(rule.parent, [...(this.rules.get(rule.parent) ?? []), rule]);
  }

  /** Whether events of this table are to be looked at, though it may not be a watched one itself. */
  isParent(table: string): boolean {
    return this.rules.has(table);
  }

  look(event: RowsEvent): void {
    if (!event.cascadesEscape) return;
    const parent = `${event.schema}.${event.table}`;
    for (const rule of this.rules.get(parent) ?? []) {
      if (event.changes.some((change) => acts(rule, change))) this.suspect(rule.child, reasonOf(parent));
    }
  }

  /** Rows of the parent came that cannot be read: whatever they did. */
  unreadable(parent: string): void {
    for (const { child } of this.rules.get(parent) ?? []) this.suspect(child, reasonOf(parent));
  }
}

function acts(rule: CascadeRule, { before, after }: RowsEvent['changes'][number]): boolean {
  if (before === null) return false;
  if (after === null) return rule.onDelete;
  return rule.onUpdateOf.some((column) => !isDeepStrictEqual(before[column], after[column]));
}

// The same words each time: one that is being verified for this reason is not put on the list anew.
const reasonOf = (parent: string): string =>
  `rows of ${parent} were deleted or changed, and what its foreign keys did to this table is not in the log`;
