import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Faulty } from './faulty.js';
import type { WriterCommand, WriterSettings } from './writer.process.js';

const LOADER = new URL('./typescript.loader.mjs', import.meta.url).href;
const PROGRAM = fileURLToPath(new URL('./writer.process.ts', import.meta.url));

/** A writer in a process of its own, whose requests to both stores go through the proxies of `faulty`. */
export class WriterProcess {
  private readonly reports: { done: string; code?: string }[] = [];

  private constructor(private readonly child: ChildProcess) {
    child.on('message', (message) => {
      if (typeof message === 'object') this.reports.push(message as { done: string });
    });
  }

  static async start(faulty: Faulty): Promise<WriterProcess> {
    // Jest's own flags are not for the child.
    const child = fork(PROGRAM, [], { execArgv: ['--import', LOADER], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const settings: WriterSettings = {
      connection: { ...faulty.stores.database.connection, host: '127.0.0.1', port: faulty.mysql.port },
      elasticsearchNode: faulty.elasticsearch.url,
      index: faulty.stores.index('products'),
      module: { writeTimeoutMs: 30_000, deadlineMs: 60_000 },
    };
    const writer = new WriterProcess(child);
    child.send(settings);
    const ready = once(child, 'message');
    const ended = once(child, 'exit').then(() => {
      throw new Error('the writer process ended before it was ready');
    });
    await Promise.race([ready, ended]);
    ended.catch(() => undefined);
    return writer;
  }

  /** Begins a write; it is not waited for. */
  begin(command: WriterCommand): void {
    this.child.send(command);
  }

  /** Writes that have ended so far, by their ids. */
  get ended(): readonly { done: string; code?: string }[] {
    return this.reports;
  }

  /** `kill -9`. Resolves when the process is gone. */
  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await gone;
  }
}
