import { setTimeout as sleep } from 'node:timers/promises';
import type { DataSource } from 'typeorm';
import type { IndexRoute, IndexRoutes, MissedDocuments, RouteUse } from '../elasticsearch/index.route.js';
import { IndexUnavailableError } from '../errors.js';
import type { ReindexView } from './reindex.state.js';
import { ReindexStore } from './reindex.store.js';

/**
 * How long a process may go by what it has read of the state, in milliseconds. Whoever changes the state waits that long, and a
 * tenth more, before he relies on everybody knowing. The longer one is for aliases that nobody is reindexing: one small query each
 * `IDLE_LEASE_MS / 2` while there are writes.
 */
export const IDLE_LEASE_MS = 3_000;
export const ACTIVE_LEASE_MS = 1_000;
/** How long to wait until no process goes by a state that such a lease was given for: clocks do not all run alike. */
export function withMargin(leaseMs: number): number {
  return leaseMs * 1.1 + 20;
}

/** How often writers who wait at the barrier look whether it is open. */
const LOOK_EVERY_MS = 25;
/** After so much of its lease a view is renewed, while it may still be used. */
const RENEW_AFTER = 0.5;
const MICROS_PER_MS = 1_000;
/** How long after an exchange writes from before it are kept back. Longer than any healthy process stands still. */
const OUTDATED_WITHIN_MICROS = 600 * 1_000_000;

/** A state of MySQL, and how long it may be relied on. */
interface Lease {
  readonly route: IndexRoute;
  readonly isClosing: boolean;
  /** By `performance.now()`. */
  readonly until: number;
  readonly renewAt: number;
  /** A write whose version is above was prepared when the lease was over, whatever this process's clock says. */
  readonly untilVersion: number;
}

interface Known {
  readonly store: ReindexStore;
  readonly alias: string;
  latest: Lease | null;
  /** The last one under which writes could begin; those that began under it may go on until it ends. */
  open: Lease | null;
  renewing: Promise<Lease> | null;
}

/**
 * Where documents go, by leases: what was read of `consistent_reindex` holds for a while, counted from before it was read, and
 * is read again after that. So whoever has changed the state and has waited for that while knows that no process goes by the former
 * one any more, and no process needs to be known for it. Renewed by use: an application that writes nothing asks nothing.
 */
export class LeasedRoutes implements IndexRoutes {
  private readonly known = new Map<string, Known | null>();
  private readonly stores = new Map<DataSource, ReindexStore>();

  /** Tables of several DataSources in one index have no common state: such an index cannot be reindexed. */
  register(alias: string, dataSource: DataSource): void {
    const known = this.known.get(alias);
    if (known === undefined) {
      const store = this.stores.get(dataSource) ?? new ReindexStore(dataSource);
      this.stores.set(dataSource, store);
      this.known.set(alias, { store, alias, latest: null, open: null, renewing: null });
    } else if (known && known.store.dataSource !== dataSource) this.known.set(alias, null);
  }

  route(alias: string, use: RouteUse, version = 0): IndexRoute | Promise<IndexRoute> {
    const known = this.known.get(alias);
    if (!known) return { decider: alias, follower: null, sinceVersion: 0 };
    const now = performance.now();
    const lease = use === 'prepared' ? known.open : known.latest;
    if (!lease || now >= lease.until || version > lease.untilVersion) return this.renewed(known, use);
    if (now >= lease.renewAt) this.renewInBackground(known);
    return lease.route;
  }

  barrier(alias: string, timeoutMs: number): Promise<void> | null {
    const known = this.known.get(alias);
    if (!known) return null;
    const now = performance.now();
    const { latest } = known;
    if (!latest || now >= latest.until) return this.entered(known, timeoutMs);
    if (now >= latest.renewAt) this.renewInBackground(known);
    return latest.isClosing ? this.opened(known, timeoutMs) : null;
  }

  async missed(alias: string, { count, reason }: MissedDocuments): Promise<void> {
    await this.known.get(alias)?.store.missed(alias, count, reason);
  }

  /** This process goes by a new state at once. */
  async refresh(alias: string): Promise<void> {
    const known = this.known.get(alias);
    if (!known) return;
    // One that is under way may have read the state before it was changed.
    await known.renewing?.catch(() => undefined);
    await this.renew(known);
  }

  private async renewed(known: Known, use: RouteUse): Promise<IndexRoute> {
    // A reading that began before this write was prepared, or this row was read, tells nothing about it.
    await known.renewing?.catch(() => undefined);
    const { route, isClosing } = await this.renew(known);
    if (use === 'settling' || !isClosing) return route;
    throw new IndexUnavailableError(`the index behind "${known.alias}" is being exchanged; try again`, {
      alias: known.alias,
    });
  }

  /** Before a write that would ask after its prepare anyway: then it would have to be put back where the barrier is closed. */
  private async entered(known: Known, timeoutMs: number): Promise<void> {
    // Where MySQL does not answer, the prepare tells so.
    await this.renew(known).catch(() => undefined);
    if (known.latest?.isClosing) await this.opened(known, timeoutMs);
  }

  private async opened(known: Known, timeoutMs: number): Promise<void> {
    const endsAt = performance.now() + timeoutMs;
    while (known.latest?.isClosing) {
      if (performance.now() > endsAt) {
        throw new IndexUnavailableError(
          `The index behind "${known.alias}" is being exchanged, which took longer than busyTimeoutMs (${timeoutMs}). Nothing was ` +
            'written. Try again.',
          { alias: known.alias },
        );
      }
      await sleep(LOOK_EVERY_MS);
      await this.renew(known);
    }
  }

  private renewInBackground(known: Known): void {
    // Whoever needs it asks again, and hears why.
    this.renew(known).catch(() => undefined);
  }

  /** One at a time. */
  private renew(known: Known): Promise<Lease> {
    known.renewing ??= this.read(known).finally(() => {
      known.renewing = null;
    });
    return known.renewing;
  }

  private async read(known: Known): Promise<Lease> {
    const { store, alias } = known;
    let begunAt = performance.now();
    let view = await store.view(alias);
    if (view?.isClosing && view.isOverdue) {
      await store.reopen(alias, view.epoch);
      begunAt = performance.now();
      view = await store.view(alias);
    }
    const lease = leaseOf(alias, view, begunAt);
    known.latest = lease;
    if (!lease.isClosing) known.open = lease;
    return lease;
  }
}

function leaseOf(alias: string, view: ReindexView | null, begunAt: number): Lease {
  const leaseMs = view === null || view.phase === 'idle' ? IDLE_LEASE_MS : ACTIVE_LEASE_MS;
  const { decider, follower, sinceVersion, isClosing, nowMicros } = view ?? {
    decider: alias,
    follower: null,
    sinceVersion: 0,
    isClosing: false,
    nowMicros: Number.POSITIVE_INFINITY,
  };
  const sinceMicros = nowMicros - sinceVersion;
  const isRecent = sinceMicros >= 0 && sinceMicros < OUTDATED_WITHIN_MICROS;
  return {
    route: { decider, follower, sinceVersion: isRecent ? sinceVersion : 0 },
    isClosing,
    until: begunAt + leaseMs,
    renewAt: begunAt + leaseMs * RENEW_AFTER,
    untilVersion: nowMicros + leaseMs * MICROS_PER_MS,
  };
}
