import { InvalidOptionsError, UnsupportedOperationError } from '../errors.js';
import { MAX_CHUNK_BYTES } from './row.size.js';

export type ImportSource<Given> = Iterable<Given> | AsyncIterable<Given>;

/** A source that gives nothing for so long sends off what it gave before: rows do not wait for a chunk to be full. */
const MAX_SILENCE_MS = 100;

/**
 * Takes rows from an iterable or async iterable, a chunk at a time, and never one more than the chunk needs. A source
 * that hangs keeps nobody: `stop` ends the waiting at once.
 */
export class ImportSourceReader<Given> {
  read = 0;
  private readonly iterator: Iterator<Given> | AsyncIterator<Given>;
  /** Asked for, and not there yet. */
  private asked = false;
  private arrived: IteratorResult<Given> | undefined;
  private broken: { readonly error: unknown } | undefined;
  private ended = false;
  private stopped = false;
  private last: Given | undefined;
  private wake: () => void = () => undefined;

  constructor(
    source: ImportSource<Given>,
    private readonly chunkSize: number,
    private readonly sizeOf: (row: Given) => number,
  ) {
    this.iterator = iteratorOf(source);
  }

  /** The next rows; none at the end, and after `stop`. Throws what the source throws, once the rows before it are taken. */
  async take(): Promise<Given[]> {
    const chunk: Given[] = [];
    let bytes = 0;
    while (chunk.length < this.chunkSize) {
      if (!this.arrived && !this.broken && !this.ended) await this.ask(chunk.length > 0);
      if (this.stopped || !this.arrived) break;
      if (this.arrived.done) {
        this.ended = true;
        break;
      }
      if (this.isReused(this.arrived.value)) throw this.reused(chunk);
      bytes += this.sizeOf(this.arrived.value);
      if (bytes > MAX_CHUNK_BYTES && chunk.length > 0) break;
      chunk.push(this.arrived.value);
      this.last = this.arrived.value;
      this.arrived = undefined;
      this.read++;
    }
    if (chunk.length === 0 && this.broken && !this.stopped) throw this.broken.error;
    return this.stopped ? this.dropped(chunk) : chunk;
  }

  /** No more rows, and no more waiting for any. */
  stop(): void {
    this.stopped = true;
    this.wake();
  }

  /** Lets the source clean up after itself where it was not taken to its end. One that hangs is not waited for. */
  async close(): Promise<void> {
    this.stop();
    if (this.ended || this.broken) return;
    const closed = this.asked ? Promise.resolve(this.iterator.return?.()) : this.iterator.return?.();
    if (this.asked) void (closed as Promise<unknown>).catch(() => undefined);
    else await closed;
  }

  /** Rows that were taken and not given on were never read, as far as the import's counts go. */
  private dropped(chunk: readonly Given[]): Given[] {
    this.read -= chunk.length;
    return [];
  }

  private isReused(row: Given): boolean {
    return row === this.last && typeof row === 'object' && row !== null;
  }

  /** The rows of the chunk may be what the last one made of them. */
  private reused(chunk: readonly Given[]): UnsupportedOperationError {
    this.dropped(chunk);
    return new UnsupportedOperationError(
      `The source gave the same object twice in a row, at position ${this.read + chunk.length}. Rows are written some time after they ` +
        'were taken, so each must be an object of its own: make a new one for each row.',
    );
  }

  private async ask(mayLeave: boolean): Promise<void> {
    if (!this.asked) {
      const next = this.next();
      if (!next) return;
      this.asked = true;
      void next
        .then(
          (result) => {
            this.arrived = result;
          },
          (error: unknown) => {
            this.broken = { error };
          },
        )
        .then(() => {
          this.asked = false;
          this.wake();
        });
    }
    await this.waitForRow(mayLeave);
  }

  /** One promise for each wait: racing with a signal that lives as long as the import would leak one for each row. */
  private async waitForRow(mayLeave: boolean): Promise<void> {
    if (this.stopped) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.wake = resolve;
      if (mayLeave) timer = setTimeout(resolve, MAX_SILENCE_MS);
    });
    clearTimeout(timer);
  }

  /** Undefined where a synchronous source has answered already. */
  private next(): Promise<IteratorResult<Given>> | undefined {
    try {
      const answer = this.iterator.next();
      if (isPromise(answer)) return answer;
      this.arrived = answer;
    } catch (error) {
      this.broken = { error };
    }
    return undefined;
  }
}

function isPromise<T>(value: T | PromiseLike<T>): value is Promise<T> {
  return typeof (value as { then?: unknown } | null)?.then === 'function';
}

function iteratorOf<Given>(source: ImportSource<Given>): Iterator<Given> | AsyncIterator<Given> {
  const given = source as Partial<Iterable<Given> & AsyncIterable<Given>> | null | undefined;
  if (typeof given === 'object' && given !== null) {
    const iterator = given[Symbol.asyncIterator]?.() ?? given[Symbol.iterator]?.();
    if (iterator) return iterator;
  }
  throw new InvalidOptionsError(
    'import() takes rows from an array, a generator, a stream of objects, or any other iterable or async iterable.',
  );
}
