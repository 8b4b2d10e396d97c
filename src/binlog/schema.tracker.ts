import { createHash } from 'node:crypto';
import type { EntityBinding } from '../entity/entity.binding.js';

/** What a statement in the log means for the tables that are watched. */
export interface SchemaEffect {
  /** Those it may concern, as `database.table`. */
  readonly tables: readonly string[];
  /** Rows may have come or gone without row events: only a verification can tell. */
  readonly rowsMayDiffer: boolean;
}

/** Names (quoted or not), full stops, and everything that must not be taken for them. */
const TOKENS =
  /`(?:[^`]|``)+`|"(?:[^"\\]|\\.|"")*"|'(?:[^'\\]|\\.|'')*'|\/\*!\d*|\/\*[\s\S]*?\*\/|--\s[^\n]*|#[^\n]*|[\p{L}\p{N}_$]+|\./gu;
const ROW_STATEMENTS = new Set([
  'INSERT',
  'UPDATE',
  'DELETE',
  'REPLACE',
  'LOAD',
  'WITH',
  'CALL',
  'DO',
  'TRUNCATE',
  'RENAME',
]);
const PARTITION_LOSSES = new Set(['DROP', 'TRUNCATE', 'EXCHANGE', 'DISCARD', 'IMPORT']);
const NOT_THE_TABLE = new Set(['COLUMN', 'INDEX', 'KEY']);

/**
 * Pure. No grammar: every name in the statement that is a watched table's counts. One too many costs a look at the table,
 * or a verification; one too few would be a change that nobody sees.
 */
export function schemaEffect(statement: string, schema: string, watched: Iterable<string>): SchemaEffect {
  const tokens = (statement.match(TOKENS) ?? []).filter((token) => !/^(?:'|\/\*|--|#)/.test(token));
  const names = tokens.map(unquoted);
  const words = tokens.map((token) => (/^[`"]/.test(token) ? '' : token.toUpperCase()));
  const wholeDatabase = words[0] === 'DROP' && (words[1] === 'DATABASE' || words[1] === 'SCHEMA');
  const mentioned = new Set<string>();
  names.forEach((name, at) => {
    const database = names[at - 1] === '.' ? names[at - 2] : schema;
    mentioned.add(`${database ?? ''}.${name}`.toLowerCase());
  });
  const tables = [...watched].filter((table) => {
    const database = table.slice(0, table.indexOf('.')).toLowerCase();
    if (wholeDatabase) return names.some((name) => name.toLowerCase() === database);
    return mentioned.has(table.toLowerCase());
  });
  return { tables, rowsMayDiffer: wholeDatabase || rowsMayDiffer(words) };
}

function rowsMayDiffer(words: readonly string[]): boolean {
  const [first = '', second = ''] = words;
  if (ROW_STATEMENTS.has(first)) return true;
  if (first === 'DROP' || first === 'CREATE')
    return second === 'TABLE' || second === 'TEMPORARY' || second === 'TABLES';
  if (first !== 'ALTER') return false;
  return words.some((word, at) => {
    const next = words[at + 1] ?? '';
    if (word === 'RENAME') return !NOT_THE_TABLE.has(next);
    return PARTITION_LOSSES.has(word) && (next === 'PARTITION' || next === 'TABLESPACE');
  });
}

function unquoted(token: string): string {
  const quote = token[0]!;
  if (quote !== '`' && quote !== '"') return token;
  return token.slice(1, -1).replaceAll(quote + quote, quote);
}

/**
 * The columns that documents are made of, as a short text: where it differs from the one of before, documents may differ from
 * their rows although no row was changed.
 */
export function columnsFingerprint(binding: EntityBinding): string {
  const mapped = new Set(binding.columns.filter(({ metadata }) => metadata).map(({ name }) => name));
  const columns = binding.shape.columns
    .filter(({ name }) => mapped.has(name))
    .map(({ name, columnType, charset }) => [name, columnType, charset])
    .toSorted(([a], [b]) => (a! < b! ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(columns)).digest('hex').slice(0, 16);
}
