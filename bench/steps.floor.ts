import type { Client } from '@elastic/elasticsearch';
import type { Connection } from 'mysql2/promise';
import type { CellResult, CellSpec } from './cell.types.js';
import { closedLoop } from './closed.loop.js';
import { documentOf, type ProductValues, productValues, SEEDED_ROWS } from './product.data.js';
import { CONSISTENT_INDEX, newClient, newConnection } from './store.reset.js';

const ROWS_PER_STEP = 500;
/** As many batches under way as `saveMany` keeps. */
const LANES = 4;
const PENDING = '{"operation":"insert","next":"present","before":"absent","decider":"elasticsearch","previous":null}';
const DEADLINE = 'UTC_TIMESTAMP(6) + INTERVAL 5 SECOND';
const COLUMNS =
  'sku, title, price, stock, attrs, updatedAt, consistency_state, consistency_version, consistency_deadline, consistency_pending';

/**
 * prepare → index → commit of rows of which everything is known, by bare drivers: what MySQL and Elasticsearch take for the
 * steps themselves, on the machine that they share. No library that takes these steps can be faster; this one also reads back
 * what the database made of the rows, and tells each row's outcome.
 */
export async function measureStepsFloor(spec: CellSpec): Promise<CellResult> {
  const connections = await Promise.all(Array.from({ length: LANES }, () => newConnection(spec.servers)));
  const client = newClient(spec.servers);
  let number = SEEDED_ROWS;
  // Batches are prepared one after the other, as a caller gives them.
  let prepared: Promise<unknown> = Promise.resolve();
  const step = async (lane: number) => {
    const connection = connections[lane]!;
    const rows = Array.from({ length: ROWS_PER_STEP }, () => productValues(++number));
    const version = Date.now() * 1_000;
    const before = prepared;
    const ours = before.then(() => prepare(connection, rows, version));
    prepared = ours;
    const firstId = await ours;
    await index(client, rows, firstId, version);
    const sql =
      "UPDATE consistent_product SET consistency_state = 'commit', consistency_deadline = NULL, consistency_pending = NULL" +
      " WHERE id BETWEEN ? AND ? AND consistency_version = ? AND consistency_state = 'prepare'";
    const [{ affectedRows }] = await connection.query<never>(sql, [firstId, firstId + ROWS_PER_STEP - 1, version]);
    if (affectedRows !== ROWS_PER_STEP) throw new Error(`${affectedRows as number} rows were flipped`);
  };
  const result = await closedLoop(step, { ...spec, concurrency: LANES, rowsPerStep: ROWS_PER_STEP });
  await Promise.all(connections.map((connection) => connection.end()));
  await client.close();
  const { peer, operation, concurrency } = spec;
  const { opsPerSecond, latency, cpu, failed } = result;
  return { peer, operation, concurrency, opsPerSecond, latency, cpu, failed };
}

async function prepare(connection: Connection, rows: readonly ProductValues[], version: number): Promise<number> {
  const tuple = `(?, ?, ?, ?, ?, ?, 'prepare', ${version}, ${DEADLINE}, '${PENDING}')`;
  const values = rows.flatMap(({ sku, title, price, stock, attrs, updatedAt }) => [
    sku,
    title,
    price,
    stock,
    JSON.stringify(attrs),
    updatedAt,
  ]);
  const sql = `INSERT INTO consistent_product (${COLUMNS}) VALUES ${rows.map(() => tuple).join(', ')}`;
  const [{ insertId }] = await connection.query<never>(sql, values);
  return insertId;
}

async function index(client: Client, rows: readonly ProductValues[], firstId: number, version: number): Promise<void> {
  const operations = rows.flatMap((values, at): object[] => {
    const id = String(firstId + at);
    return [{ index: { _id: id, version, version_type: 'external' } }, documentOf(id, values)];
  });
  const { errors } = await client.bulk({ index: CONSISTENT_INDEX, operations, filter_path: 'errors' });
  if (errors) throw new Error('documents of the bare steps were refused');
}
