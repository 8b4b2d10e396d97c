import mysql from 'mysql2/promise';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { projectRoot } from './bench.servers.js';
import type { BenchServers } from './cell.types.js';
import { SEEDED_ROWS } from './product.data.js';
import { newClient, POOL_SIZE } from './store.reset.js';

/** Versions, and every setting that moves the figures. */
export type Environment = Readonly<Record<string, string | number>>;

const MYSQL_SETTINGS = [
  'version',
  'innodb_flush_log_at_trx_commit',
  'sync_binlog',
  'log_bin',
  'binlog_row_image',
  'gtid_mode',
  'innodb_buffer_pool_size',
  'performance_schema',
];
const PACKAGES = ['typeorm', 'mysql2', '@elastic/elasticsearch', '@nestjs/core'];

export async function describeEnvironment(servers: BenchServers): Promise<Environment> {
  const connection = await mysql.createConnection({ uri: servers.mysqlUrl });
  const [rows] = await connection.query('SHOW VARIABLES WHERE Variable_name IN (?)', [MYSQL_SETTINGS]);
  await connection.end();
  const found = rows as { Variable_name: string; Value: string }[];
  const client = newClient(servers);
  const { nodes } = await client.nodes.info({ metric: ['jvm', 'process'] as never });
  const [node] = Object.values(nodes);
  await client.close();
  const heap = (node?.jvm?.mem as { heap_max_in_bytes?: number } | undefined)?.heap_max_in_bytes ?? 0;
  const versionOf = (name: string) => {
    const file = join(projectRoot(), 'node_modules', name, 'package.json');
    return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
  };
  return {
    cpu: `${cpus().length} x ${cpus()[0]?.model.trim() ?? 'unknown'}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    kernel: release(),
    'load before': loadavg()[0]!.toFixed(2),
    node: process.version,
    ...Object.fromEntries(PACKAGES.map((name) => [name, versionOf(name)])),
    ...Object.fromEntries(found.map(({ Variable_name, Value }) => [`mysql ${Variable_name}`, Value])),
    elasticsearch: node?.version ?? 'unknown',
    'elasticsearch heap': `${Math.round(heap / 2 ** 20)} MiB`,
    'index.translog.durability': 'request (the default)',
    'shards, replicas': '1, 0',
    'connections of a pool': POOL_SIZE,
    'seeded rows': SEEDED_ROWS,
    'outbox relay': 'polls every 10 ms, bulks of 500',
  };
}
