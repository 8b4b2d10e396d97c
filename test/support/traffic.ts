import { setTimeout as sleep } from 'node:timers/promises';
import { QueryFailedError } from 'typeorm';
import { ConsistentError } from '../../src/index.js';
import { type Faulty, freshId } from './faulty.js';
import { type Product, product, type ProductRepository } from './product.js';

/** Codes that promise that the write did not happen. */
const NOT_HAPPENED = new Set(['INDEX_UNAVAILABLE', 'INDEX_REJECTED', 'WRITE_ABORTED', 'ROW_BUSY', 'ROW_NOT_FOUND']);
const WRITERS = 6;
const PAUSE_MS = 200;

/** What the writers of a run were promised. */
export interface Promises {
  /** For every key the titles that it may have in the end; null for no row. */
  readonly allowed: Map<string, ReadonlySet<string | null>>;
  acknowledged: number;
  refused: number;
  unknown: number;
}

/**
 * Inserts, updates and removals by two instances, without a pause, while `trouble` is made; then a while longer. A key whose
 * fate is unknown is left alone: its title may be the one before or the one after.
 */
export async function trafficDuring(faulty: Faulty, trouble: () => Promise<void>): Promise<Promises> {
  const promises: Promises = { allowed: new Map(), acknowledged: 0, refused: 0, unknown: 0 };
  let over = false;
  const writers = Array.from({ length: WRITERS }, async (_, at) => {
    const products = at % 2 === 0 ? faulty.products : faulty.others;
    // Still some whole lives of keys when everything is well again.
    for (let left = 3; left > 0; left -= over ? 1 : 0) await oneLife(products, promises);
  });
  await trouble();
  over = true;
  await Promise.all(writers);
  return promises;
}

/** One key from its insert to its removal, or until its fate is unknown. */
async function oneLife(products: ProductRepository, promises: Promises): Promise<void> {
  const id = freshId();
  const steps: { after: string | null; write: () => Promise<unknown> }[] = [
    { after: 'first', write: () => products.insert(product({ id, title: 'first' })) },
    { after: 'second', write: () => products.update({ id, title: 'second' }) },
    { after: 'third', write: () => products.update({ id, title: 'third' }) },
    { after: null, write: () => products.remove({ id } as Product) },
  ];
  // Every other key stays.
  if (Number(id) % 2_000 === 0) steps.pop();
  let now: string | null = null;
  promises.allowed.set(id, new Set([now]));
  for (const { after, write } of steps) {
    promises.allowed.set(id, new Set([now, after]));
    const fate = await fateOf(write);
    promises[fate] += 1;
    // As a caller would: no storm on servers that are starting.
    if (fate !== 'acknowledged') await sleep(PAUSE_MS);
    if (fate === 'unknown') return;
    if (fate === 'acknowledged') now = after;
    promises.allowed.set(id, new Set([now]));
    if (fate === 'refused' && now === null) return;
  }
}

async function fateOf(write: () => Promise<unknown>): Promise<'acknowledged' | 'refused' | 'unknown'> {
  try {
    await write();
    return 'acknowledged';
  } catch (error) {
    if (error instanceof ConsistentError) {
      if (error.code === 'OUTCOME_UNKNOWN') return 'unknown';
      if (NOT_HAPPENED.has(error.code)) return 'refused';
      throw error;
    }
    // The database's own error, before the COMMIT: nothing happened. Also what the driver says without a statement.
    if (error instanceof QueryFailedError || typeof (error as { code?: unknown }).code === 'string') return 'refused';
    throw error;
  }
}
