import { stdout } from 'node:process';

const BAR_WIDTH = 40;
const LINE_EVERY_MS = 2_000;

/** On a terminal one bar that moves, elsewhere a line now and then. */
export class ProgressBar {
  private saidAt = performance.now();

  constructor(
    private readonly what: string,
    private readonly total: number,
  ) {}

  show(done: number): void {
    const text = `${String(done).padStart(String(this.total).length)} of ${this.total} ${this.what}`;
    if (stdout.isTTY) {
      const filled = Math.round((BAR_WIDTH * done) / this.total);
      stdout.write(`\r  ${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)} ${text}\u001B[K`);
    } else if (performance.now() - this.saidAt >= LINE_EVERY_MS) {
      this.saidAt = performance.now();
      stdout.write(`  ${text}\n`);
    }
  }

  /** Takes the bar away. */
  end(): void {
    if (stdout.isTTY) stdout.write('\r\u001B[K');
  }
}
