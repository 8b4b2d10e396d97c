import type { Profile } from './item.entity.js';
import type { WriteKind } from './item.model.js';
import { SeededRandom } from './seeded.random.js';

export interface PlannedWrite {
  readonly key: string;
  readonly kind: WriteKind;
  readonly value: string;
  readonly listed: boolean;
}

/** `list`: several rows in one find. `interceptor`: plain TypeORM, repaired on its way out. `replica`: several rows from the replica. `barrier`: waits for undecided writes. */
export type ReadVia = 'findOne' | 'list' | 'interceptor' | 'barrier' | 'index' | 'replica';

export type PlannedOperation =
  | { readonly shape: 'single' | 'many' | 'unit'; readonly writes: readonly PlannedWrite[] }
  | { readonly shape: 'read'; readonly via: ReadVia; readonly keys: readonly string[] };

export interface PlanOptions {
  readonly seed: number;
  readonly profile: Profile;
  /** Of the process. */
  readonly name: string;
  /** 0, and one more after each kill: part of every value, so that none is written twice. */
  readonly life: number;
  readonly hotKeys: number;
  readonly coldKeys: number;
  readonly onlyReads: boolean;
  /** There is a replica to read from. */
  readonly replicaUrl?: string;
}

const HOT_SHARE = 0.12;
const READ_SHARE = 0.3;
const SHAPES = { single: 74, many: 14, unit: 12 } as const;
const KINDS = { update: 28, save: 20, insert: 14, remove: 10, softRemove: 7, recover: 7, list: 8, cas: 6 } as const;
/** A unit of work's save() inserts where the row is missing, so it has no update. */
const UNIT_KINDS = { save: 70, remove: 10, softRemove: 10, recover: 10 } as const;
const READS = { findOne: 34, list: 10, interceptor: 20, barrier: 4, index: 32 } as const;
const MANY = 24;
const REMOVE_MANY_SHARE = 0.12;

/**
 * Operation number `at` of a process: the same for the same seed, whatever happened before. A process that was killed
 * goes on about where it was.
 */
export function planOperation(options: PlanOptions, at: number): PlannedOperation {
  const random = new SeededRandom(options.seed, `${options.name}/${at}`);
  if (options.onlyReads || random.chance(READ_SHARE)) return planRead(options, random);
  const shape = random.weighted(SHAPES);
  const count = shape === 'single' ? 1 : shape === 'unit' ? 2 : random.between(2, MANY);
  const keys = pickKeys(options, random, count);
  const removes = shape === 'many' && random.chance(REMOVE_MANY_SHARE);
  const writes = keys.map((key, part): PlannedWrite => {
    const kind: WriteKind =
      shape === 'many'
        ? removes
          ? 'remove'
          : 'save'
        : shape === 'unit'
          ? random.weighted(UNIT_KINDS)
          : random.weighted(KINDS);
    return {
      key,
      kind,
      value: `${options.name}/${options.life}.${at}.${part}`,
      listed: options.profile === 'plain' || !random.chance(0.2),
    };
  });
  return { shape, writes };
}

function planRead(options: PlanOptions, random: SeededRandom): PlannedOperation {
  const drawn = random.weighted(READS);
  // By plain TypeORM, which would take the replica as it is, a stale row in commit cannot be told from a fresh one.
  const via = options.replicaUrl !== undefined && drawn === 'interceptor' ? 'replica' : drawn;
  return { shape: 'read', via, keys: pickKeys(options, random, via === 'list' || via === 'replica' ? 6 : 1) };
}

/** Sorted: units of work that take rows in any order would mostly show MySQL's deadlocks. */
function pickKeys({ hotKeys, coldKeys }: PlanOptions, random: SeededRandom, count: number): string[] {
  const keys = new Set<string>();
  while (keys.size < count) {
    const hot = random.chance(HOT_SHARE) && keys.size < hotKeys;
    keys.add(hot ? `hot-${random.between(1, hotKeys)}` : `cold-${random.between(1, coldKeys)}`);
  }
  return [...keys].sort();
}
