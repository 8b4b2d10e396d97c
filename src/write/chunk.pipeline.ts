import type { ObjectLiteral } from 'typeorm';
import { InvalidOptionsError } from '../errors.js';
import type { ChunkWriter } from './chunk.writer.js';
import type { WriteOutcome } from './writer.js';

export const DEFAULT_CHUNK = 500;
export const MAX_CHUNK = 1_000;
/** Chunks that are still being indexed, flipped and told of while the next one is prepared. More of them gained nothing. */
const MAX_BEHIND = 3;

/** Throws `InvalidOptionsError`. */
export function checkedChunkSize(chunkSize: number = DEFAULT_CHUNK): number {
  if (Number.isInteger(chunkSize) && chunkSize >= 1 && chunkSize <= MAX_CHUNK) return chunkSize;
  throw new InvalidOptionsError(`chunkSize must be 1 … ${MAX_CHUNK}, not ${String(chunkSize)}.`, { chunkSize });
}

/**
 * Keeps a few chunks under way: one is prepared while those before it are indexed and flipped. Chunks are prepared, and
 * told of, in their order.
 */
export class ChunkPipeline<Entity extends ObjectLiteral> {
  private readonly links: Promise<void>[] = [];
  private last: Promise<void> = Promise.resolve();
  private failure: { readonly error: unknown } | undefined;

  /** `told` gets each chunk's outcomes, or what the chunk as a whole threw; the next chunk's wait until it is done. */
  constructor(
    private readonly writer: ChunkWriter,
    private readonly told: (chunk: readonly Entity[], outcomes: WriteOutcome<Entity>[] | Error) => Promise<void> | void,
  ) {}

  /**
   * Begins a chunk; resolves once the next may begin. Never throws.
   * `alone`: only when everything before is told, because a row of the next may be a row of this one.
   */
  async push(chunk: readonly Entity[], alone = false): Promise<void> {
    await new Promise<void>((wholeIsPrepared) => {
      const written = this.writer.write(chunk, wholeIsPrepared).catch((error: unknown) => error as Error);
      void written.then(() => wholeIsPrepared());
      this.last = this.last.then(() => this.tell(chunk, written));
      this.links.push(this.last);
    });
    const most = alone ? 0 : MAX_BEHIND;
    while (this.links.length > most) await this.links.shift();
  }

  /** Waits until every chunk is told of. Throws what `told` threw first. */
  async drain(): Promise<void> {
    await this.last;
    if (this.failure) throw this.failure.error;
  }

  private async tell(chunk: readonly Entity[], written: Promise<WriteOutcome<Entity>[] | Error>): Promise<void> {
    const outcomes = await written;
    try {
      await this.told(chunk, outcomes);
    } catch (error) {
      this.failure ??= { error };
    }
  }
}
