import type { BinlogCoordinates } from '../../src/binlog/binlog.types.js';
import { ChildProgram } from './child.program.js';
import type { LeaderReport, LeaderSettings } from './leader.process.js';

const PROGRAM = new URL('./leader.process.ts', import.meta.url);

/** An instance in a process of its own that competes for the leadership. */
export class LeaderProcess {
  private readonly reports: LeaderReport[] = [];
  private readonly waiting = new Set<() => void>();

  private constructor(private readonly child: ChildProgram) {
    child.onReport<LeaderReport>((report) => {
      this.reports.push(report);
      for (const look of this.waiting) look();
    });
  }

  /** Resolves when it has begun to compete. */
  static async start(settings: LeaderSettings): Promise<LeaderProcess> {
    const child = new ChildProgram(PROGRAM, settings);
    const leader = new LeaderProcess(child);
    await child.ready();
    return leader;
  }

  /** Resolves with the epoch once it leads. */
  async leads(): Promise<number> {
    return (await this.reported('leads')).leads;
  }

  /** Resolves with the error's code once it knows that it no longer leads. */
  async lost(): Promise<string> {
    return (await this.reported('lost')).lost;
  }

  get isLeading(): boolean {
    return this.reports.some((report) => 'leads' in report) && !this.reports.some((report) => 'lost' in report);
  }

  /** Saves as a leader does. Resolves with null, or with the code of the refusal. */
  async save(at: BinlogCoordinates): Promise<string | null> {
    this.child.send(at);
    return (await this.reported('saved')).saved;
  }

  /** SIGKILL ends it, SIGSTOP freezes it, SIGCONT thaws it. */
  signal(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void {
    this.child.signal(signal);
  }

  /** Resolves when the process is gone. */
  kill(): Promise<void> {
    return this.child.kill();
  }

  private reported<K extends string>(key: K): Promise<Extract<LeaderReport, Record<K, unknown>>> {
    return new Promise((resolve) => {
      const look = (): void => {
        const index = this.reports.findIndex((report) => key in report);
        if (index < 0) return;
        this.waiting.delete(look);
        const report = this.reports[index] as Extract<LeaderReport, Record<K, unknown>>;
        if (key === 'saved') this.reports.splice(index, 1);
        resolve(report);
      };
      this.waiting.add(look);
      look();
    });
  }
}
