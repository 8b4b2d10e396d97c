import { setTimeout as sleep } from 'node:timers/promises';

export interface StartupRetry {
  /** How long it is tried again, in milliseconds. */
  readonly timeoutMs: number;
  /** Whether another try would end the same. */
  readonly isFinal: (error: unknown) => boolean;
  readonly onRetry: (error: Error) => void;
}

const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 2_000;

/** Repeats a step of the start that a store which is still starting, or a broken connection, has kept from ending. */
export async function retryAtStartup<T>(step: () => Promise<T>, retry: StartupRetry): Promise<T> {
  const until = performance.now() + retry.timeoutMs;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS)) {
    try {
      return await step();
    } catch (error) {
      if (retry.isFinal(error) || performance.now() + pauseMs > until) throw error;
      retry.onRetry(error as Error);
      await sleep(pauseMs);
    }
  }
}
