import type { BenchServers } from '../cell.types.js';
import { cpuOf } from '../process.cpu.js';
import { MAPPINGS, SETTINGS } from '../product.data.js';
import { newClient } from '../store.reset.js';
import type { Backlog, DrainResult, Follower, Shape } from './drain.types.js';
import { FollowerProcess } from './follower.process.js';
import type { Command } from './follower.programs.js';

/** Ours wants an alias, and makes its index itself; the others get the same mapping and settings. */
export const INDEX = 'bench-backstop';

/** One follower reads one backlog into an empty index. Fails where the index then does not hold what the table holds. */
export async function drain(
  servers: BenchServers,
  follower: Follower,
  command: Command,
  shape: Shape,
  backlog: Backlog,
): Promise<DrainResult> {
  await emptyIndex(servers, follower);
  const cpuBefore = serverCpu(servers);
  const child = new FollowerProcess(command, { follower, servers, backlog, rows: backlog.rows, index: INDEX });
  try {
    const started = await child.when('start');
    const startCpu = cpuOf(child.pid) ?? 0;
    const done = await child.when('done');
    const seconds = (done.atMs - started.atMs) / 1_000;
    const cpuAfter = serverCpu(servers);
    const spent = (from: number | null, to: number | null) => (from === null || to === null ? null : to - from);
    const result = {
      follower,
      shape,
      rows: backlog.rows,
      seconds,
      rowsPerSecond: backlog.rows / seconds,
      peakRssMb: child.peakRssMb(),
      cpu: {
        start: startCpu,
        follower: (cpuOf(child.pid) ?? 0) - startCpu,
        mysqld: spent(cpuBefore.mysqld, cpuAfter.mysqld),
        elasticsearch: spent(cpuBefore.elasticsearch, cpuAfter.elasticsearch),
      },
    };
    if (follower !== 'decode') await expectAll(servers, follower, backlog);
    return result;
  } finally {
    await child.kill();
  }
}

export async function emptyIndex(servers: BenchServers, follower: Follower): Promise<void> {
  const client = newClient(servers);
  const found = await client.indices.get({ index: `${INDEX}*`, expand_wildcards: 'all' });
  for (const index of Object.keys(found)) await client.indices.delete({ index });
  if (follower !== 'ours') await client.indices.create({ index: INDEX, mappings: MAPPINGS, settings: SETTINGS });
  await client.close();
}

async function expectAll(servers: BenchServers, follower: Follower, { rows }: Backlog): Promise<void> {
  const client = newClient(servers);
  await client.indices.refresh({ index: INDEX });
  const { count } = await client.count({ index: INDEX });
  await client.close();
  if (count !== rows) throw new Error(`${follower}: the index holds ${count} documents and the table ${rows} rows`);
}

function serverCpu({ mysqlPid, elasticsearchPid }: BenchServers) {
  return { mysqld: cpuOf(mysqlPid), elasticsearch: cpuOf(elasticsearchPid) };
}
