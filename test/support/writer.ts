import { ChildProgram } from './child.program.js';
import type { Faulty } from './faulty.js';
import type { WriterCommand, WriterSettings } from './writer.process.js';

const PROGRAM = new URL('./writer.process.ts', import.meta.url);

/** A writer in a process of its own, whose requests to both stores go through the proxies of `faulty`. */
export class WriterProcess {
  private readonly reports: { done: string; code?: string }[] = [];

  private constructor(private readonly child: ChildProgram) {
    child.onReport<{ done: string }>((report) => this.reports.push(report));
  }

  static async start(faulty: Faulty): Promise<WriterProcess> {
    const settings: WriterSettings = {
      connection: { ...faulty.stores.database.connection, host: '127.0.0.1', port: faulty.mysql.port },
      elasticsearchNode: faulty.elasticsearch.url,
      index: faulty.stores.index('products'),
      module: { writeTimeoutMs: 30_000, deadlineMs: 60_000 },
    };
    const child = new ChildProgram(PROGRAM, settings);
    const writer = new WriterProcess(child);
    await child.ready();
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
  kill(): Promise<void> {
    return this.child.kill();
  }
}
