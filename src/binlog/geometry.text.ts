import { mysqlBase64 } from './json.text.js';
import { coordinateText } from './number.text.js';

const SRID_BYTES = 4;
const NAMES = [
  '',
  'POINT',
  'LINESTRING',
  'POLYGON',
  'MULTIPOINT',
  'MULTILINESTRING',
  'MULTIPOLYGON',
  'GEOMETRYCOLLECTION',
];
const POINT = 1;
const POLYGON = 3;
const COLLECTION = 7;
/** Reference systems whose order of axes is known here: none, and Web Mercator, with x first; WGS 84 with latitude first. */
const X_FIRST = new Set([0, 3857]);
const LATITUDE_FIRST = new Set([4326]);

/**
 * A geometry's exact text: the internal bytes in base64, a comma, the WKT that MySQL prints. Null where the reference
 * system's order of axes is not known.
 */
export function geometryText(internal: Buffer): string | null {
  const srid = internal.readUInt32LE(0);
  if (!X_FIRST.has(srid) && !LATITUDE_FIRST.has(srid)) return null;
  return `${mysqlBase64(internal)},${new WktWriter(internal, LATITUDE_FIRST.has(srid)).geometry()}`;
}

/** Internally MySQL keeps longitude first and little-endian numbers, whatever was written. */
class WktWriter {
  private at = SRID_BYTES;

  constructor(
    private readonly bytes: Buffer,
    private readonly swap: boolean,
  ) {}

  geometry(): string {
    const type = this.header();
    if (type !== COLLECTION) return NAMES[type] + this.body(type);
    const parts = this.list(() => this.geometry());
    return parts.length === 0 ? 'GEOMETRYCOLLECTION EMPTY' : `GEOMETRYCOLLECTION(${parts.join(',')})`;
  }

  private header(): number {
    this.at += 1; // byte order
    return this.count();
  }

  private body(type: number): string {
    if (type === POINT) return `(${this.position()})`;
    if (type === POINT + 1) return `(${this.list(() => this.position()).join(',')})`;
    if (type === POLYGON) return this.rings();
    return `(${this.list(() => this.body(this.header())).join(',')})`;
  }

  private rings(): string {
    return `(${this.list(() => `(${this.list(() => this.position()).join(',')})`).join(',')})`;
  }

  private list(one: () => string): string[] {
    return Array.from({ length: this.count() }, one);
  }

  private position(): string {
    const x = coordinateText(this.double());
    const y = coordinateText(this.double());
    return this.swap ? `${y} ${x}` : `${x} ${y}`;
  }

  private count(): number {
    this.at += 4;
    return this.bytes.readUInt32LE(this.at - 4);
  }

  private double(): number {
    this.at += 8;
    return this.bytes.readDoubleLE(this.at - 8);
  }
}
