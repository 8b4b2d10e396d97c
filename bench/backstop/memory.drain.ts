import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { startBenchServers } from '../bench.servers.js';
import { newClient } from '../store.reset.js';
import { loadBacklog } from './backlog.loader.js';
import { emptyIndex, INDEX } from './drain.cell.js';
import type { Shape } from './drain.types.js';
import { FollowerProcess } from './follower.process.js';
import { buildPrograms } from './follower.programs.js';

/**
 * A long drain, and the follower's memory while it lasts: whether it grows with what has passed.
 * `node bench/build/bench/backstop/memory.drain.js [rows] [single|batch]`
 */
const ROWS = Number(process.argv[2] ?? 2_000_000);
const SHAPE = (process.argv[3] ?? 'batch') as Shape;
const EVERY_MS = 5_000;

const { servers, stop } = await startBenchServers();
try {
  console.error(`writing ${ROWS} rows around the library (${SHAPE})`);
  const backlog = await loadBacklog(servers, SHAPE, ROWS);
  await emptyIndex(servers, 'ours');
  const command = buildPrograms().commands.get('ours')!;
  const child = new FollowerProcess(command, { follower: 'ours', servers, backlog, rows: ROWS, index: INDEX });
  const started = await child.when('start');
  const finished = child.when('done');
  const client = newClient(servers);
  let done = false;
  void finished.then(() => (done = true));
  console.log('| seconds | documents | RSS in MB |\n| ---: | ---: | ---: |');
  while (!done) {
    await Promise.race([sleep(EVERY_MS), finished]);
    const { indices } = await client.indices.stats({ index: INDEX, metric: 'indexing' });
    const documents = Object.values(indices ?? {})[0]?.total?.indexing?.index_total ?? 0;
    const rss = Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))![1]) / 1_024;
    console.log(`| ${((Date.now() - started.atMs) / 1_000).toFixed(0)} | ${documents} | ${rss.toFixed(0)} |`);
  }
  const seconds = ((await finished).atMs - started.atMs) / 1_000;
  const peak = child.peakRssMb().toFixed(0);
  console.log(`\n${ROWS} rows in ${seconds.toFixed(1)} s: ${Math.round(ROWS / seconds)} rows/s; peak ${peak} MB`);
  await client.indices.refresh({ index: INDEX });
  const { count } = await client.count({ index: INDEX });
  if (count !== ROWS) throw new Error(`the index holds ${count} documents`);
  await client.close();
  await child.kill();
} finally {
  await stop();
}
process.exit(0);
