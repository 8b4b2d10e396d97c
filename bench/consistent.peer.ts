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

/** `saveMany` of so many new rows, by one caller. */
export async function measureSaveMany(spec: CellSpec): Promise<CellResult> {
  const { peer, operation, concurrency, servers } = spec;
  const application = await startApplication(spec);
  const products = application.get(ConsistentProductRepository);
  const next = consistentProducts(false);
  await products.saveMany(Array.from({ length: SEEDED_ROWS / 4 }, next));
  const rows = Array.from({ length: SEEDED_ROWS }, next);
  const before = readCpu(servers);
  const begunAt = performance.now();
  const outcomes = await products.saveMany(rows);
  const elapsedMs = performance.now() - begunAt;
  const cpu = cpuPerThousand(before, readCpu(servers), rows.length);
  const failed = outcomes.filter(({ status }) => status !== 'committed').length;
  const latency = new LatencyRecorder();
  latency.add(elapsedMs);
  await application.close();
  await expectNothingUndecided(spec);
  const opsPerSecond = (rows.length * 1_000) / elapsedMs;
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
