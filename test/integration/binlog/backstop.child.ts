import { ChildProgram } from '../../support/child.program.js';
import { until } from '../../support/faulty.js';
import type { BackstopProcessSettings } from './backstop.process.js';

const PROGRAM = new URL('./backstop.process.ts', import.meta.url);

/** An application with a backstop in a process of its own, seen from its parent. */
export class BackstopProcess {
  readonly states: string[] = [];
  private readonly child: ChildProgram;

  constructor(settings: BackstopProcessSettings) {
    this.child = new ChildProgram(PROGRAM, settings);
    this.child.onReport<{ state: string }>(({ state }) => this.states.push(state));
  }

  async leads(): Promise<void> {
    await until('the process leads', () => this.states.includes('leading'));
  }

  kill(): Promise<void> {
    return this.child.kill();
  }
}
