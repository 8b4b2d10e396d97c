import { fork } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import mysql from 'mysql2/promise';
import type { BenchServers, Latencies } from '../cell.types.js';
import { newClient, rowOf } from '../store.reset.js';
import { emptyTable } from './backlog.loader.js';
import { emptyIndex, INDEX } from './drain.cell.js';
import type { Follower, LiveResult } from './drain.types.js';
import { FollowerProcess } from './follower.process.js';
import type { Command } from './follower.programs.js';

const COMMITS_PER_SECOND = 500;
const CONNECTIONS = 32;
const INSERT = 'INSERT INTO consistent_product (id, sku, title, price, stock, attrs, updatedAt) VALUES (?)';
const NO_PROBE_MS = 60_000;

/** Single-row commits at a fixed rate; for each, the time from its acknowledgement until a realtime read finds its document. */
export async function live(
  servers: BenchServers,
  follower: Follower,
  command: Command,
  windowMs: number,
): Promise<LiveResult> {
  await emptyIndex(servers, follower);
  const table = await emptyTable(servers, 'nest_consistent_bench_live');
  const backlog = { ...table, gtidSetAfter: '' };
  const child = new FollowerProcess(command, { follower, servers, backlog, rows: 0, index: INDEX });
  const pool = mysql.createPool({
    uri: `${servers.mysqlUrl.replace(/\/$/, '')}/${table.database}`,
    timezone: 'Z',
    connectionLimit: CONNECTIONS,
  });
  const prober = fork(fileURLToPath(new URL('../visibility.prober.js', import.meta.url)), [
    JSON.stringify(servers),
    INDEX,
  ]);
  try {
    await new Promise((resolve) => prober.once('message', resolve));
    await child.when('start');
    await follows(servers, pool);
    // Warm: what is measured is the same in the first second as in the last.
    await commitAtRate(pool, 2, windowMs / 2);
    const last = await commitAtRate(pool, 1_000_000, windowMs, (id, at) => prober.send({ id: String(id), at }));
    const visible = await new Promise<Latencies>((resolve) => {
      prober.once('message', (message) => resolve(message as Latencies));
      prober.send({ end: true });
    });
    return { follower, commitsPerSecond: last, visible, peakRssMb: child.peakRssMb() };
  } finally {
    prober.kill();
    await child.kill();
    await pool.end();
  }
}

/** The follower is there once a row that was written now reaches the index. */
async function follows(servers: BenchServers, pool: mysql.Pool): Promise<void> {
  await pool.query(INSERT, [rowOf(1)]);
  const client = newClient(servers);
  const until = performance.now() + NO_PROBE_MS;
  try {
    for (;;) {
      const { docs } = await client.mget({ index: INDEX, ids: ['1'], _source: false });
      const [first] = docs;
      if (first && 'found' in first && first.found) return;
      if (performance.now() > until) throw new Error('the follower brought nothing to the index');
      await sleep(50);
    }
  } finally {
    await client.close();
  }
}

/** Open loop: a commit is due every 2 ms, whether the last one has ended or not. Returns commits per second. */
async function commitAtRate(
  pool: mysql.Pool,
  firstId: number,
  windowMs: number,
  committed?: (id: number, atMs: number) => void,
): Promise<number> {
  const begunAt = performance.now();
  const running: Promise<void>[] = [];
  for (let sent = 0; performance.now() - begunAt < windowMs;) {
    const due = Math.floor(((performance.now() - begunAt) * COMMITS_PER_SECOND) / 1_000);
    for (; sent < due; sent++) {
      const id = firstId + sent;
      const written = pool.query(INSERT, [rowOf(id)]);
      running.push(written.then(() => committed?.(id, Number(process.hrtime.bigint()) / 1e6)));
    }
    await sleep(1);
  }
  await Promise.all(running);
  return (running.length * 1_000) / (performance.now() - begunAt);
}
