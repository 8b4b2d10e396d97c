import { isUtf8 } from 'node:buffer';
import { EncodedLines } from '../elasticsearch/bulk.codec.js';
import { Slab, SlabPool } from './slab.pool.js';

/** Lines stand one after the other in pieces of memory of this size: a bulk of neighbours is sent as it stands there. */
export const SLAB_BYTES = 1_024 * 1_024;
/** Kept for the lines to come. */
const MAX_FREE_SLABS = 4;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SPACE = 0x20;
const DIGIT_0 = 0x30;
/** Of one UTF-16 unit as UTF-8. */
const MAX_UNIT_BYTES = 3;
/** Below, a loop is quicker than a call of the runtime. */
const SHORT = 24;
const NONE = Buffer.alloc(0);

/** What stands in a JSON string as it is: ASCII but for control characters, the quote and the backslash. */
const PLAIN = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= SPACE && byte < 0x80 && byte !== QUOTE && byte !== BACKSLASH ? 1 : 0,
);

/** Lines that were written. Whoever has no more use for them may `release` them, once: then their memory is written anew. */
export class WrittenLines extends EncodedLines {
  constructor(
    private readonly pool: SlabPool | null,
    private readonly slab: Slab,
    start: number,
    end: number,
  ) {
    super(slab.buffer, start, end);
  }

  /**
   * Only where no request with them can still be on its way: it would send what comes to stand there. Lines that are never released are
   * left to the garbage collector, with all that stands beside them.
   */
  release(): void {
    this.pool?.release(this.slab);
  }

  /** In memory of their own, where they hold nobody else's. */
  alone(): WrittenLines {
    if (this.end - this.start === this.buffer.length) return this;
    const own = Buffer.from(this.buffer.subarray(this.start, this.end));
    return new WrittenLines(null, new Slab(own), 0, own.length);
  }
}

/**
 * Writes text as UTF-8 bytes, outside of JavaScript's heap: what waits there is neither copied nor looked at by its garbage collector.
 * What `end` has given stays as it is until it is released.
 */
export class LineWriter {
  private current = new Slab(NONE);
  /** The current one's. */
  private slab: Buffer = NONE;
  private start = 0;
  private at = 0;
  private readonly pool = new SlabPool(SLAB_BYTES, MAX_FREE_SLABS);

  /** Everything since the last `end` or `drop`. */
  end(): WrittenLines {
    const { current, start, at } = this;
    this.start = at;
    current.used += 1;
    const lines = new WrittenLines(this.pool, current, start, at);
    if (this.slab.length <= SLAB_BYTES) return lines;
    // Grown for this one alone: the memory that it did not need is not kept with it.
    this.use(new Slab(NONE));
    return lines.alone();
  }

  /** Forgets what was written since the last `end`. */
  drop(): void {
    this.rewind(0);
  }

  /** Forgets all but so many bytes since the last `end`. */
  rewind(length: number): void {
    this.at = this.start + length;
    if (length === 0 && this.slab.length > SLAB_BYTES) this.use(new Slab(NONE));
  }

  /** What was written after so many bytes since the last `end`. */
  textFrom(length: number): string {
    return this.slab.toString('utf8', this.start + length, this.at);
  }

  /** Bytes since the last `end`. */
  get length(): number {
    return this.at - this.start;
  }

  /** These bytes as they are. */
  bytes(bytes: Uint8Array): void {
    const { length } = bytes;
    this.need(length);
    const { slab, at } = this;
    if (length > SHORT) slab.set(bytes, at);
    else for (let index = 0; index < length; index += 1) slab[at + index] = bytes[index]!;
    this.at = at + length;
  }

  /** A text as it is. */
  text(text: string): void {
    const { length } = text;
    this.need(length * MAX_UNIT_BYTES);
    const { slab } = this;
    let { at } = this;
    if (length <= SHORT) {
      let index = 0;
      for (let code = 0; index < length && (code = text.charCodeAt(index)) < 0x80; index += 1) slab[at + index] = code;
      if (index === length) {
        this.at = at + length;
        return;
      }
    }
    at += slab.write(text, at);
    this.at = at;
  }

  /** Digits of an integer that is exact. */
  integer(value: number): void {
    if (value < 0 || value > 0x7fffffff) {
      this.text(String(value));
      return;
    }
    let count = 1;
    for (let limit = 10; count < 10 && value >= limit; limit *= 10) count += 1;
    this.digits(value, count);
  }

  /** So many digits, with zeros before them. `value` has no more, and is below 2^31. */
  digits(value: number, count: number): void {
    this.need(count);
    const { slab, at } = this;
    let rest = value | 0;
    for (let index = at + count - 1; index >= at; index -= 1) {
      const tenth = (rest / 10) | 0;
      slab[index] = DIGIT_0 + rest - tenth * 10;
      rest = tenth;
    }
    this.at = at + count;
  }

  byte(byte: number): void {
    this.need(1);
    this.slab[this.at] = byte;
    this.at += 1;
  }

  /** A JSON string of UTF-8 bytes: what `JSON.stringify` makes of their text. */
  quoted(source: Buffer, from: number, to: number): void {
    this.need(to - from + 2);
    const { slab } = this;
    let { at } = this;
    slab[at] = QUOTE;
    at += 1;
    for (let index = from; index < to; index += 1) {
      const byte = source[index]!;
      if (PLAIN[byte] === 0) {
        this.special(source, from, to);
        return;
      }
      slab[at] = byte;
      at += 1;
    }
    slab[at] = QUOTE;
    this.at = at + 1;
  }

  /** With something in it that is not plain: mostly letters beyond ASCII, which stand as they are. */
  private special(source: Buffer, from: number, to: number): void {
    const whole = source.subarray(from, to);
    let escapes = false;
    for (let index = 0; index < whole.length && !escapes; index += 1) {
      const byte = whole[index]!;
      escapes = byte < SPACE || byte === QUOTE || byte === BACKSLASH;
    }
    if (escapes || !isUtf8(whole)) {
      this.text(JSON.stringify(whole.toString('utf8')));
      return;
    }
    this.byte(QUOTE);
    this.bytes(whole);
    this.byte(QUOTE);
  }

  private need(count: number): void {
    if (this.at + count > this.slab.length) this.grow(count);
  }

  private grow(count: number): void {
    const { slab: before, start, at } = this;
    const size = at - start + count;
    // What has outgrown a slab doubles, so that it is copied seldom.
    this.use(size > SLAB_BYTES ? new Slab(Buffer.allocUnsafeSlow(2 * size)) : this.pool.take());
    before.copy(this.slab, 0, start, at);
    this.at = at - start;
  }

  private use(slab: Slab): void {
    const { current } = this;
    this.current = slab;
    this.slab = slab.buffer;
    this.start = this.at = 0;
    this.pool.close(current);
  }
}

const SCRATCH = new LineWriter();

/** What is written, as a text. May be used within itself. */
export function textOf(write: (out: LineWriter) => void): string {
  const { length } = SCRATCH;
  try {
    write(SCRATCH);
    return SCRATCH.textFrom(length);
  } finally {
    SCRATCH.rewind(length);
  }
}
