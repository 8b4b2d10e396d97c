import { DataSource, MoreThanOrEqual } from 'typeorm';
import type { CellResult, CellSpec } from './cell.types.js';
import { startApplication } from './consistent.peer.js';
import { LatencyRecorder, median } from './latency.recorder.js';
import { cpuPerThousand, readCpu } from './process.cpu.js';
import { SEEDED_ROWS } from './product.data.js';
import { ConsistentProduct, ConsistentProductRepository } from './product.entity.js';

const PAGE = 100;
const CALLS_PER_TURN = { 'find-page': 5, 'find-one': 50 };

/**
 * Reads of committed rows, ours and TypeORM's repository of the same entity, in one process and in turns, so that whatever
 * disturbs the machine disturbs both.
 */
export async function measureReads(spec: CellSpec): Promise<CellResult> {
  const { peer, operation, concurrency, warmUpMs, windowMs, servers } = spec;
  const application = await startApplication(spec);
  const ours = application.get(ConsistentProductRepository);
  const typeorm = application.get(DataSource).getRepository(ConsistentProduct);
  const read = async (repository: typeof ours | typeof typeorm, id: string) => {
    if (operation === 'find-one') return Boolean(await repository.findOneBy({ id }));
    const page = await repository.find({ where: { id: MoreThanOrEqual(id) }, order: { id: 'ASC' }, take: PAGE });
    return page.length === PAGE;
  };
  const calls = operation === 'find-one' ? CALLS_PER_TURN['find-one'] : CALLS_PER_TURN['find-page'];
  const someId = () => String(1 + Math.floor(Math.random() * (SEEDED_ROWS - PAGE)));
  let ids: string[] = [];
  const turn = async (repository: typeof ours | typeof typeorm) => {
    const begunAt = performance.now();
    for (const id of ids) {
      if (!(await read(repository, id))) throw new Error('a row was not found');
    }
    return (performance.now() - begunAt) / calls;
  };
  const ratios: number[] = [];
  const latency = new LatencyRecorder();
  const warmUntil = performance.now() + warmUpMs;
  const until = warmUntil + windowMs;
  let before = readCpu(servers);
  for (let round = 0; performance.now() < until; round++) {
    ids = Array.from({ length: calls }, someId);
    // Who goes first changes: the second finds warmer caches.
    const [first, second] =
      round % 2 ? [await turn(ours), await turn(typeorm)] : [await turn(typeorm), await turn(ours)];
    const [own, other] = round % 2 ? [first, second] : [second, first];
    if (performance.now() < warmUntil) {
      before = readCpu(servers);
      continue;
    }
    ratios.push(own / other);
    latency.add(own);
  }
  const rounds = ratios.length;
  const cpu = cpuPerThousand(before, readCpu(servers), rounds * calls * 2);
  await application.close();
  const summary = latency.summary();
  const overTypeorm = median(ratios);
  return {
    peer,
    operation,
    concurrency,
    opsPerSecond: 1_000 / summary.p50Ms,
    latency: summary,
    cpu,
    failed: 0,
    overTypeorm,
  };
}
