import type { SqlQuery } from '../mysql/table.introspection.js';

const FIXED = /^([+-])(\d{2}):(\d{2})$/;
/** TIMESTAMP ends in January 2038. */
const LAST_SECOND = 2 ** 31 - 1;
const WEEK_SECONDS = 7 * 86_400;
const OFFSETS = `SELECT p.s AS at, TIMESTAMPDIFF(SECOND, '1970-01-01', FROM_UNIXTIME(p.s)) - p.s AS offset
 FROM JSON_TABLE(?, '$[*]' COLUMNS (s BIGINT PATH '$')) AS p`;

/**
 * The time zone of MySQL sessions, by which they print TIMESTAMP. Its rules are asked of the server, as nobody else's
 * tables are sure to be the same.
 */
export class SessionZone {
  static readonly UTC = new SessionZone([0], [0]);

  /** `starts` ascending, the first 0; `offsets` in seconds east of UTC from then on. */
  constructor(
    private readonly starts: readonly number[],
    private readonly offsets: readonly number[],
  ) {}

  /** The zone of the connections that `query` uses. A zone with daylight saving costs some two dozen statements. */
  static async read(query: SqlQuery): Promise<SessionZone> {
    const [{ zone }] = (await query('SELECT @@SESSION.time_zone AS zone')) as [{ zone: string }];
    const fixed = FIXED.exec(zone);
    if (fixed) {
      const seconds = Number(fixed[2]) * 3600 + Number(fixed[3]) * 60;
      return new SessionZone([0], [fixed[1] === '-' ? -seconds : seconds]);
    }
    const grid = Array.from({ length: Math.ceil(LAST_SECOND / WEEK_SECONDS) + 1 }, (_, week) =>
      Math.min(week * WEEK_SECONDS, LAST_SECOND),
    );
    const offsets = await offsetsAt(query, grid);
    const steps = grid
      .slice(1)
      .flatMap((high, at) => (offsets[at] === offsets[at + 1] ? [] : [{ low: grid[at]!, high }]));
    const changes = await narrow(query, steps);
    return new SessionZone([0, ...changes], [offsets[0]!, ...(await offsetsAt(query, changes))]);
  }

  offsetAt(seconds: number): number {
    const { starts } = this;
    let low = 0;
    let high = starts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (starts[middle]! <= seconds) low = middle;
      else high = middle;
    }
    return this.offsets[low]!;
  }

  /** A TIMESTAMP as sessions print it, from `seconds[.fraction]` since 1970. 0 is the zero date. */
  print(epoch: string): string {
    const point = epoch.indexOf('.');
    const fraction = point < 0 ? '' : epoch.slice(point);
    const seconds = Number(point < 0 ? epoch : epoch.slice(0, point));
    if (seconds === 0 && /^\.?0*$/.test(fraction)) return `0000-00-00 00:00:00${fraction}`;
    const local = new Date((seconds + this.offsetAt(seconds)) * 1000).toISOString();
    return `${local.slice(0, 10)} ${local.slice(11, 19)}${fraction}`;
  }
}

async function offsetsAt(query: SqlQuery, points: readonly number[]): Promise<number[]> {
  if (points.length === 0) return [];
  const rows = await query(OFFSETS, [JSON.stringify(points)]);
  const found = new Map(rows.map(({ at, offset }) => [Number(at), Number(offset)]));
  return points.map((point) => found.get(point)!);
}

/** Halves all steps at once until each is one second wide; the seconds from which the new offsets count. */
async function narrow(query: SqlQuery, steps: { low: number; high: number }[]): Promise<number[]> {
  const before = await offsetsAt(
    query,
    steps.map(({ low }) => low),
  );
  while (steps.some(({ low, high }) => high - low > 1)) {
    const middles = steps.map(({ low, high }) => Math.floor((low + high) / 2));
    const offsets = await offsetsAt(query, middles);
    steps.forEach((step, at) => {
      if (offsets[at] === before[at]) step.low = middles[at]!;
      else step.high = middles[at]!;
    });
  }
  return steps.map(({ high }) => high);
}
