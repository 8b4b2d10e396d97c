import { expect } from '@jest/globals';
import type { Faulty } from './faulty.js';

/** How the document's version may relate to the row's. */
export interface AgreementOptions {
  /** A refused write uses its version up: the row is at it, the document at the one before. */
  versionUsedUp?: boolean;
}

/** Both stores hold the same image, nothing is pending, and every kind of reader gets it. */
export async function expectAgreement(
  faulty: Faulty,
  id: string,
  title: string | null,
  { versionUsedUp = false }: AgreementOptions = {},
): Promise<void> {
  expect(await faulty.seen(id)).toEqual({ repository: title, http: title, index: title });
  const row = await faulty.row(id);
  const document = await faulty.document(id);
  if (title === null) {
    expect({ row, document }).toEqual({ row: undefined, document: undefined });
    return;
  }
  expect(row).toMatchObject({
    title,
    consistency_state: 'commit',
    consistency_deadline: null,
    consistency_pending: null,
  });
  const version = Number(row!.consistency_version);
  if (versionUsedUp) expect(document!.version).toBeLessThan(version);
  else expect(document!.version).toBe(version);
  expect(columnsInDocument(document!.source)).toEqual(columnsInRow(row!));
}

/** The columns whose texts are the same in row and document, as texts. */
const COMPARED = ['id', 'sku', 'title', 'price', 'stock', 'revision'] as const;
const DATES = ['createdAt', 'updatedAt', 'releasedAt', 'deletedAt'] as const;

function columnsInRow(row: Record<string, unknown>): Record<string, string | null> {
  const dates = DATES.map((name) => [name, row[name] === null ? null : `${(row[name] as string).replace(' ', 'T')}Z`]);
  return Object.fromEntries([...COMPARED.map((name) => [name, String(row[name])]), ...dates]) as never;
}

function columnsInDocument(source: Record<string, unknown>): Record<string, string | null> {
  const dates = DATES.map((name) => [name, source[name]]);
  return Object.fromEntries([...COMPARED.map((name) => [name, String(source[name])]), ...dates]) as never;
}
