import { Worker } from 'node:worker_threads';
import type { FromWorker } from './explore.worker.js';
import type { Exploration } from './explorer.js';

const WORKERS = 2;
/** The largest scenario stays far below. */
const MAX_HEAP_MB = 5_000;
const PROGRESS_MS = 5_000;

/** What one pass over the scenarios reports while it runs. */
export interface PoolReport {
  readonly done: (place: number, result: Exploration, tookMs: number) => void;
  /** States so far, of the scenarios that are done and of those under way. */
  readonly progress: (states: number, open: number) => void;
}

/** Explores the first `count` scenarios of `LONG`, two at a time; the last ones, which are the largest, first. */
export async function exploreAll(count: number, report: PoolReport): Promise<Exploration[]> {
  const results: Exploration[] = [];
  const under = new Map<number, number>();
  const places = Array.from({ length: count }, (_, place) => place);
  let done = 0;
  const states = (): number => [...under.values()].reduce((sum, one) => sum + one, done);
  const timer = setInterval(() => report.progress(states(), places.length + under.size), PROGRESS_MS);
  const work = async (): Promise<void> => {
    const worker = new Worker(new URL('./explore.worker.js', import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
    });
    try {
      for (let place = places.pop(); place !== undefined; place = places.pop()) {
        const current = place;
        const begun = performance.now();
        under.set(current, 0);
        const result = await exploreOne(worker, current, (so) => under.set(current, so));
        under.delete(current);
        results[current] = result;
        done += result.states;
        report.done(current, result, performance.now() - begun);
      }
    } finally {
      await worker.terminate();
    }
  };
  try {
    await Promise.all(Array.from({ length: WORKERS }, work));
  } finally {
    clearInterval(timer);
  }
  return results;
}

function exploreOne(worker: Worker, place: number, progress: (states: number) => void): Promise<Exploration> {
  return new Promise((resolve, reject) => {
    worker.removeAllListeners();
    worker.on('error', reject);
    worker.on('exit', (code) => reject(new Error(`the exploring thread ended (${code})`)));
    worker.on('message', (message: FromWorker) => {
      if ('states' in message) progress(message.states);
      else {
        worker.removeAllListeners();
        resolve(message.result);
      }
    });
    worker.postMessage(place);
  });
}
