import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '@elastic/elasticsearch';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { ITEM_INDEX, stateOf } from './item.entity.js';
import { hasDocument, type ItemState } from './item.model.js';

export interface FinalRow {
  readonly state: ItemState;
  readonly version: number;
  readonly prepared: boolean;
  readonly document: Readonly<Record<string, string | null>>;
}

export interface FinalDocument {
  readonly version: number;
  readonly fields: Readonly<Record<string, string | null>>;
}

export interface FinalStores {
  readonly rows: ReadonlyMap<string, FinalRow>;
  readonly documents: ReadonlyMap<string, FinalDocument>;
  readonly parked: readonly string[];
}

export interface Difference {
  readonly key: string;
  readonly what: string;
}

const POLL_MS = 100;
const PAGE = 5_000;

/** Waits until no row is in `prepare`, at most so long. Answers how many still are. */
export async function waitUntilSettled(mysqlUrl: string, timeoutMs: number): Promise<number> {
  const connection = await createConnection(mysqlUrl);
  const until = performance.now() + timeoutMs;
  try {
    for (;;) {
      const sql = "SELECT COUNT(*) AS n FROM item WHERE consistency_state = 'prepare'";
      const [rows] = await connection.query<RowDataPacket[]>(sql);
      const left = Number(rows[0]!.n);
      if (left === 0 || performance.now() > until) return left;
      await sleep(POLL_MS);
    }
  } finally {
    await connection.end();
  }
}

/** Both stores as they are, past the library. */
export async function readStores(mysqlUrl: string, elasticsearchUrl: string): Promise<FinalStores> {
  const connection = await createConnection({ uri: mysqlUrl, dateStrings: true, supportBigNumbers: true });
  try {
    const [rows] = await connection.query<RowDataPacket[]>('SELECT * FROM item');
    const [parked] = await connection.query<RowDataPacket[]>('SELECT * FROM consistent_parked');
    return {
      rows: new Map(rows.map((row) => [String(row.id), finalRow(row)])),
      parked: parked.map((row) => JSON.stringify(row)),
      documents: await readDocuments(elasticsearchUrl),
    };
  } finally {
    await connection.end();
  }
}

function finalRow(row: RowDataPacket): FinalRow {
  const time = (text: string | null): string | null => (text === null ? null : `${text.replace(' ', 'T')}Z`);
  const { id, value, note, listed, touchedAt, deletedAt, revision } = row as Record<string, string | null>;
  return {
    state: stateOf({ value: value!, note: note!, listed: Number(listed) === 1, deletedAt: deletedAt as never }),
    version: Number(row.consistency_version),
    prepared: row.consistency_state === 'prepare',
    document: {
      id: id!,
      value: value!,
      note: note!,
      listed: String(Number(listed) === 1),
      touchedAt: time(touchedAt!),
      deletedAt: time(deletedAt!),
      revision: String(revision),
    },
  };
}

async function readDocuments(elasticsearchUrl: string): Promise<Map<string, FinalDocument>> {
  const client = new Client({ node: elasticsearchUrl });
  const documents = new Map<string, FinalDocument>();
  try {
    await client.indices.refresh({ index: ITEM_INDEX });
    const pages = client.helpers.scrollSearch<Record<string, unknown>>({
      index: ITEM_INDEX,
      size: PAGE,
      version: true,
      sort: ['_doc'],
    });
    for await (const page of pages) {
      for (const hit of page.body.hits.hits) documents.set(hit._id!, documentOf(hit._version!, hit._source!));
      await page.clear().catch(() => undefined);
    }
  } finally {
    await client.close();
  }
  return documents;
}

function documentOf(version: number, source: unknown): FinalDocument {
  const { consistency_restored: _restored, ...fields } = source as Record<string, unknown>;
  const texts = Object.entries(fields).map(([name, value]) => [name, textOf(value)]);
  return { version, fields: Object.fromEntries(texts) as Record<string, string | null> };
}

function textOf(value: unknown): string | null {
  if (value === null) return null;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/**
 * Every row against its document. A write that was refused for certain uses its version up: the row is at it, the document
 * at an earlier one; `usedUp` tells whether a history accounts for such a version.
 */
export function compareStores(
  { rows, documents }: FinalStores,
  usedUp: (key: string, version: number) => boolean,
): Difference[] {
  const differences: Difference[] = [];
  for (const [key, row] of rows) {
    const document = documents.get(key);
    if (row.prepared) continue;
    if (!hasDocument(row.state)) {
      if (document) differences.push({ key, what: `has a document at ${document.version} and should have none` });
      continue;
    }
    if (!document) differences.push({ key, what: `has no document; the row is at ${row.version}` });
    else differences.push(...compareOne(key, row, document, usedUp));
  }
  for (const [key, { version }] of documents) {
    if (!rows.has(key)) differences.push({ key, what: `has a document at ${version} and no row` });
  }
  return differences;
}

function compareOne(
  key: string,
  row: FinalRow,
  document: FinalDocument,
  usedUp: (key: string, version: number) => boolean,
): Difference[] {
  const names = new Set([...Object.keys(row.document), ...Object.keys(document.fields)]);
  const wrong = [...names].filter((name) => row.document[name] !== document.fields[name]);
  if (wrong.length > 0) {
    const parts = wrong.map((name) => `${name} ${row.document[name]} ≠ ${document.fields[name]}`);
    return [{ key, what: `row at ${row.version}, document at ${document.version}: ${parts.join('; ')}` }];
  }
  if (document.version === row.version) return [];
  if (document.version < row.version && usedUp(key, row.version)) return [];
  return [{ key, what: `same image, but the row is at ${row.version} and the document at ${document.version}` }];
}
