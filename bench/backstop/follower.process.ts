import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { FollowerSpec } from './drain.types.js';
import type { Command } from './follower.programs.js';

/** What a follower prints: `MARK start|first|done <ms since 1970> <rows>`. */
export interface Mark {
  readonly atMs: number;
  readonly rows: number;
}

/** A running follower. It says when it began to read and when it was done, and then waits to be killed. */
export class FollowerProcess {
  private readonly marks = new Map<string, Mark>();
  private readonly waiting = new Map<string, (mark: Mark) => void>();
  private failed: ((error: Error) => void) | undefined;
  private readonly child: ChildProcess;

  constructor(
    { file, args }: Command,
    private readonly spec: FollowerSpec,
  ) {
    const { servers, backlog, rows, index } = spec;
    const { hostname, port } = new URL(servers.mysqlUrl);
    const { file: logFile, position, gtidSetBefore } = backlog;
    this.child = spawn(file, args, {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...process.env,
        MYSQL_HOST: hostname,
        MYSQL_PORT: port,
        DATABASE: backlog.database,
        ELASTICSEARCH_URL: servers.elasticsearchUrl.replace(/\/$/, ''),
        INDEX: index,
        BINLOG_FILE: logFile,
        BINLOG_POSITION: String(position),
        GTID_SET: gtidSetBefore,
        GTID_SET_END: backlog.gtidSetAfter,
        ROWS: String(rows),
      },
    });
    createInterface({ input: this.child.stdout! }).on('line', (line) => this.read(line));
    this.child.on('exit', (code, signal) => {
      this.failed?.(new Error(`${spec.follower} ended by itself with ${code ?? signal}`));
    });
  }

  /** Waits for a mark. Rejects when the process ends before. */
  when(name: string): Promise<Mark> {
    const known = this.marks.get(name);
    if (known) return Promise.resolve(known);
    return new Promise((resolve, reject) => {
      this.waiting.set(name, resolve);
      this.failed = reject;
    });
  }

  /** The most memory it ever held, in MB. */
  peakRssMb(): number {
    const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8');
    return Number(/VmHWM:\s+(\d+) kB/.exec(status)![1]) / 1_024;
  }

  get pid(): number {
    return this.child.pid!;
  }

  async kill(): Promise<void> {
    this.failed = undefined;
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await ended;
  }

  private read(line: string): void {
    const [word, name, atMs, rows] = line.split(' ');
    if (word !== 'MARK') {
      console.error(`${this.spec.follower}: ${line}`);
      return;
    }
    const mark = { atMs: Number(atMs), rows: Number(rows) };
    this.marks.set(name!, mark);
    this.waiting.get(name!)?.(mark);
  }
}
