import type { LogBytes } from './log.bytes.js';

export interface ParsedGtid {
  readonly gtid: string;
  /** `original_commit_timestamp` in µs since 1970. */
  readonly committedAtUs: number;
  /** Bytes of the whole transaction in the log, from this event on; null where the server does not say (5.7). */
  readonly lengthBytes: number | null;
}

/** flags 1, source 16, number 8, logical clock 1 + 8 + 8. */
const LOGICAL_CLOCK = 2;
/** In the first timestamp: another one, of the original commit, follows. */
const HAS_ORIGINAL = 2 ** 55;

/**
 * GTID_LOG_EVENT and ANONYMOUS_GTID_LOG_EVENT. After the logical clock come the immediate commit timestamp of seven
 * bytes and, only where it differs (a replica), the original one. `fallbackUs` is taken where there is none (MySQL 5.7).
 */
export function parseGtid(body: LogBytes, anonymous: boolean, fallbackUs: number): ParsedGtid {
  body.skip(1);
  const source = knownUuid(body);
  const number = body.uint64();
  const gtid = anonymous ? '' : `${source}:${number}`;
  if (body.left < 1 + 16 + 7 || body.u8() !== LOGICAL_CLOCK)
    return { gtid, committedAtUs: fallbackUs, lengthBytes: null };
  body.skip(16);
  const immediate = readUint56(body);
  const original = immediate < HAS_ORIGINAL ? immediate : readUint56(body) % HAS_ORIGINAL;
  const committedAtUs = known(original, fallbackUs);
  return { gtid, committedAtUs, lengthBytes: body.left > 0 ? body.lengthCoded() : null };
}

/** Field ids of a tagged GTID event. Each is absent where it has its default. */
const FLAGS = 0;
const UUID = 1;
const NUMBER = 2;
const TAG = 3;
const LAST_COMMITTED = 4;
const SEQUENCE_NUMBER = 5;
const IMMEDIATE_COMMIT = 6;
const ORIGINAL_COMMIT = 7;
const LENGTH = 8;
const SERIALIZATION_VERSION = 1n;

/** GTID_TAGGED_LOG_EVENT (8.3 and later): a message of fields, each after its id. */
export function parseTaggedGtid(body: LogBytes, fallbackUs: number): ParsedGtid {
  const version = varint(body);
  if (version !== SERIALIZATION_VERSION) throw new RangeError(`tagged GTID event of version ${version}`);
  varint(body); // size of the message
  varint(body); // the last field that must not be ignored
  let source = '';
  let tag = '';
  let number = 0n;
  let immediate = 0n;
  let original: bigint | null = null;
  let lengthBytes: number | null = null;
  while (body.left > 0 && lengthBytes === null) {
    const field = Number(varint(body));
    switch (field) {
      case FLAGS:
        varint(body);
        break;
      case UUID:
        source = uuidText(Buffer.from(Array.from({ length: 16 }, () => Number(varint(body)))));
        break;
      case NUMBER:
        number = signedVarint(body);
        break;
      case TAG:
        tag = body.text(Number(varint(body)));
        break;
      case LAST_COMMITTED:
      case SEQUENCE_NUMBER:
        signedVarint(body);
        break;
      case IMMEDIATE_COMMIT:
        immediate = varint(body);
        break;
      case ORIGINAL_COMMIT:
        original = varint(body);
        break;
      case LENGTH:
        lengthBytes = Number(varint(body));
        break;
      default:
        throw new RangeError(`tagged GTID event with field ${field} before its length`);
    }
  }
  const gtid = tag ? `${source}:${tag}:${number}` : `${source}:${number}`;
  // The original timestamp is left out where it equals the immediate one.
  return { gtid, committedAtUs: known(Number(original ?? immediate), fallbackUs), lengthBytes };
}

const known = (micros: number, fallbackUs: number): number => (micros > 0 ? micros : fallbackUs);

/** Exact in the bits that are a time: those of the next two centuries. */
function readUint56(body: LogBytes): number {
  const low = body.u32();
  return body.u24() * 2 ** 32 + low;
}

const UUID_BYTES = 16;
let lastUuid = { bytes: Buffer.alloc(UUID_BYTES), text: '00000000-0000-0000-0000-000000000000' };

/** One transaction after the other is of the same server. */
function knownUuid(body: LogBytes): string {
  const start = body.skip(UUID_BYTES);
  const { bytes, text } = lastUuid;
  let at = 0;
  while (at < UUID_BYTES && bytes[at] === body.buffer[start + at]) at += 1;
  if (at === UUID_BYTES) return text;
  const own = Buffer.from(body.buffer.subarray(start, start + UUID_BYTES));
  lastUuid = { bytes: own, text: uuidText(own) };
  return lastUuid.text;
}

/** One bits at the low end of the first byte tell how many bytes follow; the value is what is above, little-endian. */
function varint(body: LogBytes): bigint {
  const first = body.u8();
  let more = 0;
  while (more < 8 && ((first >> more) & 1) === 1) more += 1;
  let rest = 0n;
  for (let at = 0; at < more; at += 1) rest |= BigInt(body.u8()) << BigInt(8 * at);
  if (more === 8) return rest;
  return BigInt(first >> (more + 1)) | (rest << BigInt(7 - more));
}

/** Zigzag: the sign is in the lowest bit. */
function signedVarint(body: LogBytes): bigint {
  const value = varint(body);
  return (value & 1n) === 1n ? -(value >> 1n) - 1n : value >> 1n;
}

function uuidText(bytes: Buffer): string {
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
