import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FromWorker, ToWorker, WorkerOptions } from './worker.messages.js';

const PROGRAM = fileURLToPath(new URL('./worker.process.js', import.meta.url));
const RESTART_PAUSE_MS = 250;
/** Of a log, in an UnexpectedEnd. */
const MAX_LOG_CHARACTERS = 4_000;

export type WorkerPlan = Omit<WorkerOptions, 'historyPath' | 'from' | 'life'>;

/** A process that ended although nobody told or killed it: a fault of the library or of the harness. */
export interface UnexpectedEnd {
  readonly process: string;
  /** `starting` before its application was up. */
  readonly phase: 'starting' | 'working';
  readonly status: number | string | null;
  /** What it said last. */
  readonly log: string;
}

/** One place in the run for a process: started again whenever it dies before its work is done. */
export class WorkerHandle {
  /** Names of the histories that its lives have written, with their files. */
  readonly histories: { readonly process: string; readonly path: string }[] = [];
  readonly unexpectedEnds: UnexpectedEnd[] = [];
  finished = false;
  /** It did not end its operations when it was told to: some call has no time limit. */
  overdue = false;
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
    const timer = setTimeout(() => {
      this.overdue = timeoutMs > 0;
      child.kill('SIGKILL');
    }, timeoutMs);
    await ended;
    clearTimeout(timer);
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
    const { process } = this.histories.at(-1)!;
    const status = child.exitCode ?? child.signalCode;
    // One that is stopped goes with status 0, or is killed because it takes too long.
    const ordered = this.killing || (this.stopping && (status === 0 || status === 'SIGKILL'));
    if (!ordered) {
      const log = readFileSync(join(this.folder, `${process}.log`), 'utf8').slice(-MAX_LOG_CHARACTERS);
      this.unexpectedEnds.push({ process, phase: this.ready ? 'working' : 'starting', status, log });
    }
    this.killing = false;
    await sleep(RESTART_PAUSE_MS);
    if (!this.stopping) this.start();
  }
}
