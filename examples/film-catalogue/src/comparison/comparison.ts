import { isDeepStrictEqual } from 'node:util';
import { type StoredDocument, documentsInKeyOrder } from './document.reader.js';
import { type ExpectedFilm, filmsInKeyOrder } from './film.reader.js';

/**
 * Compares both stores completely. It shares no code with the library that wrote them: it reads the table and the index
 * by itself and works out by itself what document a row should have, so that it can find the library's mistakes too.
 */
export interface ComparisonOptions {
  /** With the database's name in it. */
  readonly mysqlUrl: string;
  readonly elasticsearchUrl: string;
  /** Index or alias. */
  readonly index: string;
  /** Rows and documents held in memory at a time, of each. Default 500. */
  readonly chunkSize?: number;
  /** Told of every difference, in key order. */
  readonly onDifference?: (difference: Difference) => void;
}

export interface Difference {
  /** The document's id, which is the row's key. */
  readonly id: string;
  readonly what: 'undecided row' | 'no document' | 'no row' | 'version' | 'content';
  /** In words. */
  readonly detail: string;
}

export interface ComparisonResult {
  readonly rows: number;
  readonly documents: number;
  /** Keys at which the stores differ. */
  readonly different: number;
  /**
   * Rows at a later version than their document, which is the same all the same: a write that the index refused took a
   * version and was put back. No difference, as nobody can see one; the opposite, a document ahead of its row, is.
   */
  readonly ahead: number;
}

/** A restored document carries the version at which it was put back. Of any other version it would be a mistake. */
const MARKER = 'consistency_restored';
const MAX_DETAIL = 60;

/**
 * Walks both stores in key order, side by side, from one snapshot of each. Meant for stores at rest: a write that
 * happens between the two snapshots shows as a difference.
 */
export async function compareStores(options: ComparisonOptions): Promise<ComparisonResult> {
  const chunkSize = options.chunkSize ?? 500;
  const rows = filmsInKeyOrder(options.mysqlUrl, chunkSize);
  const documents = documentsInKeyOrder(options.elasticsearchUrl, options.index, chunkSize);
  const result = { rows: 0, documents: 0, different: 0, ahead: 0 };
  const tell = (difference: Difference | null): void => {
    if (!difference) return;
    result.different += 1;
    options.onDifference?.(difference);
  };
  const nextRow = async () => count(await rows.next(), () => (result.rows += 1));
  const nextDocument = async () => count(await documents.next(), () => (result.documents += 1));
  try {
    let [row, document] = await Promise.all([nextRow(), nextDocument()]);
    while (row || document) {
      if (row && (!document || row.key < document.key)) {
        tell(withoutDocument(row));
        row = await nextRow();
      } else if (document && (!row || document.key < row.key || document.id !== String(row.key))) {
        tell({ id: document.id, what: 'no row', detail: 'there is a document, and no row of this key' });
        document = await nextDocument();
      } else {
        const difference = compareFilm(row!, document!);
        if (!difference && row!.version > document!.version) result.ahead += 1;
        tell(difference);
        [row, document] = await Promise.all([nextRow(), nextDocument()]);
      }
    }
  } finally {
    await Promise.all([rows.return(), documents.return()]);
  }
  return result;
}

/** `N rows, N documents, 0 different` */
export function summaryOf({ rows, documents, different }: ComparisonResult): string {
  return `${rows} rows, ${documents} documents, ${different} different`;
}

function count<T>(step: IteratorResult<T, void>, onValue: () => void): T | null {
  if (step.done) return null;
  onValue();
  return step.value;
}

function withoutDocument(row: ExpectedFilm): Difference {
  return { id: String(row.key), what: 'no document', detail: `the row is in ${row.state} at version ${row.version}` };
}

/** Null where row and document agree in everything. */
export function compareFilm(row: ExpectedFilm, document: StoredDocument): Difference | null {
  const { id } = document;
  if (row.state !== 'commit') {
    return { id, what: 'undecided row', detail: `the row is still in ${row.state} at version ${row.version}` };
  }
  if (document.version > row.version) {
    return { id, what: 'version', detail: `the row has ${row.version}, the document ${document.version}` };
  }
  const { [MARKER]: marker, ...found } = document.source;
  if (marker !== undefined && marker !== document.version) {
    const detail = `${MARKER} is ${shortened(marker)} and should be ${document.version} or nothing`;
    return { id, what: 'content', detail };
  }
  const fields = new Set([...Object.keys(row.document), ...Object.keys(found)]);
  const wrong = [...fields].filter((field) => !isDeepStrictEqual(found[field], row.document[field]));
  const [first] = wrong;
  if (first === undefined) return null;
  const more = wrong.length > 1 ? ` (and ${wrong.slice(1).join(', ')})` : '';
  const versions = document.version === row.version ? '' : `, at version ${document.version} and not ${row.version}`;
  const detail = `${first} is ${shortened(found[first])} and should be ${shortened(row.document[first])}${more}${versions}`;
  return { id, what: 'content', detail };
}

function shortened(value: unknown): string {
  const text = value === undefined ? 'missing' : JSON.stringify(value);
  return text.length <= MAX_DETAIL ? text : `${text.slice(0, MAX_DETAIL - 1)}…`;
}
