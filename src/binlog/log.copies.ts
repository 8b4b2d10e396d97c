import { LogBytes } from './log.bytes.js';
import { Slab, SlabPool } from './slab.pool.js';

const SLAB_BYTES = 64 * 1024;
/** Kept for what comes: four MiB. */
const MAX_FREE_SLABS = 64;

/** A copy of bytes of the log. Whoever has no more use for it, and for views of it, may `release` it, once. */
export class LogCopy extends LogBytes {
  constructor(
    private readonly pool: SlabPool | null,
    private readonly slab: Slab,
    at: number,
    end: number,
  ) {
    super(slab.buffer, at, end);
  }

  release(): void {
    this.pool?.release(this.slab);
  }
}

/**
 * Keeps copies of what is only valid for a moment. Small ones stand together in larger pieces of memory: each by itself costs more
 * to make and to free than its bytes.
 */
export class LogCopies {
  private readonly pool = new SlabPool(SLAB_BYTES, MAX_FREE_SLABS);
  private slab = new Slab(Buffer.alloc(0));
  private at = 0;

  /** What is left of these bytes. */
  of({ buffer, at, end, left }: LogBytes): LogCopy {
    if (this.at + left > this.slab.buffer.length) {
      // A large one has its own piece, which goes when it goes.
      if (left > SLAB_BYTES / 4) return new LogCopy(null, new Slab(Buffer.from(buffer.subarray(at, end))), 0, left);
      this.pool.close(this.slab);
      this.slab = this.pool.take();
      this.at = 0;
    }
    const start = this.at;
    buffer.copy(this.slab.buffer, start, at, end);
    this.at += left;
    this.slab.used += 1;
    return new LogCopy(this.pool, this.slab, start, this.at);
  }
}
