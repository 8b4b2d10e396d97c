import { SeededRandom } from './seeded.random.js';

/** What happens to requests for Elasticsearch. `forwarded`: the server gets the request all the same. */
export const INDEX_FAULTS = {
  'delay the request': 10,
  'delay the answer': 10,
  'cut before': 8,
  'cut after': 14,
  'deliver late': 14,
  'black hole': 5,
  '429': 6,
  '503 of Elasticsearch': 5,
  '503 of Elasticsearch, forwarded': 5,
  '502': 4,
  '502, forwarded': 4,
  '504': 4,
  '504, forwarded': 6,
  'garbage, forwarded': 3,
  'half an answer': 3,
} as const;
export type IndexFault = keyof typeof INDEX_FAULTS;

/** What happens to the bytes of a MySQL connection. */
export const MYSQL_FAULTS = {
  'delay the request': 12,
  'delay the answer': 12,
  'cut before': 14,
  'cut after': 18,
  'deliver late': 10,
  'black hole': 4,
} as const;
export type MysqlFault = keyof typeof MYSQL_FAULTS;

export type IndexRequests = 'write' | 'look' | 'any';
export type Statements = 'COMMIT' | 'flip' | 'any';

/** One thing that goes wrong, once so many writes have been begun. `worker` counts all processes, writers first. */
export type Episode = { readonly atWrite: number } & (
  | {
      readonly kind: 'index fault';
      readonly worker: number;
      readonly fault: IndexFault;
      readonly requests: IndexRequests;
      readonly times: number;
      readonly forMs: number;
    }
  | {
      readonly kind: 'mysql fault';
      readonly worker: number;
      readonly fault: MysqlFault;
      readonly statements: Statements;
      readonly times: number;
      readonly forMs: number;
    }
  | { readonly kind: 'refuse'; readonly worker: number; readonly store: Store; readonly forMs: number }
  | { readonly kind: 'kill writer'; readonly worker: number }
  | { readonly kind: 'kill store'; readonly store: Store; readonly downMs: number }
  | { readonly kind: 'clock jump'; readonly worker: number; readonly offsetMs: number }
);
export type Store = 'mysql' | 'elasticsearch';

export interface ScheduleOptions {
  readonly seed: number;
  readonly writes: number;
  readonly writers: number;
  readonly readers: number;
  /** Without it nothing is killed. Default true. */
  readonly kills?: boolean;
  /** Without it the network is well. Default true. */
  readonly faults?: boolean;
}

/** One of each in so many writes, on average. */
const WRITES_PER = {
  'index fault': 40,
  'mysql fault': 150,
  refuse: 1_500,
  'kill writer': 2_000,
  'clock jump': 700,
} as const;
/** Restarting a server takes as long as a few thousand writes. */
const WRITES_PER_STORE_KILL = 10_000;
const HOUR_MS = 3_600_000;

/** Everything that will go wrong in a run, in order. The same for the same seed and size. */
export function scheduleFaults(options: ScheduleOptions): Episode[] {
  const { seed, writes, kills = true, faults = true } = options;
  const episodes: Episode[] = [];
  const wanted: (keyof typeof WRITES_PER)[] = [
    ...(faults ? (['index fault', 'mysql fault', 'refuse', 'clock jump'] as const) : []),
    ...(kills ? (['kill writer'] as const) : []),
  ];
  for (const kind of wanted) {
    const random = new SeededRandom(seed, `schedule/${kind}`);
    const gap = WRITES_PER[kind];
    for (let at = random.between(1, gap); at < writes; at += random.between(1, 2 * gap - 1)) {
      episodes.push({ atWrite: at, ...planEpisode(kind, options, random) });
    }
  }
  if (kills) for (const store of ['mysql', 'elasticsearch'] as const) episodes.push(...storeKills(options, store));
  return episodes.sort((a, b) => a.atWrite - b.atWrite);
}

type Planned = Episode extends infer Each ? (Each extends Episode ? Omit<Each, 'atWrite'> : never) : never;

function planEpisode(
  kind: keyof typeof WRITES_PER,
  { writers, readers }: ScheduleOptions,
  random: SeededRandom,
): Planned {
  const worker = random.between(0, writers + readers - 1);
  switch (kind) {
    case 'index fault':
      return {
        kind,
        worker,
        fault: random.weighted(INDEX_FAULTS),
        requests: random.weighted({ write: 60, look: 20, any: 20 }),
        times: random.between(1, 4),
        forMs: random.between(100, 2_500),
      };
    case 'mysql fault':
      return {
        kind,
        worker,
        fault: random.weighted(MYSQL_FAULTS),
        statements: random.weighted({ COMMIT: 40, flip: 25, any: 35 }),
        times: random.between(1, 3),
        forMs: random.between(100, 2_000),
      };
    case 'refuse':
      return { kind, worker, store: random.pick(['mysql', 'elasticsearch']), forMs: random.between(50, 1_500) };
    case 'kill writer':
      return { kind, worker: random.between(0, writers - 1) };
    case 'clock jump':
      return { kind, worker, offsetMs: random.between(-48 * HOUR_MS, 48 * HOUR_MS) };
  }
}

/** Each store at least once, never at the very beginning or end, and the two never together. */
function storeKills({ seed, writes }: ScheduleOptions, store: Store): Episode[] {
  const random = new SeededRandom(seed, `schedule/kill ${store}`);
  const count = Math.max(1, Math.round(writes / WRITES_PER_STORE_KILL));
  const share = writes / count;
  const place = store === 'mysql' ? 0.25 : 0.65;
  return Array.from({ length: count }, (_, at) => ({
    kind: 'kill store',
    store,
    atWrite: Math.floor(share * (at + place + 0.2 * random.next())),
    downMs: random.between(0, 1_500),
  }));
}
