import type { EntityContext } from '../entity/entity.context.js';
import { ConsistentError } from '../errors.js';

const MAX_LENGTH = 500;
/** Databases and clusters quote values in their messages: "Duplicate entry 'jane@example.com' for key …". */
const QUOTED = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/g;
const CREDENTIALS = /\/\/[^\s/@]+@/g;

/**
 * What the log may hold of an error: its code and message without quoted values, keys of rows and credentials. The caller of a write
 * gets the error whole; the log is read by others.
 */
export function logTextOf(error: unknown): string {
  const { message } = error instanceof Error ? error : new Error(String(error));
  const code = error instanceof ConsistentError ? `${error.code}: ` : '';
  const key = error instanceof ConsistentError ? error.data['key'] : undefined;
  const keyless = typeof key === 'string' && key !== '' ? withoutWord(message, key) : message;
  const nameless = keyless.replaceAll(CREDENTIALS, '//…@');
  // Our own words quote names and statements that mend; what is underneath quotes values.
  const own = error instanceof ConsistentError && error.cause === undefined;
  const text = code + (own ? nameless : nameless.replaceAll(QUOTED, '…'));
  return text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH - 1)}…` : text;
}

/** Not inside another word or number: the key 1 is not part of "10 ms". */
function withoutWord(text: string, word: string): string {
  return text.replaceAll(new RegExp(String.raw`(?<!\w)${escaped(word)}(?!\w)`, 'g'), '…');
}

function escaped(word: string): string {
  return word.replaceAll(/[.*+?^${}()|[\]\\/-]/g, String.raw`\$&`);
}

/** What stands beside a message about one entity. A version names one write of one row, for whoever may look into the database. */
export function factsOf(
  { binding }: Pick<EntityContext, 'binding'>,
  more: Readonly<Record<string, string | number>> = {},
): Readonly<Record<string, string | number>> {
  return { entity: binding.name, datasource: binding.dataSourceName, ...more };
}
