import { InvalidGtidSetError } from '../errors.js';

/** Number of a transaction, 1 … 2^63 - 2: a number where it is exact, else a bigint, so that equal means `===`. */
type Gno = number | bigint;

const MAX_GNO = 2n ** 63n - 2n;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const BARE_UUID = /^[0-9a-f]{32}$/;
const TAG = /^[a-z_][a-z0-9_]{0,31}$/;
const DIGITS = /^\d+$/;
/** Any number of so many digits is exact. */
const EXACT_DIGITS = 15;
const RANGE = /^(\d+)(?:\s*-\s*(\d+))?$/;

/** The transactions of one source: a server's uuid, or uuid and tag (MySQL 8.3 and newer). */
class Source {
  /** Start, end, start, end …, both inclusive, ascending, neither touching nor overlapping. */
  readonly bounds: Gno[];
  /** The ranges but the last as text, until one of them changes: mostly only the end of the last one moves. */
  private text: string | null = null;

  constructor(
    readonly uuid: string,
    readonly tag: string,
    bounds: Gno[] = [],
  ) {
    this.bounds = bounds;
  }

  /** Transactions mostly come one after the other: then only the end of the last range moves. */
  add(gno: Gno): void {
    const { bounds } = this;
    const last = bounds.length - 1;
    if (last > 0 && bounds[last]! < gno) {
      if (next(bounds[last]!) === gno) bounds[last] = gno;
      else {
        this.text = null;
        bounds.push(gno, gno);
      }
      return;
    }
    this.addRange(gno, gno);
  }

  addRange(start: Gno, end: Gno): void {
    this.text = null;
    const { bounds } = this;
    // The ranges from `from` to before `to` touch the new one and melt into it.
    let from = firstEndingAtOrAfter(bounds, previous(start));
    let to = from;
    let [low, high] = [start, end];
    while (to < bounds.length && bounds[to]! <= next(high)) {
      if (bounds[to]! < low) low = bounds[to]!;
      if (bounds[to + 1]! > high) high = bounds[to + 1]!;
      to += 2;
    }
    bounds.splice(from, to - from, low, high);
  }

  holds(start: Gno, end: Gno): boolean {
    const at = firstEndingAtOrAfter(this.bounds, start);
    return at < this.bounds.length && this.bounds[at]! <= start && this.bounds[at + 1]! >= end;
  }

  minus(other: Source): Gno[] {
    const rest: Gno[] = [];
    let at = 0;
    for (let index = 0; index < this.bounds.length; index += 2) {
      let start = this.bounds[index]!;
      const end = this.bounds[index + 1]!;
      while (at < other.bounds.length && other.bounds[at + 1]! < start) at += 2;
      for (let hole = at; hole < other.bounds.length && other.bounds[hole]! <= end; hole += 2) {
        if (other.bounds[hole]! > start) rest.push(start, previous(other.bounds[hole]!));
        start = next(other.bounds[hole + 1]!);
      }
      if (start <= end) rest.push(start, end);
    }
    return rest;
  }

  ranges(): string {
    const last = this.bounds.length - 2;
    this.text ??= this.rangesTo(last);
    return last < 0 ? '' : this.text + this.range(last);
  }

  private rangesTo(end: number): string {
    let text = '';
    for (let index = 0; index < end; index += 2) text += this.range(index);
    return text;
  }

  private range(index: number): string {
    const [start, end] = [this.bounds[index]!, this.bounds[index + 1]!];
    return start === end ? `:${start}` : `:${start}-${end}`;
  }
}

/**
 * A set of transactions, as MySQL writes it in `gtid_executed`: `uuid:1-5:8:tag:1-3,uuid2:1`. Only `add` changes a set;
 * everything else returns a new one.
 */
export class GtidSet {
  /** By `uuid` or `uuid:tag`. */
  private readonly sources = new Map<string, Source>();
  /** The source that `add` met last, with its name as it was spelled there: the next one is mostly of the same. */
  private lastName = '';
  private lastSource: Source | null = null;

