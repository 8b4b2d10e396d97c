import { markRestored } from '../entity/document.builder.js';
import { readFetched } from '../elasticsearch/mget.reader.js';
import { RESTORED_FIELD } from '../protocol/row.js';
import { canonicalJson } from './canonical.json.js';

/** One document, compared with what its row makes. */
export type DocumentView =
  | { readonly found: false }
  | {
      readonly found: true;
      readonly version: number;
      /** The version at which it was put back or adopted, or null. */
      readonly restored: number | null;
      /** `unread`: there was nothing to compare with. */
      readonly content: 'same' | 'different' | 'unread';
    };

const BEGIN = '{"docs":[';
const HEAD =
  /\{"_index":"([^"\\]*)","_id":"([^"\\]*)","_version":(\d{1,16}),"_seq_no":\d+,"_primary_term":\d+,"found":true,"_source":/y;
const MARKER = new RegExp(`\\{"${RESTORED_FIELD}":(\\d{1,16})([,}])`, 'y');
const STRUCTURE = /["{}[\]]/g;

/**
 * Compares the answer of an `_mget` with the expected documents, as text: Elasticsearch gives a document back byte by
 * byte, so one that agrees needs no parsing at all. Only one that differs is parsed, and compared by meaning.
 *
 * One view for each id, or the reason why there is none. `expected`: the document's text, or null not to compare.
 * Throws `SyntaxError` where the answer is none.
 */
export function scanDocuments(
  answer: string,
  alias: string,
  ids: readonly string[],
  expected: readonly (string | null)[],
): (DocumentView | string)[] {
  if (!answer.startsWith(BEGIN)) throw new SyntaxError('not the answer to an _mget');
  let at = BEGIN.length;
  return ids.map((id, position) => {
    if (position > 0) {
      if (answer[at] !== ',') throw new SyntaxError(`the answer has ${position} documents, not ${ids.length}`);
      at += 1;
    }
    const text = expected[position]!;
    const fast = text === null ? null : sameDocument(answer, at, alias, id, text);
    if (fast) {
      at = fast.end;
      return fast.view;
    }
    const end = endOfObject(answer, at);
    const doc = answer.slice(at, end);
    at = end;
    return viewOf(doc, alias, id, text);
  });
}

/** Null unless the document stands here letter by letter. */
function sameDocument(answer: string, from: number, alias: string, id: string, text: string) {
  HEAD.lastIndex = from;
  const head = HEAD.exec(answer);
  if (!head || head[2] !== id || head[1] === alias) return null;
  let at = HEAD.lastIndex;
  let restored: number | null = null;
  MARKER.lastIndex = at;
  const marker = MARKER.exec(answer);
  if (marker) {
    restored = Number(marker[1]);
    const marked = markRestored(text, restored);
    if (!answer.startsWith(marked, at)) return null;
    at += marked.length;
  } else {
    if (!answer.startsWith(text, at)) return null;
    at += text.length;
  }
  if (answer[at] !== '}') return null;
  const view: DocumentView = { found: true, version: Number(head[3]), restored, content: 'same' };
  return { view, end: at + 1 };
}

function viewOf(doc: string, alias: string, id: string, expected: string | null): DocumentView | string {
  const fetched = readFetched(JSON.parse(doc), id, alias);
  if (typeof fetched === 'string') return fetched;
  if (!fetched.found) return { found: false };
  const { version, restored } = fetched;
  if (expected === null) return { found: true, version, restored, content: 'unread' };
  const marked = restored === null ? expected : markRestored(expected, restored);
  const same = canonicalJson(memberText(doc, '_source') ?? '{}') === canonicalJson(marked);
  return { found: true, version, restored, content: same ? 'same' : 'different' };
}

/** The text of one member of an object, as it stands. */
export function memberText(object: string, name: string): string | undefined {
  for (let at = 1; at < object.length && object[at] !== '}';) {
    if (object[at] === ',') at += 1;
    const nameEnd = endOfString(object, at);
    const member = JSON.parse(object.slice(at, nameEnd)) as string;
    const valueAt = nameEnd + 1;
    const end = endOfValue(object, valueAt);
    if (member === name) return object.slice(valueAt, end);
    at = end;
  }
  return undefined;
}

function endOfValue(text: string, at: number): number {
  const first = text[at];
  if (first === '"') return endOfString(text, at);
  if (first === '{' || first === '[') return endOfObject(text, at);
  let end = at;
  while (end < text.length && !',}]'.includes(text[end]!)) end += 1;
  return end;
}

/** Behind the bracket that closes the one at `at`. */
function endOfObject(text: string, at: number): number {
  let depth = 0;
  for (STRUCTURE.lastIndex = at; ;) {
    const found = STRUCTURE.exec(text);
    if (!found) throw new SyntaxError('the answer breaks off');
    if (found[0] === '"') STRUCTURE.lastIndex = endOfString(text, found.index);
    else if (found[0] === '{' || found[0] === '[') depth += 1;
    else if (--depth === 0) return found.index + 1;
    if (depth === 0 && found[0] === '"') throw new SyntaxError('the answer is no object here');
  }
}

function endOfString(text: string, at: number): number {
  for (let end = at + 1; ;) {
    end = text.indexOf('"', end);
    if (end < 0) throw new SyntaxError('the answer breaks off');
    let slashes = 0;
    while (text[end - 1 - slashes] === '\\') slashes += 1;
    end += 1;
    if (slashes % 2 === 0) return end;
  }
}
