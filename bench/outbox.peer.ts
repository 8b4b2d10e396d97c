import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { DataSource } from 'typeorm';
import type { CellResult, CellSpec, Latencies } from './cell.types.js';
import { closedLoop } from './closed.loop.js';
import { documentOf } from './product.data.js';
import { OutboxEntry, PlainProduct } from './product.entity.js';
import { dataSourceOptions } from './store.reset.js';
import { plainProducts } from './typeorm.peers.js';

/** Every so many commits, one is watched until its document is there. */
const SAMPLE_EVERY = 20;
const DRAIN_POLL_MS = 10;

/** Row and outbox row in one transaction; the relay and the prober are processes of their own. */
export async function measureOutbox(spec: CellSpec): Promise<CellResult> {
  const { peer, operation, concurrency } = spec;
  const dataSource = await new DataSource(dataSourceOptions(spec.servers)).initialize();
  const relay = await start('outbox.relay.js', spec);
  const prober = await start('visibility.prober.js', spec);
  const next = plainProducts(operation === 'update');
  const watchFrom = performance.now() + spec.warmUpMs;
  let commits = 0;
  const result = await closedLoop(
    async () => {
      const product = await dataSource.transaction(async (manager) => {
        const saved = await manager.getRepository(PlainProduct).save(next());
        const payload = JSON.stringify(documentOf(saved.id, saved));
        await manager.getRepository(OutboxEntry).insert({ productId: saved.id, payload });
        return saved;
      });
      // An update's document is there before: only an insert shows when it arrives.
      const watched = operation === 'insert' && performance.now() > watchFrom && commits++ % SAMPLE_EVERY === 0;
      if (watched) prober.send({ id: product.id, at: monotonicMs() });
    },
    { ...spec, helpers: [relay.pid!] },
  );
  while (await dataSource.getRepository(OutboxEntry).exists()) await sleep(DRAIN_POLL_MS);
  const sustainedPerSecond = (result.rows * 1_000) / (performance.now() - result.begunAt);
  const visible = (await endOf(prober)) as Latencies;
  await endOf(relay);
  await dataSource.destroy();
  const { opsPerSecond, latency, cpu, failed } = result;
  const seen = operation === 'insert' ? { visible } : {};
  return { peer, operation, concurrency, opsPerSecond, latency, cpu, failed, sustainedPerSecond, ...seen };
}

/** The same clock in every process of the machine. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

async function start(file: string, { servers }: CellSpec): Promise<ChildProcess> {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), [JSON.stringify(servers)]);
  await once(child, 'message');
  return child;
}

async function endOf(child: ChildProcess): Promise<unknown> {
  const answer = once(child, 'message');
  child.send({ end: true });
  const [message] = (await answer) as [unknown];
  return message;
}
