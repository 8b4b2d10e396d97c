import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { until } from '../../support/faulty.js';
import type { BackstopProcessSettings } from './backstop.process.js';

const LOADER = new URL('../../support/typescript.loader.mjs', import.meta.url).href;
const PROGRAM = fileURLToPath(new URL('./backstop.process.ts', import.meta.url));

/** An application with a backstop in a process of its own, seen from its parent. */
export class BackstopProcess {
  readonly states: string[] = [];

  constructor(
    settings: BackstopProcessSettings,
    private readonly child: ChildProcess = fork(PROGRAM, [], {
      execArgv: ['--import', LOADER],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    }),
  ) {
    child.on('message', (message) => this.states.push((message as { state: string }).state));
    child.send(settings);
  }

  async leads(): Promise<void> {
    await until('the process leads', () => this.states.includes('leading'));
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await gone;
  }
}
