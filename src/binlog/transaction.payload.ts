import { Decompress } from 'fzstd';
import { isRangeError, LogBytes } from './log.bytes.js';

const END = 0;
const COMPRESSION = 2;
const UNPACKED_SIZE = 3;
const ZSTD = 0;
const NONE = 255;
/** Unpacked bytes, about, between two times that the consumer may ask for a rest. */
const SLICE_BYTES = 256 * 1024;
const MIN_SLICE_BYTES = 16;
const HEADER_BYTES = 19;
const LENGTH_AT = 9;

/**
 * A TRANSACTION_PAYLOAD event: the events of a whole transaction, compressed. Handed on one by one; only a slice is
 * unpacked at a time, and `room` is awaited after each. Throws `RangeError` for what cannot be unpacked.
 */
export async function unpackTransaction(
  body: LogBytes,
  onEvent: (buffer: Buffer, start: number, end: number) => void,
  room: () => Promise<void>,
): Promise<void> {
  const { compression, unpackedBytes } = readFields(body);
  const splitter = new EventSplitter(onEvent);
  if (compression === NONE) {
    for await (const slice of slices(body.bytes(body.left), SLICE_BYTES, room)) splitter.push(slice);
  } else if (compression === ZSTD) {
    const unpacker = new Decompress((chunk) => splitter.push(chunk));
    // Rows that are much alike shrink a thousand times and more.
    const sliceBytes = Math.max(
      MIN_SLICE_BYTES,
      Math.floor((SLICE_BYTES * body.left) / Math.max(unpackedBytes, body.left)),
    );
    for await (const slice of slices(body.bytes(body.left), sliceBytes, room)) unpack(unpacker, slice);
  } else {
    throw new RangeError(`compression of kind ${compression}`);
  }
  splitter.end();
}

function unpack(unpacker: Decompress, slice: Buffer): void {
  try {
    unpacker.push(slice);
  } catch (error) {
    if (isRangeError(error)) throw error;
    throw new RangeError(`zstd: ${(error as Error).message}`);
  }
}

async function* slices(bytes: Buffer, size: number, room: () => Promise<void>): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) {
    yield bytes.subarray(at, at + size);
    await room();
  }
}

/** Fields of type, length and value, up to the end mark; unknown ones are passed over. */
function readFields(body: LogBytes): { compression: number; unpackedBytes: number } {
  let compression = NONE;
  let unpackedBytes = 0;
  for (;;) {
    const field = body.lengthCoded();
    if (field === END) return { compression, unpackedBytes };
    const length = body.lengthCoded();
    const value = new LogBytes(body.buffer, body.at, body.at + length);
    body.skip(length);
    if (field === COMPRESSION) compression = value.lengthCoded();
    if (field === UNPACKED_SIZE) unpackedBytes = value.lengthCoded();
  }
}

/** Cuts a stream of bytes into events by the length in their headers. */
class EventSplitter {
  private rest: Buffer = Buffer.alloc(0);
  private parts: Buffer[] = [];
  private missing = 0;

  constructor(private readonly onEvent: (buffer: Buffer, start: number, end: number) => void) {}

  push(chunk: Uint8Array): void {
    // A copy: the unpacker goes on to use its window.
    let bytes: Buffer = Buffer.from(chunk);
    if (this.missing > bytes.length) {
      this.parts.push(bytes);
      this.missing -= bytes.length;
      return;
    }
    if (this.parts.length > 0 || this.rest.length > 0) {
      bytes = Buffer.concat([...this.parts, this.rest, bytes]);
      this.parts = [];
    }
    this.missing = 0;
    let at = 0;
    while (bytes.length - at >= HEADER_BYTES) {
      const length = bytes.readUInt32LE(at + LENGTH_AT);
      if (length < HEADER_BYTES) throw new RangeError(`an event of ${length} bytes`);
      if (bytes.length - at < length) {
        this.missing = length - (bytes.length - at);
        break;
      }
      this.onEvent(bytes, at, at + length);
      at += length;
    }
    const left = bytes.subarray(at);
    this.rest = this.missing > 0 ? Buffer.alloc(0) : left;
    this.parts = this.missing > 0 && left.length > 0 ? [left] : [];
  }

  end(): void {
    if (this.rest.length > 0 || this.missing > 0)
      throw new RangeError('the transaction ends in the middle of an event');
  }
}
