import { raw } from 'mysql2';
import type { BoundColumn, EntityBinding } from '../entity/entity.binding.js';
import type { RowImage } from '../entity/row.image.js';
import { isBinary } from '../mysql/driver.codec.js';
import { quote } from '../mysql/identifier.js';
import { textOf, versionOf } from '../mysql/row.values.js';
import { queryPrimary } from '../mysql/statement.timeout.js';
import type { RowState } from '../protocol/row.js';

/** A row as the walk met it. */
export interface WalkedRow {
  readonly state: RowState;
  readonly version: number;
  /** The columns that were asked for. */
  readonly image: RowImage;
}

export interface RowChunk {
  readonly rows: readonly WalkedRow[];
  /** The last row's key: where the next chunk begins. */
  readonly after: readonly string[];
}

type RawRow = Record<string, unknown>;

/** MySQL sorts these by their number. */
const NUMBERED = new Set(['enum', 'set']);
const NUMERIC = /^(?:tinyint|smallint|mediumint|int|bigint|decimal|year|bit)$/;

/** Walks a table in the order of its primary key, chunk by chunk, with no snapshot and no lock. */
export class RowWalker {
  private readonly columns: readonly BoundColumn[];
  private readonly select: string;
  private readonly order: string;

  /** `whole`: all columns; else only what tells the document's id and whether there is one. */
  constructor(
    private readonly binding: EntityBinding,
    whole: boolean,
  ) {
    const deleted = binding.metadata.deleteDateColumn?.databaseName;
    this.columns = whole
      ? binding.columns
      : binding.columns.filter((column) => binding.key.includes(column) || column.name === deleted);
    const keys = binding.key.map((column, at) => `${orderOf(column)} AS k${at}`);
    const texts = this.columns.map((column, at) => `${column.codec.text} AS c${at}`);
    const { state, version } = binding.names;
    this.select = `SELECT ${quote(state)} AS state, ${quote(version)} AS version, ${[...keys, ...texts].join(', ')} FROM ${binding.table}`;
    this.order = `ORDER BY ${binding.key.map(({ name }) => quote(name)).join(', ')} LIMIT ?`;
  }

  /** At most `limit` rows behind `after`; null at the table's end. */
  async next(after: readonly string[] | null, limit: number): Promise<RowChunk | null> {
    const [where, parameters] = after ? this.behind(after) : ['', []];
    const sql = `${this.select} ${where} ${this.order}`;
    const found = (await queryPrimary(this.binding.dataSource, sql, [...parameters, limit])) as RawRow[];
    const last = found.at(-1);
    if (!last) return null;
    const end = this.binding.key.map((_, at) => textOf(last[`k${at}`])!);
    if (after && end.every((text, at) => text === after[at])) {
      throw new Error(`the rows of ${this.binding.name} cannot be walked: nothing comes after key ${end.join(', ')}`);
    }
    return { rows: found.map((row) => this.walked(row)), after: end };
  }

  /** `a > ? OR (a = ? AND b > ?)`: MySQL finds no range for `(a, b) > (?, ?)`. */
  private behind(after: readonly string[]): [where: string, parameters: unknown[]] {
    const { key } = this.binding;
    const values = key.map((column, at) => parameterOf(column, after[at]!));
    const parameters: unknown[] = [];
    const cases = key.map((column, at) => {
      const equal = key.slice(0, at).map((before, position) => {
        parameters.push(values[position]);
        return `${quote(before.name)} = ?`;
      });
      parameters.push(values[at]);
      return `(${[...equal, `${quote(column.name)} > ?`].join(' AND ')})`;
    });
    return [`WHERE (${cases.join(' OR ')})`, parameters];
  }

  private walked(row: RawRow): WalkedRow {
    const image: Record<string, string | null> = {};
    this.columns.forEach((column, at) => {
      image[column.name] = textOf(row[`c${at}`]);
    });
    return { state: row['state'] as RowState, version: versionOf(row['version']), image };
  }
}

function orderOf({ codec, name }: BoundColumn): string {
  return NUMBERED.has(codec.dataType) ? `${quote(name)} + 0` : codec.text;
}

/** Numbers go as bare digits: compared with a string MySQL would round them. */
function parameterOf({ codec }: BoundColumn, text: string): unknown {
  const numeric = NUMERIC.test(codec.dataType) || NUMBERED.has(codec.dataType);
  if (numeric && /^-?\d+(?:\.\d+)?$/.test(text)) return raw(text);
  return isBinary(codec.dataType) ? Buffer.from(text, 'base64') : text;
}
