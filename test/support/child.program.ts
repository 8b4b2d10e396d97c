import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** `node --import LOADER file.ts` runs a source as Jest does. */
export const LOADER = new URL('./typescript.loader.mjs', import.meta.url).href;

/** A program of the tests in a process of its own, which is told its settings first. Its output is the test's. */
export class ChildProgram {
  private readonly child: ChildProcess;

  constructor(file: URL, settings: object) {
    // Jest's own flags are not for the child.
    this.child = fork(fileURLToPath(file), [], {
      execArgv: ['--import', LOADER],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.child.send(settings);
  }

  /** Resolves at its first message. Rejects where it ends before that. */
  async ready(): Promise<void> {
    const ended = once(this.child, 'exit').then(() => {
      throw new Error(`${this.child.spawnargs.at(-1)} ended before it was ready`);
    });
    await Promise.race([once(this.child, 'message'), ended]);
    ended.catch(() => undefined);
  }

  /** Told of every message that is an object. */
  onReport<Report>(told: (report: Report) => void): void {
    this.child.on('message', (message) => {
      if (typeof message === 'object') told(message as Report);
    });
  }

  onEnd(told: () => void): void {
    this.child.on('exit', told);
  }

  send(command: object): void {
    this.child.send(command);
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  async ended(): Promise<void> {
    if (!this.hasEnded) await once(this.child, 'exit');
  }

  /** `kill -9`. Resolves when the process is gone. */
  async kill(): Promise<void> {
    if (this.hasEnded) return;
    const gone = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await gone;
  }
}
