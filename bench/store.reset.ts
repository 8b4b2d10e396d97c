import { Client } from '@elastic/elasticsearch';
import mysql from 'mysql2/promise';
import { DataSource, type DataSourceOptions } from 'typeorm';
import type { BenchServers } from './cell.types.js';
import { documentOf, MAPPINGS, productValues, SEEDED_ROWS, SETTINGS } from './product.data.js';
import { ConsistentProduct, OutboxEntry, PlainProduct } from './product.entity.js';

export const DATABASE = 'nest_consistent_bench';
export const PLAIN_INDEX = 'bench-plain';
export const CONSISTENT_INDEX = 'bench-consistent';
/** Connections of every TypeORM pool, the peers' and ours. */
export const POOL_SIZE = 32;
const SEED_CHUNK = 1_000;

export function dataSourceOptions(servers: BenchServers): DataSourceOptions {
  return {
    type: 'mysql',
    url: `${servers.mysqlUrl.replace(/\/$/, '')}/${DATABASE}`,
    entities: [PlainProduct, OutboxEntry, ConsistentProduct],
    timezone: 'Z',
    charset: 'utf8mb4',
    poolSize: POOL_SIZE,
  };
}

export function newClient({ elasticsearchUrl }: BenchServers): Client {
  return new Client({ node: elasticsearchUrl, maxRetries: 0, requestTimeout: 30_000 });
}

export function newConnection({ mysqlUrl }: BenchServers): Promise<mysql.Connection> {
  return mysql.createConnection({ uri: `${mysqlUrl.replace(/\/$/, '')}/${DATABASE}`, timezone: 'Z' });
}

/** Both tables and both indices anew, with the rows and the documents that updates need. */
export async function resetStores(servers: BenchServers, seeded: boolean): Promise<void> {
  const root = await mysql.createConnection({ uri: servers.mysqlUrl });
  await root.query(`DROP DATABASE IF EXISTS ${DATABASE}`);
  await root.query(`CREATE DATABASE ${DATABASE} CHARACTER SET utf8mb4`);
  await root.end();
  const dataSource = new DataSource(dataSourceOptions(servers));
  await dataSource.initialize();
  await dataSource.synchronize();
  await dataSource.destroy();
  await resetIndices(servers);
  if (seeded) await seed(servers);
}

export async function dropStores(servers: BenchServers): Promise<void> {
  const root = await mysql.createConnection({ uri: servers.mysqlUrl });
  await root.query(`DROP DATABASE IF EXISTS ${DATABASE}`);
  await root.end();
  const client = newClient(servers);
  await deleteIndices(client);
  await client.close();
}

async function deleteIndices(client: Client): Promise<void> {
  for (const index of [PLAIN_INDEX, `${CONSISTENT_INDEX}-000001`]) {
    await client.indices.delete({ index, ignore_unavailable: true });
  }
}

async function resetIndices(servers: BenchServers): Promise<void> {
  const client = newClient(servers);
  await deleteIndices(client);
  for (const index of [PLAIN_INDEX, `${CONSISTENT_INDEX}-000001`]) {
    const aliases = index === PLAIN_INDEX ? {} : { aliases: { [CONSISTENT_INDEX]: { is_write_index: true } } };
    await client.indices.create({ index, mappings: MAPPINGS, settings: SETTINGS, ...aliases });
  }
  await client.close();
}

async function seed(servers: BenchServers): Promise<void> {
  const connection = await newConnection(servers);
  const client = newClient(servers);
  for (let from = 1; from <= SEEDED_ROWS; from += SEED_CHUNK) {
    const numbers = Array.from({ length: SEED_CHUNK }, (_, at) => from + at);
    const rows = numbers.map((number) => rowOf(number));
    const columns = '(id, sku, title, price, stock, attrs, updatedAt)';
    await connection.query(`INSERT INTO plain_product ${columns} VALUES ?`, [rows]);
    await connection.query(`INSERT INTO consistent_product ${columns} VALUES ?`, [rows]);
    const documents = numbers.map((number) => [String(number), documentOf(String(number), productValues(number))]);
    const plain = documents.flatMap(([id, body]) => [{ index: { _index: PLAIN_INDEX, _id: id } }, body]);
    const versioned = documents.flatMap(([id, body]) => [
      { index: { _index: CONSISTENT_INDEX, _id: id, version: 0, version_type: 'external' } },
      body,
    ]);
    const { errors } = await client.bulk({ operations: [...plain, ...versioned] as never });
    if (errors) throw new Error('the seed documents were refused');
  }
  await client.indices.refresh({ index: `${PLAIN_INDEX},${CONSISTENT_INDEX}` });
  await client.close();
  await connection.end();
}

/** The values of one row, in the order of the table. */
export function rowOf(number: number): unknown[] {
  const { sku, title, price, stock, attrs, updatedAt } = productValues(number);
  return [number, sku, title, price, stock, JSON.stringify(attrs), updatedAt];
}
