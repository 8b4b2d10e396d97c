import { type DynamicModule, type INestApplicationContext, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { ConsistentModule } from '../src/index.js';
import type { CellResult, CellSpec } from './cell.types.js';
import { closedLoop } from './closed.loop.js';
import { LatencyRecorder } from './latency.recorder.js';
import { cpuPerThousand, readCpu } from './process.cpu.js';
import { changedProduct, productValues, SEEDED_ROWS } from './product.data.js';
import { ConsistentProduct, ConsistentProductRepository } from './product.entity.js';
import { dataSourceOptions, newConnection } from './store.reset.js';

@Module({})
class BenchModule {}

/** The library in a Nest application, as anybody would set it up; only `acknowledge` and `decider` differ from the defaults. */
export async function startApplication({ peer, servers }: CellSpec): Promise<INestApplicationContext> {
  const module: DynamicModule = {
    module: BenchModule,
    imports: [
      TypeOrmModule.forRoot(dataSourceOptions(servers)),
      ConsistentModule.forRoot({
        elasticsearch: { node: servers.elasticsearchUrl },
        acknowledge: peer.endsWith('indexed') ? 'indexed' : 'committed',
        decider: peer.includes('mysql') ? 'mysql' : 'elasticsearch',
        // Its job needs a scheduler, and has nothing to do while every write ends well.
        sweeper: false,
      }),
      ConsistentModule.forFeature([ConsistentProductRepository]),
    ],
  };
  return NestFactory.createApplicationContext(module, { logger: ['error', 'warn'] });
}

export async function measureConsistent(spec: CellSpec): Promise<CellResult> {
  const { peer, operation, concurrency } = spec;
  const application = await startApplication(spec);
  const products = application.get(ConsistentProductRepository);
  const next = consistentProducts(operation === 'update');
  const { opsPerSecond, latency, cpu, failed } = await closedLoop(async () => {
    await products.save(next());
  }, spec);
  await application.close();
  await expectNothingUndecided(spec);
  return { peer, operation, concurrency, opsPerSecond, latency, cpu, failed };
}

/** Rows of one `saveMany` call: enough that its first and its last chunk, which overlap with nothing, hardly count. */
const ROWS_PER_CALL = 10_000;

/**
 * `saveMany` by one caller, warmed up and measured for as long as the floors are. A call is long, so the window ends with
 * the first call that outlasts it, and the rate is over the time that this took. Like the floors, it makes its rows itself.
 */
export async function measureSaveMany(spec: CellSpec): Promise<CellResult> {
  const { peer, operation, concurrency, servers } = spec;
  const application = await startApplication(spec);
  const products = application.get(ConsistentProductRepository);
  const next = consistentProducts(false);
  let [rows, failed, latency] = [0, 0, new LatencyRecorder()];
  const callUntil = async (endsAt: number) => {
    [rows, failed, latency] = [0, 0, new LatencyRecorder()];
    while (performance.now() < endsAt) {
      const begunAt = performance.now();
      const outcomes = await products.saveMany(Array.from({ length: ROWS_PER_CALL }, next));
      latency.add(performance.now() - begunAt);
      rows += outcomes.length;
      failed += outcomes.filter(({ status }) => status !== 'committed').length;
    }
  };
  await callUntil(performance.now() + spec.warmUpMs);
  const before = readCpu(servers);
  const begunAt = performance.now();
  await callUntil(begunAt + spec.windowMs);
  const elapsedMs = performance.now() - begunAt;
  const cpu = cpuPerThousand(before, readCpu(servers), rows);
  await application.close();
  await expectNothingUndecided(spec);
  const opsPerSecond = ((rows - failed) * 1_000) / elapsedMs;
  return { peer, operation, concurrency, opsPerSecond, latency: latency.summary(), cpu, failed };
}

/** Fast is worth nothing where a write is left behind. */
async function expectNothingUndecided({ servers }: CellSpec): Promise<void> {
  const connection = await newConnection(servers);
  const [rows] = await connection.query(
    "SELECT COUNT(*) AS open FROM consistent_product WHERE consistency_state = 'prepare'",
  );
  await connection.end();
  const [{ open }] = rows as [{ open: number }];
  if (Number(open) > 0) throw new Error(`${open} rows were left in prepare`);
}

function consistentProducts(update: boolean): () => ConsistentProduct {
  let number = SEEDED_ROWS;
  return () => {
    number++;
    return Object.assign(new ConsistentProduct(), update ? changedProduct(number) : productValues(number));
  };
}
