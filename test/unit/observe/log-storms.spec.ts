import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import { ConsistentModule } from '../../../src/consistent.module.js';
import { resolveOptions } from '../../../src/consistent.options.js';
import { SweeperJob } from '../../../src/settle/sweeper.job.js';
import { StatusStream } from '../../../src/status/status.stream.js';
import { VerificationJob } from '../../../src/verify/verification.job.js';

const BURST = 5;
const WINDOW_MS = 10_000;
const OPTIONS = resolveOptions({
  elasticsearch: { node: 'http://127.0.0.1:9' },
  sweeper: { intervalMs: 100 },
  verification: { intervalMs: 1_000 },
});

/** What repeats itself may not fill the log: of each template five lines in ten seconds, and one that counts the rest. */
describe('storms of what runs by itself', () => {
  let lines: { level: string; message: string; context: unknown }[];

  beforeEach(() => {
    jest.useFakeTimers({ doNotFake: ['nextTick'] });
    lines = [];
    const record =
      (level: string) =>
      (...given: unknown[]): void =>
        void lines.push({ level, message: String(given[0]), context: given.at(-1) });
    Logger.overrideLogger({ log: record('log'), warn: record('warn'), error: record('error') });
  });
  afterEach(() => {
    jest.useRealTimers();
    Logger.overrideLogger(undefined as never);
  });

  /** `times` messages of one template in the first window, then one line that counts those that were held back. */
  async function expectStorm(context: string, level: string, said: string, times: number): Promise<void> {
    expect(times).toBeGreaterThan(BURST + 1);
    expect(lines.map((line) => [line.context, line.level])).toEqual(Array(BURST).fill([context, level]));
    for (const { message } of lines) expect(message).toContain(said);
    await jest.advanceTimersByTimeAsync(WINDOW_MS);
    expect(lines).toHaveLength(BURST + 1);
    const held = times - BURST;
    expect(lines.at(-1)!.message).toBe(`${lines[0]!.message} … and ${held - 1} more in the last 10 s`);
  }

  it('the sweeper', async () => {
    let runs = 0;
    const sweepInTurn = () => {
      runs++;
      return Promise.reject(new Error('no store'));
    };
    const job = new SweeperJob({ sweepInTurn } as never, OPTIONS.sweeper, new SchedulerRegistry());
    job.start();
    await jest.advanceTimersByTimeAsync(5_000);
    await job.stop();
    await expectStorm('ConsistentSweeper', 'error', 'the sweeper failed: no store', runs);
  });

  it('verification: failures, and differences that nobody mends', async () => {
    let runs = 0;
    const context = { binding: { name: 'Film' } };
    const counts = { missing: 1, stale: 0, foreign: 0, orphaned: 0, repaired: 0, failed: 0, unchecked: 0 };
    const jobWith = (verifyUnlessRecent: () => Promise<unknown>) =>
      new VerificationJob(
        { all: () => [context], verifier: { verifyUnlessRecent } } as never,
        OPTIONS.verification,
        new SchedulerRegistry(),
      );
    for (const [answer, level, said] of [
      [() => Promise.reject(new Error('no store')), 'error', 'Film: the verification failed: no store'],
      [() => Promise.resolve({ ...counts, consistent: false }), 'warn', 'Film: 1 missing'],
    ] as const) {
      [runs, lines] = [0, []];
      const job = jobWith(() => {
        runs++;
        return answer();
      });
      job.start();
      await jest.advanceTimersByTimeAsync(9_500);
      await job.stop();
      await expectStorm('ConsistentVerification', level, said, runs);
    }
  });

  it("the status page's stream", async () => {
    let runs = 0;
    const view = () => {
      runs++;
      return Promise.reject(new Error('no view'));
    };
    const stream = new StatusStream(view, {
      maxClients: 1,
      intervalMs: 250,
      heartbeatMs: 15_000,
    });
    const response = Object.assign(new EventEmitter(), {
      writeHead: () => undefined,
      write: () => true,
      end: () => undefined,
    });
    stream.open(response as never, () => undefined);
    await jest.advanceTimersByTimeAsync(5_000);
    stream.beforeApplicationShutdown();
    await expectStorm('ConsistentStatus', 'error', 'the report could not be made: no view', runs);
  });

  it('the module itself, as it shuts down', async () => {
    const provider = ConsistentModule.forRoot({ elasticsearch: OPTIONS.elasticsearch }).providers!.find(
      (each) => typeof each === 'object' && (each.provide as { name?: string }).name === 'ConsistentLifecycle',
    ) as { useFactory: (...parts: unknown[]) => { beforeApplicationShutdown(): Promise<void> } };
    const known: Record<string, unknown> = { options: OPTIONS, writer: { drain: async () => false } };
    const closes = { close: async () => undefined };
    // Whatever else it ends.
    const registry = new Proxy(known, { get: (parts, name: string) => parts[name] ?? closes });
    const lifecycle = provider.useFactory(registry, {}, {}, undefined);
    for (let times = 0; times < 20; times++) await lifecycle.beforeApplicationShutdown();
    await expectStorm('ConsistentModule', 'warn', 'writes were still under way', 20);
  });
});
