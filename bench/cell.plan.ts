import type { CellSpec, Operation, Peer } from './cell.types.js';

export type PlannedCell = Pick<CellSpec, 'peer' | 'operation' | 'concurrency' | 'warmUpMs' | 'windowMs'>;

export interface Plan {
  readonly rounds: number;
  readonly cells: readonly PlannedCell[];
}

type Choice = readonly [peers: readonly Peer[], operations: readonly Operation[], concurrencies: readonly number[]];

const BOTH = ['insert', 'update'] as const;
const EVERYBODY: readonly Peer[] = [
  'dual-write',
  'held-transaction',
  'ours-committed',
  'ours-indexed',
  'ours-mysql-committed',
  'ours-mysql-indexed',
];

/** What the ratios need, and no more. */
const QUICK: readonly Choice[] = [
  [['dual-write', 'ours-committed'], BOTH, [1, 64, 256]],
  [['ours-indexed'], BOTH, [1]],
  [['outbox'], ['insert'], [64]],
  [['ours-many', 'floor-multi-row', 'floor-bulk-500', 'floor-steps-500'], ['insert'], [1]],
  [['reads'], ['find-page', 'find-one'], [1]],
];

const FULL: readonly Choice[] = [
  [EVERYBODY, BOTH, [1, 16, 64, 256]],
  [['outbox'], ['insert'], [1, 16, 64, 256]],
  [['outbox'], ['update'], [64]],
  [['floor-statement'], BOTH, [1, 64]],
  [['floor-multi-row', 'floor-bulk-64', 'floor-bulk-500'], ['insert'], [1, 2]],
  [['floor-steps-500', 'ours-many'], ['insert'], [1]],
  [['reads'], ['find-page', 'find-one'], [1]],
];

const QUICK_TIMES = { warmUpMs: 1_200, windowMs: 2_000 };
const FULL_TIMES = { warmUpMs: 1_500, windowMs: 3_000 };

export function makePlan(quick: boolean, rounds: number): Plan {
  const times = quick ? QUICK_TIMES : FULL_TIMES;
  const cells = (quick ? QUICK : FULL).flatMap(([peers, operations, concurrencies]) =>
    concurrencies.flatMap((concurrency) =>
      operations.flatMap((operation) => peers.map((peer) => ({ peer, operation, concurrency, ...times }))),
    ),
  );
  return { rounds, cells };
}

/** Peers of one comparison stay near each other in time, and take turns in going first. */
export function orderOf({ cells }: Plan, round: number): PlannedCell[] {
  const groups = new Map<string, PlannedCell[]>();
  for (const cell of cells) {
    const name = `${cell.operation} ${cell.concurrency}`;
    groups.set(name, [...(groups.get(name) ?? []), cell]);
  }
  return rotate([...groups.values()], round).flatMap((group) => rotate(group, round));
}

function rotate<T>(items: readonly T[], by: number): T[] {
  const at = by % Math.max(1, items.length);
  return [...items.slice(at), ...items.slice(0, at)];
}
