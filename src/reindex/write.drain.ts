import { setTimeout as sleep } from 'node:timers/promises';
import type { EntityContext } from '../entity/entity.context.js';
import type { RowKey } from '../entity/row.key.js';

const MOST_ROWS = 100_000;
const SETTLE_BATCH = 500;
const PAUSE_MS = 20;

/** A write under way: the row, and the version that it was prepared at. */
interface Pending {
  readonly context: EntityContext;
  readonly key: RowKey;
  readonly version: number;
}

export interface DrainOptions {
  /** By `performance.now()`. */
  readonly endsAt: number;
  readonly signal: AbortSignal;
}

/** Waits for writes under way, and settles those that nobody carries on. What is parked waits for a person, not for this. */
export class WriteDrain {
  constructor(private readonly contexts: readonly EntityContext[]) {}

  /** True once every row that was in `prepare` at the beginning has been settled, or has moved on. */
  async presentOnes({ endsAt, signal }: DrainOptions): Promise<boolean> {
    let open = await this.undecided();
    for (;;) {
      await this.settle(open);
      open = await this.stillOpen(open);
      if (open.length === 0) return true;
      if (performance.now() > endsAt) return false;
      await sleep(PAUSE_MS, undefined, { signal });
    }
  }

  /** True once no row at all is in `prepare`. */
  async all({ endsAt, signal }: DrainOptions): Promise<boolean> {
    for (;;) {
      const open = await this.undecided();
      if (open.length === 0) return true;
      await this.settle(open);
      if (performance.now() > endsAt) return false;
      await sleep(PAUSE_MS, undefined, { signal });
    }
  }

  private async undecided(): Promise<Pending[]> {
    const lists = this.contexts.map(async (context) => {
      const rows = await context.store.undecided(MOST_ROWS, false);
      return rows.map(({ key, version }) => ({ context, key, version }));
    });
    return (await Promise.all(lists)).flat();
  }

  /** What cannot be settled yet stays open; it is looked at again. */
  private async settle(open: readonly Pending[]): Promise<void> {
    for (const [context, keys] of byContext(open)) {
      const { writeTimeoutMs } = context.options;
      for (let from = 0; from < keys.length; from += SETTLE_BATCH) {
        const some = keys.slice(from, from + SETTLE_BATCH);
        await context.settler.resolve(some, { purpose: 'operator', timeoutMs: writeTimeoutMs });
      }
    }
  }

  private async stillOpen(open: readonly Pending[]): Promise<Pending[]> {
    const versions = new Map(open.map(({ context, key, version }) => [`${context.binding.name} ${key.id}`, version]));
    const now = await this.undecided();
    return now.filter(({ context, key, version }) => versions.get(`${context.binding.name} ${key.id}`) === version);
  }
}

function byContext(open: readonly Pending[]): Map<EntityContext, RowKey[]> {
  const groups = new Map<EntityContext, RowKey[]>();
  for (const { context, key } of open) {
    const keys = groups.get(context);
    if (keys) keys.push(key);
    else groups.set(context, [key]);
  }
  return groups;
}
