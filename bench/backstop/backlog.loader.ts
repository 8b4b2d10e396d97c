import mysql from 'mysql2/promise';
import { DataSource } from 'typeorm';
import type { BenchServers } from '../cell.types.js';
import { ConsistentProduct } from '../product.entity.js';
import { rowOf } from '../store.reset.js';
import type { Backlog, Shape } from './drain.types.js';

const CONNECTIONS = 64;
const ROWS_PER_TRANSACTION = 1_000;
const COLUMNS = '(id, sku, title, price, stock, attrs, updatedAt)';

/** The table of the entity, empty, in a database of its own; and where the log ends now. */
export async function emptyTable(servers: BenchServers, database: string): Promise<Omit<Backlog, 'gtidSetAfter'>> {
  const root = await mysql.createConnection({ uri: servers.mysqlUrl });
  await root.query(`DROP DATABASE IF EXISTS ${database}`);
  await root.query(`CREATE DATABASE ${database} CHARACTER SET utf8mb4`);
  const dataSource = new DataSource({
    type: 'mysql',
    url: `${servers.mysqlUrl.replace(/\/$/, '')}/${database}`,
    entities: [ConsistentProduct],
    timezone: 'Z',
    charset: 'utf8mb4',
  });
  await dataSource.initialize();
  await dataSource.synchronize();
  await dataSource.destroy();
  const end = await endOfLog(root);
  await root.end();
  return { database, rows: 0, file: end.file, position: end.position, gtidSetBefore: end.gtidSet };
}

/** Rows written around the library, by plain SQL. */
export async function loadBacklog(servers: BenchServers, shape: Shape, rows: number): Promise<Backlog> {
  const before = await emptyTable(servers, `nest_consistent_bench_${shape}`);
  const pool = mysql.createPool({
    uri: `${servers.mysqlUrl.replace(/\/$/, '')}/${before.database}`,
    timezone: 'Z',
    connectionLimit: shape === 'single' ? CONNECTIONS : 2,
  });
  const step = shape === 'single' ? 1 : ROWS_PER_TRANSACTION;
  let next = 1;
  const writers = Array.from({ length: shape === 'single' ? CONNECTIONS : 2 }, async () => {
    for (let from = next; from <= rows; from = next) {
      next += step;
      const values = Array.from({ length: Math.min(step, rows - from + 1) }, (_, at) => rowOf(from + at));
      await pool.query(`INSERT INTO consistent_product ${COLUMNS} VALUES ?`, [values]);
    }
  });
  await Promise.all(writers);
  const connection = await pool.getConnection();
  const { gtidSet } = await endOfLog(connection);
  connection.release();
  await pool.end();
  return { ...before, rows, gtidSetAfter: gtidSet };
}

async function endOfLog(connection: mysql.Connection): Promise<{ file: string; position: number; gtidSet: string }> {
  const [rows] = await connection.query('SHOW BINARY LOG STATUS');
  const [status] = rows as { File: string; Position: number; Executed_Gtid_Set: string }[];
  return {
    file: status!.File,
    position: status!.Position,
    gtidSet: status!.Executed_Gtid_Set.replaceAll(/\s/g, ''),
  };
}
