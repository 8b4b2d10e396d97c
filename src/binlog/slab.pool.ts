/** A piece of memory in which several things stand one after the other. */
export class Slab {
  /** Things in it that somebody may still use. */
  used = 0;
  /** More may come. */
  open = true;

  constructor(readonly buffer: Buffer) {}
}

/**
 * Gives pieces of memory out again once nothing in them is used any more: let go each time, they would pile up until the garbage
 * collector's next great round. What is never released is left to it.
 */
export class SlabPool {
  private readonly free: Slab[] = [];

  constructor(
    readonly slabBytes: number,
    private readonly maxFree: number,
  ) {}

  take(): Slab {
    const slab = this.free.pop() ?? new Slab(Buffer.allocUnsafeSlow(this.slabBytes));
    slab.open = true;
    return slab;
  }

  /** Nothing more will come into it. */
  close(slab: Slab): void {
    slab.open = false;
    if (slab.used === 0) this.keep(slab);
  }

  /** One thing in it is not used any more. */
  release(slab: Slab): void {
    slab.used -= 1;
    if (slab.used === 0 && !slab.open) this.keep(slab);
  }

  private keep(slab: Slab): void {
    if (slab.buffer.length === this.slabBytes && this.free.length < this.maxFree) this.free.push(slab);
  }
}
