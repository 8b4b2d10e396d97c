/** GeoJSON as Elasticsearch's `geo_shape` and `geo_point` take it: longitude first. */
export type GeoJson =
  | { type: 'GeometryCollection'; geometries: GeoJson[] }
  | { type: Exclude<string, 'GeometryCollection'>; coordinates: unknown[] };

const SRID_BYTES = 4;
const NAMES = [
  '',
  'Point',
  'LineString',
  'Polygon',
  'MultiPoint',
  'MultiLineString',
  'MultiPolygon',
  'GeometryCollection',
];

/**
 * A geometry of MySQL's internal format (SRID, then WKB). Internally MySQL keeps longitude before latitude whatever the
 * reference system says, which is the order that GeoJSON wants; only its texts swap them.
 */
export function geoJsonOf(internal: Buffer): GeoJson {
  return new WkbReader(internal, SRID_BYTES).geometry();
}

class WkbReader {
  private littleEndian = true;

  constructor(
    private readonly bytes: Buffer,
    private offset: number,
  ) {}

  geometry(): GeoJson {
    this.littleEndian = this.bytes.readUInt8(this.offset) === 1;
    this.offset += 1;
    const type = NAMES[this.count()]!;
    switch (type) {
      case 'Point':
        return { type, coordinates: this.position() };
      case 'LineString':
        return { type, coordinates: this.list(() => this.position()) };
      case 'Polygon':
        return { type, coordinates: this.list(() => this.list(() => this.position())) };
      case 'GeometryCollection':
        return { type, geometries: this.list(() => this.geometry()) };
      default:
        return { type, coordinates: this.list(() => (this.geometry() as { coordinates: unknown[] }).coordinates) };
    }
  }

  private list<T>(one: () => T): T[] {
    return Array.from({ length: this.count() }, one);
  }

  private position(): number[] {
    return [this.double(), this.double()];
  }

  private count(): number {
    const value = this.littleEndian ? this.bytes.readUInt32LE(this.offset) : this.bytes.readUInt32BE(this.offset);
    this.offset += 4;
    return value;
  }

  private double(): number {
    const value = this.littleEndian ? this.bytes.readDoubleLE(this.offset) : this.bytes.readDoubleBE(this.offset);
    this.offset += 8;
    return value;
  }
}
