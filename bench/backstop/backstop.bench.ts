import { writeFileSync, mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { BenchOptions } from '../bench.options.js';
import { projectRoot } from '../bench.servers.js';
import { runCell } from '../cell.runner.js';
import type { BenchServers } from '../cell.types.js';
import { describeEnvironment, type Environment } from '../environment.report.js';
import { loadBacklog } from './backlog.loader.js';
import { backstopRatios, drainTable, liveTable, ratioLines } from './backstop.report.js';
import { drain } from './drain.cell.js';
import type { DrainResult, Follower, LiveResult, Shape } from './drain.types.js';
import { buildPrograms, type Programs } from './follower.programs.js';
import { live } from './live.cell.js';

const ROWS = 200_000;
const QUICK_ROWS = 60_000;
const LIVE_WINDOW_MS = 20_000;
const QUICK_LIVE_WINDOW_MS = 8_000;
const DRAINING: readonly Follower[] = ['canal', 'ours', 'debezium', 'decode'];
const LIVING: readonly Follower[] = ['canal', 'ours', 'debezium'];

/** The backstop beside go-mysql's canal and Debezium's embedded engine: the same log, the same documents, in one run. */
export async function benchBackstop(options: BenchOptions, servers: BenchServers): Promise<void> {
  const environment = await describeEnvironment(servers);
  const programs = buildPrograms();
  // The JVM compiles, InnoDB fills its buffers: nobody's figures should show it.
  await runCell({ peer: 'floor-bulk-500', operation: 'insert', concurrency: 2, warmUpMs: 0, windowMs: 8_000, servers });
  for (const [follower, why] of programs.missing) console.error(`${follower}: ${why}`);
  const drains = await measureDrains(options, servers, programs);
  const lives = await measureLive(options, servers, programs);
  for (const [name, value] of Object.entries(environment)) console.log(`${name}: ${value}`);
  const ratios = backstopRatios(drains, lives);
  console.log(`\n${drainTable(drains)}\n\n${liveTable(lives)}\n\n${ratioLines(ratios)}`);
  write(options, environment, drains, lives, ratios);
}

async function measureDrains(options: BenchOptions, servers: BenchServers, { commands }: Programs) {
  const results: DrainResult[] = [];
  for (const shape of ['single', 'batch'] as const satisfies readonly Shape[]) {
    if (!DRAINING.some((follower) => wanted(options, `${follower} ${shape}`))) continue;
    const rows = options.quick ? QUICK_ROWS : ROWS;
    console.error(`writing ${rows} rows around the library (${shape})`);
    const backlog = await loadBacklog(servers, shape, rows);
    for (let round = 0; round < options.rounds; round++) {
      for (const follower of turn(DRAINING, round)) {
        const command = commands.get(follower);
        if (!command || !wanted(options, `${follower} ${shape}`)) continue;
        const result = await drain(servers, follower, command, shape, backlog);
        results.push(result);
        const { rowsPerSecond, peakRssMb } = result;
        console.error(`${follower} ${shape}: ${Math.round(rowsPerSecond)} rows/s, ${Math.round(peakRssMb)} MB`);
      }
    }
  }
  return results;
}

async function measureLive(options: BenchOptions, servers: BenchServers, { commands }: Programs) {
  const results: LiveResult[] = [];
  for (let round = 0; round < options.rounds; round++) {
    for (const follower of turn(LIVING, round)) {
      const command = commands.get(follower);
      if (!command || !wanted(options, `${follower} live`)) continue;
      const windowMs = options.quick ? QUICK_LIVE_WINDOW_MS : LIVE_WINDOW_MS;
      const result = await live(servers, follower, command, windowMs);
      results.push(result);
      const { p50Ms, p99Ms } = result.visible;
      console.error(`${follower} live: p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms`);
    }
  }
  return results;
}

function wanted({ only }: BenchOptions, name: string): boolean {
  return !only || name.includes(only);
}

/** They take turns in going first. */
function turn(followers: readonly Follower[], round: number): Follower[] {
  const by = round % followers.length;
  return [...followers.slice(by), ...followers.slice(0, by)];
}

function write(
  options: BenchOptions,
  environment: Environment,
  drains: readonly DrainResult[],
  lives: readonly LiveResult[],
  ratios: Record<string, number>,
): void {
  if (options.json) {
    const file = resolve(process.env['INIT_CWD'] ?? '.', options.json);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `${JSON.stringify(ratios, null, 2)}\n`);
  }
  if (options.quick || options.only) return;
  const folder = join(projectRoot(), 'bench/results');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'backstop.json'), `${JSON.stringify({ environment, ratios, drains, lives }, null, 2)}\n`);
}
