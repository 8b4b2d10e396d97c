import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FromWorker, ToWorker, WorkerOptions } from './worker.messages.js';

const PROGRAM = fileURLToPath(new URL('./worker.process.js', import.meta.url));
const RESTART_PAUSE_MS = 250;

export type WorkerPlan = Omit<WorkerOptions, 'historyPath' | 'from' | 'life'>;

/** One place in the run for a process: started again whenever it dies before its work is done. */
export class WorkerHandle {
  /** Names of the histories that its lives have written, with their files. */
  readonly histories: { readonly process: string; readonly path: string }[] = [];
  /** Deaths that nobody ordered. */
  unexpectedDeaths = 0;
  finished = false;
  private readonly begunBefore = { operations: 0, writes: 0 };
  private progress = { operations: 0, writes: 0 };
  private child: ChildProcess | undefined;
  private ready = false;
  private stopping = false;
  private killing = false;
  private clockOffsetMs = 0;

  constructor(
    private readonly plan: WorkerPlan,
    private readonly folder: string,
  ) {}

  /** Writes begun in all its lives, as far as it has told. */
  get writes(): number {
    return this.begunBefore.writes + this.progress.writes;
  }

  start(): void {
    const life = this.histories.length;
    const process = `${this.plan.name}.${life}`;
    const historyPath = join(this.folder, `${process}.history.jsonl`);
    closeSync(openSync(historyPath, 'a'));
    this.histories.push({ process, path: historyPath });
    const options: WorkerOptions = {
      ...this.plan,
      historyPath,
      life,
      from: this.begunBefore.operations,
      writes: Math.max(0, this.plan.writes - this.begunBefore.writes),
    };
    const log = openSync(join(this.folder, `${process}.log`), 'a');
    this.ready = false;
    const child = fork(PROGRAM, [JSON.stringify(options)], { stdio: ['ignore', log, log, 'ipc'] });
    closeSync(log);
    this.child = child;
    child.on('message', (message: FromWorker) => this.take(message));
    child.once('exit', () => void this.ended(child));
  }

  /** `kill -9`. It starts again by itself. False when it was not working just then. */
  kill(): boolean {
    if (!this.child || !this.ready || this.finished || this.killing) return false;
    this.killing = true;
    return this.child.kill('SIGKILL');
  }

  clock(offsetMs: number): void {
    this.clockOffsetMs = offsetMs;
    this.tell({ kind: 'clock', offsetMs });
  }

  /** Lets it end its operations and go. After `timeoutMs` it is killed. */
  async stop(timeoutMs: number): Promise<void> {
    this.stopping = true;
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    this.tell({ kind: 'stop' });
    const late = new AbortController();
    await Promise.race([
      ended,
      sleep(timeoutMs, undefined, { signal: late.signal })
        .then(() => child.kill('SIGKILL'))
        .catch(() => undefined),
    ]);
    late.abort();
    await ended;
  }

  private tell(message: ToWorker): void {
    if (this.child?.connected) this.child.send(message, () => undefined);
  }

  private take(message: FromWorker): void {
    if (message.kind === 'ready') {
      this.ready = true;
      if (this.clockOffsetMs !== 0) this.clock(this.clockOffsetMs);
    } else if (message.kind === 'progress') {
      this.progress = { operations: message.operations, writes: message.writes };
    } else {
      this.finished = true;
    }
  }

  private async ended(child: ChildProcess): Promise<void> {
    if (child !== this.child) return;
    this.begunBefore.operations += this.progress.operations;
    this.begunBefore.writes += this.progress.writes;
    this.progress = { operations: 0, writes: 0 };
    if (!this.killing && !this.stopping) this.unexpectedDeaths++;
    this.killing = false;
    await sleep(RESTART_PAUSE_MS);
    if (!this.stopping) this.start();
  }
}