  /**
   * Reads what MySQL reads: spaces, upper case, uuids without dashes, ranges that overlap or are empty (`5-3`), any order.
   * Throws `InvalidGtidSetError` for anything else.
   */
  static parse(text: string): GtidSet {
    const set = new GtidSet();
    for (const part of text.split(',')) {
      if (part.trim() !== '') set.addPart(part, text);
    }
    return set;
  }

  clone(): GtidSet {
    const copy = new GtidSet();
    for (const [name, source] of this.sources)
      copy.sources.set(name, new Source(source.uuid, source.tag, [...source.bounds]));
    return copy;
  }

  /**
   * Adds one transaction, `uuid:gno` or `uuid:tag:gno`. Cheap where it follows the last one of its source.
   * Throws `InvalidGtidSetError`.
   */
  add(gtid: string): void {
    const colon = gtid.lastIndexOf(':');
    let source = this.lastSource;
    if (source === null || colon !== this.lastName.length || !gtid.startsWith(this.lastName)) {
      const name = gtid.slice(0, colon);
      // The server spells its sources as they are kept here.
      source = this.sources.get(name) ?? this.sourceOf(splitGtid(gtid));
      this.lastName = name;
      this.lastSource = source;
    }
    source.add(numberAt(gtid, colon + 1));
  }

  /** Whether one transaction is in the set. Throws `InvalidGtidSetError`. */
  contains(gtid: string): boolean {
    const { uuid, tag, gno } = splitGtid(gtid);
    return this.sources.get(nameOf(uuid, tag))?.holds(gno, gno) ?? false;
  }

  union(other: GtidSet): GtidSet {
    const result = this.clone();
    for (const { uuid, tag, bounds } of other.sources.values()) {
      const source = result.sourceOf({ uuid, tag });
      for (let index = 0; index < bounds.length; index += 2) source.addRange(bounds[index]!, bounds[index + 1]!);
    }
    return result;
  }

  /** What is in this set and not in the other: MySQL's `GTID_SUBTRACT`. */
  subtract(other: GtidSet): GtidSet {
    const result = new GtidSet();
    for (const [name, source] of this.sources) {
      const taken = other.sources.get(name);
      const bounds = taken ? source.minus(taken) : [...source.bounds];
      if (bounds.length > 0) result.sources.set(name, new Source(source.uuid, source.tag, bounds));
    }
    return result;
  }

  /** Whether the other set has everything of this one: MySQL's `GTID_SUBSET`. */
  isSubsetOf(other: GtidSet): boolean {
    for (const [name, { bounds }] of this.sources) {
      const larger = other.sources.get(name);
      if (!larger) return false;
      for (let index = 0; index < bounds.length; index += 2) {
        if (!larger.holds(bounds[index]!, bounds[index + 1]!)) return false;
      }
    }
    return true;
  }

  equals(other: GtidSet): boolean {
    return this.toString() === other.toString();
  }

  get isEmpty(): boolean {
    return this.sources.size === 0;
  }

  /** The transactions of one server, by its uuid, tagged ones too. */
  ofServer(serverUuid: string): GtidSet {
    const result = new GtidSet();
    const uuid = serverUuid.toLowerCase();
    for (const [name, source] of this.sources) {
      if (source.uuid === uuid) result.sources.set(name, new Source(uuid, source.tag, [...source.bounds]));
    }
    return result;
  }

  /** As MySQL prints it, but on one line: sorted by uuid, then tag, the untagged first. Empty set: `''`. */
  toString(): string {
    let text = '';
    let uuid = '';
    for (const name of this.sources.size > 1 ? [...this.sources.keys()].toSorted() : this.sources.keys()) {
      const source = this.sources.get(name)!;
      if (source.uuid !== uuid) text += text === '' ? source.uuid : `,${source.uuid}`;
      uuid = source.uuid;
      text += source.tag === '' ? source.ranges() : `:${source.tag}${source.ranges()}`;
    }
    return text;
  }

