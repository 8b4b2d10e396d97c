import { raw } from 'mysql2';
import { documentIdOf } from '../entity/document.builder.js';
import type { EntityBinding } from '../entity/entity.binding.js';
import type { RowKey } from '../entity/row.key.js';
import { errnoOf } from '../mysql/mysql.errors.js';
import { quote } from '../mysql/identifier.js';
import { RowStatements } from '../mysql/row.statements.js';
import { textOf } from '../mysql/row.values.js';
import { queryPrimary } from '../mysql/statement.timeout.js';

/** A document, and the key of the row that it should have. */
export interface Owned {
  readonly documentId: string;
  readonly key: RowKey;
}

const BATCH = 1_000;
/** Conditions on several columns are tried one by one. */
const COMPOSITE_BATCH = 100;
const ER_WRONG_VALUE = 1525;

/** Tells which documents have no row. Where all have one, MySQL only counts. */
export class RowPresence {
  private readonly statements: RowStatements;
  private readonly integers: boolean;

  constructor(private readonly binding: EntityBinding) {
    this.statements = new RowStatements(binding);
    this.integers = binding.key.length === 1 && binding.key[0]!.codec.dataType.endsWith('int');
  }

  /** Those without a row of exactly this key. */
  async without(owned: readonly Owned[]): Promise<Owned[]> {
    const size = this.binding.key.length === 1 ? BATCH : COMPOSITE_BATCH;
    const missing: Owned[] = [];
    for (let from = 0; from < owned.length; from += size) {
      missing.push(...(await this.batch(owned.slice(from, from + size))));
    }
    return missing;
  }

  private async batch(owned: readonly Owned[]): Promise<Owned[]> {
    // To a collation several spellings are one key, so only whole numbers can be counted.
    if (this.integers && (await this.count(owned)) === owned.length) return [];
    const there = await this.ids(owned);
    return owned.filter(({ documentId }) => !there.has(documentId));
  }

  private async count(owned: readonly Owned[]): Promise<number> {
    const digits = owned.map(({ key }) => raw(String(key.parameters[0])));
    const sql = `SELECT COUNT(*) AS n FROM ${this.binding.table} WHERE ${this.statements.keyIs(owned.length)}`;
    const [row] = (await queryPrimary(this.binding.dataSource, sql, digits)) as { n: number | string }[];
    return Number(row!.n);
  }

  /** The document ids of the rows that are there. */
  private async ids(owned: readonly Owned[]): Promise<Set<string>> {
    const { binding } = this;
    const columns = binding.key.map(({ codec, name }) => `${codec.text} AS ${quote(name)}`).join(', ');
    const sql = `SELECT ${columns} FROM ${binding.table} WHERE ${this.statements.keyIs(owned.length)}`;
    const parameters = owned.flatMap(({ key }) => key.parameters);
    try {
      const rows = (await queryPrimary(binding.dataSource, sql, parameters)) as Record<string, unknown>[];
      return new Set(rows.map((row) => documentIdOf(binding, this.image(row))));
    } catch (error) {
      // A value that is none of the column's type: only its own document has no row.
      if (errnoOf(error) !== ER_WRONG_VALUE) throw error;
      if (owned.length === 1) return new Set();
      const each = await Promise.all(owned.map((one) => this.ids([one])));
      return new Set(each.flatMap((ids) => [...ids]));
    }
  }

  private image(row: Record<string, unknown>): Record<string, string | null> {
    return Object.fromEntries(this.binding.key.map(({ name }) => [name, textOf(row[name])]));
  }
}
