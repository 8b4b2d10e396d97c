import type { CellResult, CellSpec } from './cell.types.js';
import { closedLoop } from './closed.loop.js';
import { changedProduct, documentOf, productValues, SEEDED_ROWS } from './product.data.js';
import { newClient, newConnection, PLAIN_INDEX } from './store.reset.js';

const ROWS_PER_STATEMENT = 500;
const COLUMNS = 'sku, title, price, stock, attrs, updatedAt';

/** Nobody who writes one row in a transaction of its own can be faster than this. */
export async function measureStatementFloor(spec: CellSpec): Promise<CellResult> {
  const connections = await Promise.all(Array.from({ length: spec.concurrency }, () => newConnection(spec.servers)));
  let number = SEEDED_ROWS;
  const step = async (caller: number) => {
    number++;
    if (spec.operation === 'update') {
      const { id, ...values } = changedProduct(number);
      const sql = 'UPDATE plain_product SET sku=?, title=?, price=?, stock=?, attrs=?, updatedAt=? WHERE id=?';
      await connections[caller]!.execute(sql, [...parametersOf(values), id] as never);
    } else {
      const sql = `INSERT INTO plain_product (${COLUMNS}) VALUES (?,?,?,?,?,?)`;
      await connections[caller]!.execute(sql, parametersOf(productValues(number)) as never);
    }
  };
  const result = await closedLoop(step, spec);
  await Promise.all(connections.map((connection) => connection.end()));
  return resultOf(spec, result);
}

export async function measureMultiRowFloor(spec: CellSpec): Promise<CellResult> {
  const connections = await Promise.all(Array.from({ length: spec.concurrency }, () => newConnection(spec.servers)));
  let number = SEEDED_ROWS;
  const step = async (caller: number) => {
    const rows = Array.from({ length: ROWS_PER_STATEMENT }, () => parametersOf(productValues(++number)));
    await connections[caller]!.query(`INSERT INTO plain_product (${COLUMNS}) VALUES ?`, [rows]);
  };
  const result = await closedLoop(step, { ...spec, rowsPerStep: ROWS_PER_STATEMENT });
  await Promise.all(connections.map((connection) => connection.end()));
  return resultOf(spec, result);
}

export async function measureBulkFloor(spec: CellSpec): Promise<CellResult> {
  const rowsPerStep = spec.peer === 'floor-bulk-64' ? 64 : 500;
  const client = newClient(spec.servers);
  let number = SEEDED_ROWS;
  const step = async () => {
    const operations: object[] = [];
    for (let row = 0; row < rowsPerStep; row++) {
      const id = String(++number);
      operations.push({ index: { _id: id } }, documentOf(id, productValues(number)));
    }
    const { errors } = await client.bulk({ index: PLAIN_INDEX, operations });
    if (errors) throw new Error('documents of the bulk floor were refused');
  };
  const result = await closedLoop(step, { ...spec, rowsPerStep });
  await client.close();
  return resultOf(spec, result);
}

function parametersOf({ sku, title, price, stock, attrs, updatedAt }: ReturnType<typeof productValues>): unknown[] {
  return [sku, title, price, stock, JSON.stringify(attrs), updatedAt];
}

function resultOf(
  { peer, operation, concurrency }: CellSpec,
  { opsPerSecond, latency, cpu, failed }: Awaited<ReturnType<typeof closedLoop>>,
): CellResult {
  return { peer, operation, concurrency, opsPerSecond, latency, cpu, failed };
}