  private addPart(part: string, text: string): void {
    const [server, ...items] = part.split(':').map((item) => item.trim().toLowerCase());
    const uuid = uuidOf(server!, text);
    let tag = '';
    for (const item of items) {
      if (TAG.test(item)) {
        tag = item;
        continue;
      }
      const range = RANGE.exec(item);
      if (!range) throw invalid(text, `"${item}" is neither a number, nor a range, nor a tag`);
      const start = numberOf(text, range[1]!);
      // MySQL reads a range that ends before it starts, at 0 too, as empty.
      if (range[2] !== undefined && Number(range[2]) === 0) continue;
      const end = range[2] === undefined ? start : numberOf(text, range[2]);
      if (start <= end) this.sourceOf({ uuid, tag }).addRange(start, end);
    }
  }

  private sourceOf({ uuid, tag }: { readonly uuid: string; readonly tag: string }): Source {
    const name = nameOf(uuid, tag);
    let source = this.sources.get(name);
    if (!source) this.sources.set(name, (source = new Source(uuid, tag)));
    return source;
  }
}

const nameOf = (uuid: string, tag: string): string => (tag === '' ? uuid : `${uuid}:${tag}`);

function splitGtid(gtid: string): { uuid: string; tag: string; gno: Gno } {
  const parts = gtid.split(':');
  const tag = parts.length === 3 ? parts[1]!.trim().toLowerCase() : '';
  if (parts.length < 2 || parts.length > 3 || (parts.length === 3 && !TAG.test(tag))) {
    throw invalid(gtid, 'one transaction is uuid:number or uuid:tag:number');
  }
  return { uuid: uuidOf(parts[0]!.trim().toLowerCase(), gtid), tag, gno: numberOf(gtid, parts.at(-1)!.trim()) };
}

function uuidOf(text: string, whole: string): string {
  const inner = text.startsWith('{') && text.endsWith('}') ? text.slice(1, -1) : text;
  if (UUID.test(inner)) return inner;
  if (!BARE_UUID.test(text)) throw invalid(whole, `"${text}" is no server uuid`);
  return text.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

function numberOf(whole: string, digits: string): Gno {
  const gno = Number(digits);
  const isNumber = DIGITS.test(digits);
  if (isNumber && Number.isSafeInteger(gno) && gno > 0) return gno;
  if (!isNumber || gno <= 0 || BigInt(digits) > MAX_GNO) {
    throw invalid(whole, `"${digits}" is no transaction number (1 to ${MAX_GNO})`);
  }
  return canonical(BigInt(digits));
}

/** The number at the end of a GTID. Read digit by digit: every transaction comes by here. */
function numberAt(gtid: string, start: number): Gno {
  let gno = 0;
  const end = gtid.length - start <= EXACT_DIGITS ? gtid.length : start;
  for (let index = start; index < end; index++) {
    const digit = gtid.charCodeAt(index) - 48;
    if (digit < 0 || digit > 9) return numberOf(gtid, gtid.slice(start).trim());
    gno = gno * 10 + digit;
  }
  return gno > 0 ? gno : numberOf(gtid, gtid.slice(start).trim());
}

const canonical = (gno: bigint): Gno => (gno <= Number.MAX_SAFE_INTEGER ? Number(gno) : gno);
const next = (gno: Gno): Gno =>
  typeof gno === 'number' && gno < Number.MAX_SAFE_INTEGER ? gno + 1 : canonical(BigInt(gno) + 1n);
const previous = (gno: Gno): Gno => (typeof gno === 'number' ? gno - 1 : canonical(gno - 1n));

/** Index of the first range whose end is not before `gno`; the number of bounds when there is none. */
function firstEndingAtOrAfter(bounds: readonly Gno[], gno: Gno): number {
  let low = 0;
  let high = bounds.length / 2;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (bounds[middle * 2 + 1]! < gno) low = middle + 1;
    else high = middle;
  }
  return low * 2;
}

function invalid(text: string, why: string): InvalidGtidSetError {
  const [shown, reason] = [shortened(text), shortened(why)];
  return new InvalidGtidSetError(`"${shown}" is no GTID set: ${reason}. Write it as MySQL's gtid_executed does.`, {
    text: shown,
  });
}

const shortened = (text: string): string => (text.length > 200 ? `${text.slice(0, 200)}…` : text);
