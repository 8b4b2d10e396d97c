import cliProgress from 'cli-progress';
import type { ReindexProgress } from '../../reindex/reindex.types.js';

/** A bar on stderr, where that is a terminal. Else nothing. */
export class ReindexLine {
  private readonly bar: cliProgress.SingleBar | null;
  private shown: string | null = null;
  private begunAt = 0;

  constructor(isShown: boolean) {
    const format = '{what} [{bar}] {value}/{total} {speed}/s, {refused} refused';
    this.bar =
      isShown && process.stderr.isTTY
        ? new cliProgress.SingleBar({ format, stream: process.stderr, hideCursor: true, clearOnComplete: true })
        : null;
  }

  update({ step, entity, rows, estimatedRows, refused, seconds }: ReindexProgress): void {
    const { bar } = this;
    if (!bar) return;
    const what = entity ? `${step} ${entity}` : step;
    if (this.shown !== what) this.begunAt = seconds;
    const speed = Math.round(rows / Math.max(seconds - this.begunAt, 0.001));
    // The estimate of InnoDB is often too low.
    const total = Math.max(estimatedRows, rows, 1);
    if (this.shown !== what) bar.start(total, rows, { what, speed, refused });
    else {
      bar.setTotal(total);
      bar.update(rows, { what, speed, refused });
    }
    this.shown = what;
  }

  stop(): void {
    this.bar?.stop();
  }
}
