/** Bytes that are not what they should be. By name: Node's own reading of buffers throws it too, maybe of another realm. */
export const isRangeError = (error: unknown): boolean => (error as Error | undefined)?.name === 'RangeError';

/** Reads MySQL's little-endian wire formats from a piece of a buffer. Throws `RangeError` past the end. */
export class LogBytes {
  constructor(
    public buffer: Buffer,
    public at: number,
    public end: number,
  ) {}

  /** Reads another piece from now on: one for each event would be most of what there is to collect. */
  of(buffer: Buffer, at: number, end: number): this {
    this.buffer = buffer;
    this.at = at;
    this.end = end;
    return this;
  }

  get left(): number {
    return this.end - this.at;
  }

  /** Moves on by `count` bytes; where they begin. */
  skip(count: number): number {
    const start = this.at;
    const next = start + count;
    if (count < 0 || next > this.end) throw new RangeError(`${count} bytes wanted, ${this.end - start} left`);
    this.at = next;
    return start;
  }

  u8(): number {
    return this.buffer[this.skip(1)]!;
  }

  u16(): number {
    return this.buffer.readUInt16LE(this.skip(2));
  }

  u24(): number {
    return this.buffer.readUIntLE(this.skip(3), 3);
  }

  u32(): number {
    return this.buffer.readUInt32LE(this.skip(4));
  }

  u48(): number {
    return this.buffer.readUIntLE(this.skip(6), 6);
  }

  u64(): bigint {
    return this.buffer.readBigUInt64LE(this.skip(8));
  }

  /** Of eight bytes, as a number where that is exact. */
  uint64(): number | bigint {
    const at = this.skip(8);
    const value = this.buffer.readUInt32LE(at + 4) * 2 ** 32 + this.buffer.readUInt32LE(at);
    return Number.isSafeInteger(value) ? value : this.buffer.readBigUInt64LE(at);
  }

  /** An unsigned number of 1 to 6 bytes. */
  uint(size: number): number {
    return size === 1 ? this.u8() : this.buffer.readUIntLE(this.skip(size), size);
  }

  /** MySQL's length-encoded integer. */
  lengthCoded(): number {
    const first = this.u8();
    if (first < 251) return first;
    if (first === 252) return this.u16();
    if (first === 253) return this.u24();
    if (first === 254) return Number(this.u64());
    throw new RangeError(`${first} does not begin a length-coded number`);
  }

  /** A view, not a copy. */
  bytes(count: number): Buffer {
    const start = this.skip(count);
    return this.buffer.subarray(start, start + count);
  }

  text(count: number): string {
    const start = this.skip(count);
    return this.buffer.toString('utf8', start, start + count);
  }
}
