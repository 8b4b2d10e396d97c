#!/usr/bin/env node
import 'reflect-metadata';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { benchBackstop } from './backstop/backstop.bench.js';
import { type BenchOptions, readOptions, USAGE } from './bench.options.js';
import { projectRoot, startBenchServers } from './bench.servers.js';
import { makePlan, orderOf } from './cell.plan.js';
import { runCell } from './cell.runner.js';
import { summarize } from './cell.summary.js';
import type { BenchServers, CellResult } from './cell.types.js';
import { throughputChart } from './chart.svg.js';
import { describeEnvironment, type Environment } from './environment.report.js';
import { type Ratio, ratiosOf } from './ratio.list.js';
import { dropStores } from './store.reset.js';
import { cellTable, ratioTable, remarks } from './table.printer.js';
import { benchVerify } from './verify/verify.bench.js';

/** The JVM compiles and InnoDB fills its buffers here; nobody's figures should show it. */
const WARM_UPS = [
  { peer: 'floor-bulk-500', operation: 'insert', concurrency: 2, warmUpMs: 0, windowMs: 5_000 },
  { peer: 'dual-write', operation: 'update', concurrency: 64, warmUpMs: 0, windowMs: 3_000 },
] as const;

async function measureAll(options: BenchOptions, servers: BenchServers): Promise<CellResult[]> {
  const all = makePlan(options.quick, options.rounds);
  const { only } = options;
  const cells = all.cells.filter(
    ({ peer, operation, concurrency }) => !only || `${peer} ${operation} ${concurrency}`.includes(only),
  );
  const plan = { ...all, cells };
  for (const cell of WARM_UPS) await runCell({ ...cell, servers });
  const results: CellResult[] = [];
  const total = plan.rounds * cells.length;
  for (let round = 0; round < plan.rounds; round++) {
    for (const cell of orderOf(plan, round)) {
      const result = await runCell({ ...cell, servers });
      results.push(result);
      const rate = `${Math.round(result.opsPerSecond)}/s, p99 ${result.latency.p99Ms.toFixed(1)} ms`;
      console.error(`${results.length}/${total} ${cell.peer} ${cell.operation} ${cell.concurrency}: ${rate}`);
    }
  }
  return results;
}

function print(environment: Environment, results: readonly CellResult[]): Ratio[] {
  const cells = summarize(results);
  const ratios = ratiosOf(cells);
  for (const [name, value] of Object.entries(environment)) console.log(`${name}: ${value}`);
  console.log(`\n${cellTable(cells)}`);
  console.log('node, mysqld, es: CPU seconds for 1,000 operations. Median (min–max) of the rounds.\n');
  for (const line of remarks(cells)) console.log(line);
  console.log(`\n${ratioTable(ratios)}`);
  return ratios;
}

function write(options: BenchOptions, environment: Environment, results: readonly CellResult[], ratios: Ratio[]): void {
  const byName = Object.fromEntries(ratios.map(({ name, value }) => [name, Number(value.toFixed(4))]));
  if (options.json) {
    const file = resolve(process.env['INIT_CWD'] ?? '.', options.json);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `${JSON.stringify(byName, null, 2)}\n`);
  }
  if (options.only || options.quick) return;
  const folder = join(projectRoot(), 'bench/results');
  const cells = summarize(results);
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, 'write-path.json'),
    `${JSON.stringify({ environment, ratios: byName, cells, results }, rounded, 2)}\n`,
  );
  writeFileSync(join(projectRoot(), 'docs/write-path.svg'), throughputChart(cells));
}

function rounded(_name: string, value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toFixed(4)) : value;
}

async function main(options: BenchOptions): Promise<void> {
  const { servers, stop } = await startBenchServers();
  try {
    if (options.topic === 'backstop') return await benchBackstop(options, servers);
    if (options.topic === 'verify') return await benchVerify(options, servers);
    const environment = await describeEnvironment(servers);
    const results = await measureAll(options, servers);
    write(options, environment, results, print(environment, results));
    await dropStores(servers);
  } finally {
    await stop();
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130));
try {
  await main(readOptions(process.argv.slice(2)));
  process.exit(0);
} catch (error) {
  console.error(error instanceof TypeError ? `${error.message}\n\n${USAGE}` : error);
  process.exit(1);
}
