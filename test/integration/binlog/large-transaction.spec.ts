import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createConnection } from 'mysql2/promise';
import { BackstopFixture, type BackstopInstance } from './backstop.fixture.js';

const MIB = 1_048_576;
const BOUND_BYTES = MIB;
const SMALL_ROWS = 8_000;
const SMALL_BYTES = 5_000;
const LARGE_ROWS = 10;
const LARGE_BYTES = MIB;

describe('a transaction that is many times larger than what may be held', () => {
  let fixture: BackstopFixture;
  let instance: BackstopInstance;

  beforeAll(async () => {
    fixture = await BackstopFixture.create('large-transaction');
    instance = await fixture.start({ backstop: { maxQueuedBytes: BOUND_BYTES, maxBulkBytes: BOUND_BYTES } });
  });

  afterAll(() => fixture?.close());

  /** 50 MB in one transaction: many rows, and some that are each as large as the bound. */
  async function write(compressed: boolean, from: number): Promise<number> {
    const session = await createConnection({ uri: fixture.stores.database.url });
    const ids = 'WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < ?)';
    const rows = (count: number, bytes: number, first: number) =>
      session.query(
        `INSERT INTO product (id, sku, title, revision, attributes) ${ids}
         SELECT ? + i, CONCAT('sku-', ? + i), CONCAT('title ', ? + i), 1, JSON_OBJECT('text', REPEAT(CHAR(97 + i % 26), ?)) FROM n`,
        [count, first, first, first, bytes],
      );
    try {
      await session.query('SET SESSION cte_max_recursion_depth = 100000');
      if (compressed) await session.query('SET SESSION binlog_transaction_compression = ON');
      await session.query('BEGIN');
      await rows(SMALL_ROWS, SMALL_BYTES, from);
      await rows(LARGE_ROWS, LARGE_BYTES, from + SMALL_ROWS);
      await session.query('COMMIT');
    } finally {
      await session.end();
    }
    return SMALL_ROWS + LARGE_ROWS;
  }

  it.each([
    ['as it is', false, 0],
    ['compressed in the log', true, 100_000],
  ])('passes, %s, and little of it is held at any time', async (_, compressed, from) => {
    const { backstop } = instance;
    let mostBytes = 0;
    let drained = false;
    const watching = (async (): Promise<void> => {
      while (!drained) {
        mostBytes = Math.max(mostBytes, backstop.status().queuedBytes);
        await sleep(1);
      }
    })();
    const rows = await write(compressed, from);
    try {
      await backstop.waitFor(undefined, 50_000);
    } finally {
      drained = true;
      await watching;
    }
    await fixture.stores.client.indices.refresh({ index: fixture.index });
    const { count } = await fixture.stores.client.count({
      index: fixture.index,
      query: { range: { id: { gte: String(from) } } },
    });
    expect(count).toBeGreaterThanOrEqual(rows);
    expect(await fixture.stores.document(fixture.index, String(from + SMALL_ROWS + 1))).toMatchObject({
      source: { title: `title ${from + SMALL_ROWS + 1}` },
    });
    expect(mostBytes).toBeGreaterThan(0);
    // The bound, and beside it a few rows that are as large as the bound. Well-packed ones come several at a time.
    expect(mostBytes).toBeLessThan(10 * LARGE_BYTES);
    expect(backstop.status()).toMatchObject({ degraded: false, pendingRows: 0 });
  });
});
