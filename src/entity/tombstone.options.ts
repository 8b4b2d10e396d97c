import { InvalidOptionsError } from '../errors.js';

/** Where the versions of deletes are kept. See `ConsistentEntityOptions.tombstones`. */
export type Tombstones = 'elasticsearch' | 'durable';

const HOUR_MS = 3_600_000;
const DEFAULT_RETENTION_MS = 7 * 24 * HOUR_MS;

export interface TombstoneOptions {
  readonly tombstones: Tombstones;
  /** In milliseconds. */
  readonly tombstoneRetentionMs: number;
}

/** Fills in defaults. Throws `InvalidOptionsError`. */
export function tombstoneOptions(entity: string, given: Partial<TombstoneOptions>): TombstoneOptions {
  const { tombstones = 'elasticsearch', tombstoneRetentionMs = DEFAULT_RETENTION_MS } = given;
  if (tombstones !== 'elasticsearch' && tombstones !== 'durable') {
    throw new InvalidOptionsError(`${entity}: tombstones is ${String(tombstones)}; use 'elasticsearch' or 'durable'.`, {
      entity,
    });
  }
  if (typeof tombstoneRetentionMs !== 'number' || !(tombstoneRetentionMs >= HOUR_MS)) {
    throw new InvalidOptionsError(
      `${entity}: tombstoneRetentionMs is ${String(tombstoneRetentionMs)}; use at least ${HOUR_MS} (one hour), or Infinity. ` +
        'A late request must still meet the tombstone.',
      { entity, tombstoneRetentionMs },
    );
  }
  return { tombstones, tombstoneRetentionMs };
}
