import type { LogBytes } from './log.bytes.js';

/** What a statement in the log means for the tables. */
export type StatementKind =
  | 'begin'
  | 'commit'
  | 'xa-start'
  | 'xa-end'
  | 'xa-commit'
  | 'xa-rollback'
  /** Rows were changed by a statement that is in the log as text: `binlog_format` is not ROW in that session. */
  | 'rows-as-text'
  /** Nothing that a table shows. */
  | 'harmless'
  | 'schema-change';

const HARMLESS = new Set([
  'SAVEPOINT',
  'RELEASE',
  'GRANT',
  'REVOKE',
  'SET',
  'FLUSH',
  'ANALYZE',
  'OPTIMIZE',
  'REPAIR',
  'INSTALL',
  'UNINSTALL',
]);
const ROWS = new Set(['INSERT', 'UPDATE', 'DELETE', 'REPLACE', 'LOAD', 'WITH', 'CALL', 'DO']);
/** Of CREATE, ALTER and DROP. What stands before these words (`OR REPLACE`, `DEFINER = …`, `TEMPORARY`) is passed over. */
const NOT_TABLES =
  /^(?:CREATE|ALTER|DROP)\b[^(]*?\b(?:USER|ROLE|PROCEDURE|FUNCTION|EVENT|TRIGGER|VIEW|SERVER|LOGFILE|RESOURCE|INSTANCE)\b/i;
const TABLES = /^(?:CREATE|ALTER|DROP)\s+(?:TEMPORARY\s+)?(?:TABLE|DATABASE|SCHEMA|UNIQUE|FULLTEXT|SPATIAL|INDEX)\b/i;

/** Pure. Comments before the first word are passed over; what is not known counts as a schema change. */
export function statementKind(statement: string): StatementKind {
  const text = withoutLeadingComments(statement);
  const word = (/^[a-z]+/i.exec(text)?.[0] ?? '').toUpperCase();
  if (word === 'BEGIN') return 'begin';
  if (word === 'COMMIT') return 'commit';
  // The whole transaction was undone, yet it is in the log: it had changed tables that cannot undo. Its end, all the same.
  if (word === 'ROLLBACK') return /^ROLLBACK\s+TO\b/i.test(text) ? 'harmless' : 'commit';
  if (word === 'XA') return xaKind(text);
  if (HARMLESS.has(word)) return 'harmless';
  if (ROWS.has(word)) return 'rows-as-text';
  return !TABLES.test(text) && NOT_TABLES.test(text) ? 'harmless' : 'schema-change';
}

function xaKind(text: string): StatementKind {
  if (/^XA\s+(?:START|BEGIN)\b/i.test(text)) return 'xa-start';
  if (/^XA\s+COMMIT\b/i.test(text)) return 'xa-commit';
  return /^XA\s+ROLLBACK\b/i.test(text) ? 'xa-rollback' : 'xa-end';
}

/** `X'61',X'',1` of an XA statement: the name that its transaction has. */
export function xaName(statement: string): string {
  return statement
    .replace(/^\s*XA\s+\w+\s*/i, '')
    .replace(/\s*ONE\s+PHASE\s*$/i, '')
    .trim();
}

function withoutLeadingComments(statement: string): string {
  let text = statement.trimStart();
  for (;;) {
    // What stands in /*! … */ is carried out.
    const conditional = /^\/\*!\d*\s*/.exec(text);
    const comment = conditional ?? /^(?:\/\*[\s\S]*?\*\/|--\s[^\n]*(?:\n|$)|#[^\n]*(?:\n|$))\s*/.exec(text);
    if (!comment || comment[0] === '') return text;
    text = text.slice(comment[0].length);
  }
}

const BEGIN = Buffer.from('BEGIN');

/** Whether a statement, so many bytes from here, is the one word with which most transactions begin. */
export function isBegin({ buffer, at, end }: LogBytes, offset: number): boolean {
  if (end - at - offset !== BEGIN.length) return false;
  for (let index = 0; index < BEGIN.length; index += 1) {
    if (buffer[at + offset + index] !== BEGIN[index]) return false;
  }
  return true;
}
