import type { EntityBinding } from '../entity/entity.binding.js';
import type { RowImage } from '../entity/row.image.js';
import { InvalidDocumentError } from '../errors.js';
import { classifyMysqlError } from '../mysql/mysql.errors.js';
import { textOf } from '../mysql/row.values.js';
import { type PrepareAnswer, SINGLY } from './prepare.answer.js';
import type { RawRow } from './prepare.plan.js';

/** One try of a batch. `error`: why nothing came of it; then every answer is `SINGLY`. */
export interface Attempt {
  readonly answers: PrepareAnswer[];
  readonly error?: unknown;
}

/** A row to prepare, and its place among the caller's. */
export interface Placed<Item> {
  readonly at: number;
  readonly item: Item;
}

/**
 * Prepares a batch; where one of its rows is to blame that nothing came of it, its two halves, and so on. Rows left
 * over, and all of them where something else is to blame, stay `SINGLY`. `until`: no more dividing after it.
 */
export async function prepareDividing<Item>(
  items: readonly Placed<Item>[],
  attempt: (items: readonly Item[]) => Promise<Attempt>,
  answers: PrepareAnswer[],
  until: number,
): Promise<void> {
  if (items.length === 0) return;
  const tried = await attempt(items.map(({ item }) => item));
  items.forEach(({ at }, place) => {
    answers[at] = tried.answers[place] ?? SINGLY;
  });
  if (items.length === 1 || !isOneRowsFault(tried.error) || performance.now() > until) return;
  const half = items.length >> 1;
  await prepareDividing(items.slice(0, half), attempt, answers, until);
  await prepareDividing(items.slice(half), attempt, answers, until);
}

function isOneRowsFault(error: unknown): boolean {
  if (error instanceof InvalidDocumentError) return true;
  return (
    (error as { driverError?: unknown } | undefined)?.driverError !== undefined &&
    classifyMysqlError(error) === 'refused'
  );
}

/** The key's columns of a row that was read as `k0` …. */
export function keyImageOf({ key }: EntityBinding, row: RawRow): RowImage {
  return Object.fromEntries(key.map(({ name }, at) => [name, textOf(row[`k${at}`])]));
}
