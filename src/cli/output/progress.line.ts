import cliProgress from 'cli-progress';
import type { VerifyProgress } from '../../verify/verify.types.js';

const DEFAULT_WIDTH = 80;
/** Characters of phase, figures and brackets for a table of ten million rows. */
const LONGEST_FACTS = 56;
const LEAST_BAR = 5;
const MOST_BAR = 40;

/** A bar on stderr, where that is a terminal. Else nothing: logs are no place for bars. */
export class ProgressLine {
  private readonly bar: cliProgress.SingleBar | null;
  private phase: string | null = null;

  constructor(
    private readonly what: string,
    shown: boolean,
  ) {
    const format = '{what} {phase} [{bar}] {value}/{total} {speed}/s, {different} different';
    // What stands behind the bar is cut off where the line is too long.
    const room = (process.stderr.columns || DEFAULT_WIDTH) - what.length - LONGEST_FACTS;
    const barsize = Math.min(MOST_BAR, Math.max(LEAST_BAR, room));
    this.bar =
      shown && process.stderr.isTTY
        ? new cliProgress.SingleBar({
            format,
            barsize,
            stream: process.stderr,
            hideCursor: true,
            clearOnComplete: true,
          })
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
