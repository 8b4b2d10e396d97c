import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchServers, CpuPerThousand, Latencies } from './cell.types.js';
import { LatencyRecorder } from './latency.recorder.js';
import { cpuPerThousand, readCpu } from './process.cpu.js';

export interface LoopOptions {
  readonly concurrency: number;
  readonly warmUpMs: number;
  readonly windowMs: number;
  readonly servers: BenchServers;
  /** Rows that one step writes. Default 1. */
  readonly rowsPerStep?: number;
  readonly helpers?: readonly number[];
}

export interface LoopResult {
  readonly opsPerSecond: number;
  readonly latency: Latencies;
  readonly cpu: CpuPerThousand;
  readonly failed: number;
  readonly rows: number;
  readonly begunAt: number;
}

const MAX_TOLD = 3;

/** `step(caller)` again and again, by each of `concurrency` callers. Counted is what ends inside the window. */
export async function closedLoop(step: (caller: number) => Promise<void>, options: LoopOptions): Promise<LoopResult> {
  const { concurrency, warmUpMs, windowMs, servers, rowsPerStep = 1, helpers } = options;
  const latencies = new LatencyRecorder();
  let [measuring, stopping, failed] = [false, false, 0];
  const callers = Array.from({ length: concurrency }, async (_, caller) => {
    while (!stopping) {
      const begunAt = performance.now();
      try {
        await step(caller);
        if (measuring) latencies.add(performance.now() - begunAt);
      } catch (error) {
        if (failed++ < MAX_TOLD) console.error((error as Error).message);
      }
    }
  });
  await sleep(warmUpMs);
  const cpuBefore = readCpu(servers, helpers);
  const begunAt = performance.now();
  measuring = true;
  await sleep(windowMs);
  measuring = false;
  const elapsedMs = performance.now() - begunAt;
  const cpuAfter = readCpu(servers, helpers);
  stopping = true;
  await Promise.all(callers);
  const rows = latencies.count * rowsPerStep;
  return {
    opsPerSecond: (rows * 1_000) / elapsedMs,
    latency: latencies.summary(),
    cpu: cpuPerThousand(cpuBefore, cpuAfter, rows),
    failed,
    rows,
    begunAt,
  };
}
