import { type CellSummary, findCell, type Spread } from './cell.summary.js';
import type { Operation, Peer } from './cell.types.js';

/** Ours over the peer: a name, a figure, and what it should be. */
export interface Ratio {
  readonly name: string;
  readonly value: number;
  readonly goal: string;
  readonly reached: boolean;
}

type Figure = 'opsPerSecond' | 'p50Ms' | 'p99Ms' | 'visibleP99Ms';
type Place = readonly [peer: Peer, operation: Operation, concurrency: number, figure: Figure];

/** The smaller the better, but for rates. */
const QUOTIENTS: readonly (readonly [name: string, goal: string, ours: Place, peer: Place])[] = [
  ...(['insert', 'update'] as const).flatMap((operation) => {
    const ops = (concurrency: number, goal: string) =>
      [
        `${operation}_ops_${concurrency}`,
        goal,
        ['ours-committed', operation, concurrency, 'opsPerSecond'],
        ['dual-write', operation, concurrency, 'opsPerSecond'],
      ] as const;
    const dualP50 = ['dual-write', operation, 1, 'p50Ms'] as const;
    return [
      ops(64, '>= 4'),
      ops(256, operation === 'insert' ? '>= 7' : '>= 6'),
      [
        `${operation}_p99_64`,
        '<= 0.3',
        ['ours-committed', operation, 64, 'p99Ms'],
        ['dual-write', operation, 64, 'p99Ms'],
      ],
      [`${operation}_p50_1`, '<= 1.4', ['ours-committed', operation, 1, 'p50Ms'], dualP50],
      [`${operation}_indexed_p50_1`, '<= 1', ['ours-indexed', operation, 1, 'p50Ms'], dualP50],
    ] as const;
  }),
  // The whole of our save, its MySQL part included: an upper bound of commit-to-index.
  [
    'outbox_visible_p99_64',
    '<= 0.1',
    ['ours-committed', 'insert', 64, 'p99Ms'],
    ['outbox', 'insert', 64, 'visibleP99Ms'],
  ],
  // Over the outbox's commits, though its relay falls behind them.
  [
    'outbox_ops_64',
    '>= 3.5',
    ['ours-committed', 'insert', 64, 'opsPerSecond'],
    ['outbox', 'insert', 64, 'opsPerSecond'],
  ],
];

/** The ratios that these cells allow, in the order of the goals. */
export function ratiosOf(cells: readonly CellSummary[]): Ratio[] {
  const ratios: Ratio[] = [];
  const add = (name: string, goal: string, value: number | undefined) => {
    if (value !== undefined) ratios.push({ name, value, goal, reached: isReached(value, goal) });
  };
  for (const [name, goal, ours, peer] of QUOTIENTS) add(name, goal, quotient(at(cells, ours), at(cells, peer)));
  add('save_many_vs_floor', '>= 0.7', quotient(saveMany(cells), lowerFloor(cells)));
  const reads = cells.map(({ overTypeorm }) => overTypeorm?.median).filter((value) => value !== undefined);
  add('read_committed_vs_typeorm', '<= 1.05', reads.length > 0 ? Math.max(...reads) : undefined);
  return ratios;
}

function at(cells: readonly CellSummary[], [peer, operation, concurrency, figure]: Place): number | undefined {
  const found: Spread | undefined = findCell(cells, peer, operation, concurrency)?.[figure];
  return found?.median;
}

function saveMany(cells: readonly CellSummary[]): number | undefined {
  return at(cells, ['ours-many', 'insert', 1, 'opsPerSecond']);
}

/** One caller's statements of 500 rows, or one caller's bulks of 500: whichever is slower. */
function lowerFloor(cells: readonly CellSummary[]): number | undefined {
  const rates = (['floor-multi-row', 'floor-bulk-500'] as const).map((peer) =>
    at(cells, [peer, 'insert', 1, 'opsPerSecond']),
  );
  return rates.every((rate) => rate !== undefined) ? Math.min(...rates) : undefined;
}

function quotient(ours: number | undefined, peer: number | undefined): number | undefined {
  return ours !== undefined && peer !== undefined ? ours / peer : undefined;
}

function isReached(value: number, goal: string): boolean {
  const [sign, limit] = goal.split(' ');
  return sign === '>=' ? value >= Number(limit) : value <= Number(limit);
}
