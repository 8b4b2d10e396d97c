import type { DocumentWrite, IndexOutcome } from '../protocol/outcome.js';

/** Elasticsearch refuses longer ids, and it refuses the whole bulk because of one. */
const MAX_ID_BYTES = 512;
const LONE_SURROGATE = /\p{Surrogate}/u;

/** An item's lines as they go to Elasticsearch, a piece of a larger buffer. What is in it must not change until it was sent. */
export class EncodedLines {
  constructor(
    readonly buffer: Buffer,
    readonly start: number,
    readonly end: number,
  ) {}
}

/**
 * A put whose lines were written when its document was made: where there are very many, a text of each in between is the dearest
 * part of it. Whoever makes one answers for what is in it: `PUT_LINE`, and a document on one line.
 */
export interface EncodedWrite {
  readonly id: string;
  readonly version: number;
  readonly body: EncodedLines;
}

export type BulkWrite = DocumentWrite | EncodedWrite;

/**
 * One item of a bulk, ready to send, and its place in the caller's list. A class: where most of a literal's objects outlive V8's young
 * generation, as these do while a request is under way, all later ones are made in the old one.
 */
export class BulkItem {
  constructor(
    readonly position: number,
    readonly write: BulkWrite,
    readonly lines: string | EncodedLines,
    readonly bytes: number,
  ) {}
}

/** The line before a put's document, without what stands between: the id as JSON, and the version. */
export const PUT_LINE = ['{"index":{"_id":', ',"version":', ',"version_type":"external"}}\n'] as const;

/**
 * Why a write cannot be sent, or null. Checked here because Elasticsearch answers these with a 400 for the whole bulk,
 * which would hit its neighbours.
 */
export function refusalBeforeSending(write: BulkWrite): IndexOutcome | null {
  const { id, version, body } = write;
  if (id === '') return refused('invalid_id', 'the document id is empty');
  // At most 3 bytes for each UTF-16 unit: the exact count is only needed for long ids.
  if (id.length * 3 > MAX_ID_BYTES && Buffer.byteLength(id) > MAX_ID_BYTES) {
    return refused('invalid_id', `the document id has ${Buffer.byteLength(id)} bytes, more than ${MAX_ID_BYTES}`);
  }
  if (LONE_SURROGATE.test(id)) return refused('invalid_id', 'the document id has half of a surrogate pair');
  if (!Number.isSafeInteger(version) || version < 0) {
    return refused('invalid_version', `version ${version} is not a safe integer`);
  }
  if (typeof body === 'string' && !/^\s*\{/.test(body)) {
    return refused('invalid_document', 'the document is not the JSON text of an object');
  }
  return null;
}

function refused(type: string, reason: string): IndexOutcome {
  return { kind: 'refused', status: 400, type, reason };
}

/**
 * The item's NDJSON lines. The document is spliced in as it is: parsing it again could change numbers. `tombstone`: the index's default
 * pipeline, which may demand or add fields, is not for it.
 */
export function encodeItem(write: BulkWrite, position: number, tombstone = false): BulkItem {
  const { body } = write;
  if (body instanceof EncodedLines) return new BulkItem(position, write, body, body.end - body.start);
  const id = JSON.stringify(write.id);
  const pipeline = tombstone ? ',"pipeline":"_none"' : '';
  const meta = `{"_id":${id},"version":${write.version},"version_type":"external"${pipeline}}`;
  const lines = body === null ? `{"delete":${meta}}\n` : `{"index":${meta}}\n${oneLine(body)}\n`;
  return new BulkItem(position, write, lines, Buffer.byteLength(lines));
}

/** A raw line break in valid JSON is white space between tokens, so a blank is the same document; NDJSON needs one line. */
function oneLine(json: string): string {
  return json.includes('\n') || json.includes('\r') ? json.replace(/[\r\n]/g, ' ') : json;
}

/** How many items `encodeBulk` adds. */
export function guardItems(items: readonly BulkItem[]): 0 | 1 {
  return items.some(({ write }) => write.body !== null) ? 0 : 1;
}

/**
 * The body of a bulk request. Elasticsearch heeds `require_alias` for puts and updates only: a lone DELETE at an external
 * version creates the missing index again (tried on 8.19 and 9.5). One item that requires the alias keeps the whole bulk
 * from doing so; where there is no put, an empty update of the first document is added. It changes nothing: the
 * document is missing, or there is nothing to change. The same id means the same shard, so it costs no more waiting.
 */
export function encodeBulk(items: readonly BulkItem[]): string | Buffer {
  const texts = items.map(({ lines }) => lines).filter((lines) => typeof lines === 'string');
  if (texts.length < items.length) return joined(items);
  const lines = texts.join('');
  if (guardItems(items) === 0) return lines;
  return `${lines}{"update":{"_id":${JSON.stringify(items[0]?.write.id)},"require_alias":true}}\n{"doc":{}}\n`;
}

/** Lines that stand one after the other are one piece; where all do, nothing is copied. */
function joined(items: readonly BulkItem[]): Buffer {
  const pieces: Buffer[] = [];
  let buffer: Buffer | null = null;
  let [start, end] = [0, 0];
  for (const { lines } of items) {
    const { buffer: its, start: from, end: to } = typeof lines === 'string' ? linesOf(lines) : lines;
    if (its !== buffer || from !== end) {
      if (buffer) pieces.push(buffer.subarray(start, end));
      [buffer, start] = [its, from];
    }
    end = to;
  }
  if (buffer) pieces.push(buffer.subarray(start, end));
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
}

function linesOf(text: string): EncodedLines {
  const buffer = Buffer.from(text);
  return new EncodedLines(buffer, 0, buffer.length);
}

/** Cuts items into bulks of at most so many bytes and items. An item larger than that travels alone. */
export function splitBulk(items: readonly BulkItem[], maxBytes: number, maxItems: number): BulkItem[][] {
  const parts: BulkItem[][] = [];
  let part: BulkItem[] = [];
  let bytes = 0;
  for (const item of items) {
    if (part.length > 0 && (part.length >= maxItems || bytes + item.bytes > maxBytes)) {
      parts.push(part);
      part = [];
      bytes = 0;
    }
    part.push(item);
    bytes += item.bytes;
  }
  if (part.length > 0) parts.push(part);
  return parts;
}
