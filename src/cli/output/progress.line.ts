import cliProgress from 'cli-progress';
import type { VerifyProgress } from '../../verify/verify.types.js';

/** A bar on stderr, where that is a terminal. Else nothing: logs are no place for bars. */
export class ProgressLine {
  private readonly bar: cliProgress.SingleBar | null;
  private phase: string | null = null;

  constructor(
    private readonly what: string,
    shown: boolean,
  ) {
    const format = '{what} {phase} [{bar}] {value}/{total} {speed}/s, {different} different';
    this.bar =
      shown && process.stderr.isTTY
        ? new cliProgress.SingleBar({ format, stream: process.stderr, hideCursor: true, clearOnComplete: true })
        : null;
  }

  update(progress: VerifyProgress): void {
    const { bar, what } = this;
    if (!bar) return;
    const { phase, rows, documents, estimatedRows, seconds, missing, stale, foreign, orphaned } = progress;
    const done = phase === 'rows' ? rows : documents;
    // The estimate of InnoDB is often too low.
    const total = Math.max(estimatedRows, done);
    const speed = Math.round(done / Math.max(seconds, 0.001));
    const facts = { what, phase, speed, different: missing + stale + foreign + orphaned };
    if (this.phase !== phase) bar.start(total, done, facts);
    else {
      bar.setTotal(total);
      bar.update(done, facts);
    }
    this.phase = phase;
  }

  stop(): void {
    this.bar?.stop();
  }
}
