import type { INestApplicationContext } from '@nestjs/common';
import { ConsistentRegistry } from '../../src/consistent.registry.js';
import { RowExpectation } from '../../src/verify/row.expectation.js';
import { RowWalker } from '../../src/walk/row.walker.js';
import type { BenchServers } from '../cell.types.js';
import { newConnection, rowOf } from '../store.reset.js';

const CHUNK = 5_000;

/** Rows, and the very documents that the library makes of them: MySQL has its own way of spelling JSON. */
export async function seedRows(
  application: INestApplicationContext,
  servers: BenchServers,
  rows: number,
): Promise<void> {
  const connection = await newConnection(servers);
  for (let from = 1; from <= rows; from += CHUNK) {
    const values = Array.from({ length: CHUNK }, (_, at) => rowOf(from + at));
    const columns = '(id, sku, title, price, stock, attrs, updatedAt)';
    await connection.query(`INSERT INTO consistent_product ${columns} VALUES ?`, [values]);
  }
  await connection.query('ANALYZE TABLE consistent_product');
  await connection.end();
  const [context] = application.get(ConsistentRegistry).all();
  const { binding, documents } = context!;
  const expectation = new RowExpectation(binding);
  const walker = new RowWalker(binding, true);
  let after: readonly string[] | null = null;
  for (;;) {
    const chunk = await walker.next(after, CHUNK);
    if (!chunk) break;
    after = chunk.after;
    const writes = chunk.rows.map(({ image, version }) => {
      const { documentId, text } = expectation.plain(image, true)!;
      return { id: documentId, version, body: text };
    });
    const outcomes = await documents.write(binding.alias, writes, { timeoutMs: 60_000 });
    if (outcomes.some(({ kind }) => kind !== 'applied')) throw new Error('the seed documents were refused');
  }
}
