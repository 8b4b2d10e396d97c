import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { INestApplicationContext } from '@nestjs/common';
import { ConsistentService, type VerifyOptions, type VerifyResult } from '../../src/index.js';
import type { BenchOptions } from '../bench.options.js';
import type { BenchServers } from '../cell.types.js';
import { startApplication } from '../consistent.peer.js';
import { describeEnvironment } from '../environment.report.js';
import { readCpu } from '../process.cpu.js';
import { productValues } from '../product.data.js';
import { ConsistentProduct, ConsistentProductRepository } from '../product.entity.js';
import { dropStores, newConnection, resetStores } from '../store.reset.js';
import { seedRows } from './verify.seed.js';

const ROWS = 1_000_000;
const QUICK_ROWS = 100_000;
const WRITERS = 8;
const SAMPLE_MS = 20;
const MIB = 2 ** 20;

interface Measured {
  readonly name: string;
  readonly result: VerifyResult;
  readonly rowsPerSecond: number;
  readonly peakRssMiB: number;
  /** CPU seconds of Node, mysqld and Elasticsearch. */
  readonly cpu: readonly (number | null)[];
}

/** `npm run bench -- verify`: how long it takes to prove that a million rows agree, and what it takes to mend some. */
export async function benchVerify(options: BenchOptions, servers: BenchServers): Promise<void> {
  const rows = options.quick ? QUICK_ROWS : ROWS;
  const environment = await describeEnvironment(servers);
  await resetStores(servers, false);
  const application = await startApplication({
    peer: 'ours-committed',
    operation: 'update',
    concurrency: 1,
    warmUpMs: 0,
    windowMs: 0,
    servers,
  });
  await seedRows(application, servers, rows);
  const service = application.get(ConsistentService);
  const measure = (name: string, verify: VerifyOptions = {}) => measured(name, servers, service, verify);
  const results: Measured[] = [];
  for (let round = 0; round < options.rounds; round++) {
    results.push(await measure('content'));
    results.push(await measure('version', { depth: 'version' }));
  }
  results.push(await underWrites(application, rows, () => measure(`content, ${WRITERS} writers`)));
  await breakSome(servers, rows);
  results.push(await measure('content, 1 % differ, repaired', { repair: true }));
  results.push(await measure('content, after the repair'));
  await application.close();
  await dropStores(servers);
  for (const [name, value] of Object.entries(environment)) console.log(`${name}: ${value}`);
  for (const line of results.map(lineOf)) console.log(line);
  if (!options.json) return;
  const file = resolve(process.env['INIT_CWD'] ?? '.', options.json);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify({ environment, results }, null, 2)}\n`);
}

async function measured(
  name: string,
  servers: BenchServers,
  service: ConsistentService,
  verify: VerifyOptions,
): Promise<Measured> {
  let peak = 0;
  const sampler = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, SAMPLE_MS);
  const before = readCpu(servers);
  const result = await service.verify(ConsistentProduct, verify);
  const after = readCpu(servers);
  clearInterval(sampler);
  const used = (from: number | null, to: number | null) => (from === null || to === null ? null : to - from);
  const cpu = [
    used(before.node, after.node),
    used(before.mysqld, after.mysqld),
    used(before.elasticsearch, after.elasticsearch),
  ];
  const one = { name, result, rowsPerSecond: result.rows / result.seconds, peakRssMiB: peak / MIB, cpu };
  console.error(lineOf(one));
  return one;
}

function lineOf({ name, result, rowsPerSecond, peakRssMiB, cpu }: Measured): string {
  const { rows, documents, missing, stale, foreign, orphaned, repaired, failed, unchecked, seconds } = result;
  const [node, mysqld, elasticsearch] = cpu.map((used) => (used === null ? '?' : used.toFixed(1)));
  return (
    `${name}: ${rows} rows, ${documents} documents in ${seconds.toFixed(1)} s (${Math.round(rowsPerSecond)} rows/s), ` +
    `peak RSS ${Math.round(peakRssMiB)} MiB, CPU s: node ${node}, mysqld ${mysqld}, es ${elasticsearch}; missing ${missing}, stale ${stale}, ` +
    `foreign ${foreign}, orphaned ${orphaned}, repaired ${repaired}, failed ${failed}, unchecked ${unchecked}`
  );
}

/** Writers that change rows, insert and remove all the time. */
async function underWrites<T>(application: INestApplicationContext, rows: number, work: () => Promise<T>): Promise<T> {
  const products = application.get(ConsistentProductRepository);
  let [done, writes] = [false, 0];
  const writer = async (number: number) => {
    for (let turn = 1; !done; turn++) {
      const id = String(1 + Math.floor(Math.random() * rows));
      await products.save({ ...productValues(Number(id), turn), id });
      const added = await products.save(productValues(rows + number, turn));
      await products.remove(added as ConsistentProduct);
      writes += 3;
      await sleep(1);
    }
  };
  const writers = Array.from({ length: WRITERS }, (_, at) => writer(at));
  try {
    return await work();
  } finally {
    done = true;
    await Promise.all(writers);
    console.error(`${writes} writes meanwhile`);
  }
}

/** One row in a hundred changes around the library. */
async function breakSome(servers: BenchServers, rows: number): Promise<void> {
  const connection = await newConnection(servers);
  await connection.query('UPDATE consistent_product SET stock = stock + 1 WHERE id % 100 = 0 AND id <= ?', [rows]);
  await connection.end();
}
