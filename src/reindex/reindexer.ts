import type { Client, estypes } from '@elastic/elasticsearch';
import type { DataSource } from 'typeorm';
import { withProtocolFields } from '../elasticsearch/index.bootstrap.js';
import { seatOf } from '../elasticsearch/index.route.js';
import type { EntityContext } from '../entity/entity.context.js';
import { ReindexInterruptedError, ReindexRunningError, ReindexStateError } from '../errors.js';
import { NamedLock } from '../mysql/named.lock.js';
import type { Redriver } from '../settle/redriver.js';
import type { Verifier } from '../verify/verifier.js';
import { ClosableRuns } from '../walk/closable.runs.js';
import { exchange } from './index.exchange.js';
import { ACTIVE_LEASE_MS, IDLE_LEASE_MS, type LeasedRoutes } from './index.routes.js';
import { aliasHidesTombstones, IndexSeats } from './index.seats.js';
import { reindexable } from './reindex.contexts.js';
import { asInterrupted } from './reindex.interruption.js';
import { resolveReindexOptions } from './reindex.options.js';
import { ReindexSession } from './reindex.session.js';
import type { KeptReindex } from './reindex.state.js';
import { ReindexStore } from './reindex.store.js';
import type { FinishOptions, ReindexOptions, ReindexResult, ReindexStatus, RollbackOptions } from './reindex.types.js';
import { fillCurrent } from './table.fill.js';
import { copyTables, refuseProblems } from './table.copy.js';
import { copyTombstones } from './tombstone.copier.js';

/** How long writes from before the reindex may take to end, beside their deadline. */
const ARMING_MS = 60_000;

export interface ReindexerParts {
  readonly client: Client;
  readonly redriver: Pick<Redriver, 'redrive'>;
  readonly verifier: Pick<Verifier, 'verify'>;
  readonly routes: LeasedRoutes;
  readonly contexts: () => readonly EntityContext[];
}

/**
 * Exchanges the index behind an alias while it is in use:
 *
 * ```
 *          create the new index
 *   idle ───────────────────────► following ── arm ── copy ── verify ──┐
 *    ▲                              ▲   │ rollback: the new index goes  │ barrier: exchange
 *    │                              │   ▼                               ▼
 *    ├──────────────────────────────┼─ idle                          swapped: the former index follows
 *    │ finish: the former one stays │ rollback: barrier: exchange back  │
 *    └──────────────────────────────┴───────────────────────────────────┘
 * ```
 *
 * Each arrow is one statement on `consistent_reindex`; whatever dies between two goes on from the last. See docs/reindex.md.
 */
export class Reindexer {
  private readonly runs = new ClosableRuns();

  constructor(private readonly parts: ReindexerParts) {}

  /** Begins, or goes on, until the new index has the alias. */
  reindex(context: EntityContext, given: ReindexOptions = {}): Promise<ReindexResult> {
    return this.working(context, given, async (session) => {
      if (session.parts.options.into === 'current') return fillCurrent(session, this.parts.verifier);
      const { phase, step } = session.state;
      if (phase === 'swapped') {
        throw new ReindexStateError(
          `The new index of "${session.parts.alias}" has the alias already. Call finishReindex() or rollbackReindex().`,
          { step },
        );
      }
      if (step === ROLLING_BACK) throw unfinishedRollback(session);
      if (phase === 'idle') await this.begin(session);
      if (session.state.step === ARMING) await this.arm(session);
      if (session.state.step === COPYING) await this.copy(session);
      await exchange(session, SWAPPED);
      return resultOf(session);
    });
  }

  /** Null where there never was one. */
  async status(context: EntityContext): Promise<ReindexStatus | null> {
    const { alias, dataSource } = context.binding;
    const kept = await new ReindexStore(dataSource).load(alias);
    if (!kept || (kept.phase === 'idle' && kept.step === 'idle')) return null;
    const seats = new IndexSeats(this.parts.client, { alias, hidesTombstones: false });
    return statusOf(kept, await seats.current().catch(() => null));
  }

  /** Back to the former index; the new one is given up. */
  rollback(context: EntityContext, { keepIndex = false, ...given }: RollbackOptions = {}): Promise<ReindexStatus> {
    return this.working(context, given, async (session) => {
      const { seats } = session.parts;
      if (session.state.phase === 'swapped') {
        await session.keep({ step: ROLLING_BACK });
        await exchange(session, ROLLING_BACK);
      }
      if (session.state.phase === 'following') {
        await seats.giveAlias(session.decidingIndex, 'for-writing');
        await session.advance({ phase: 'idle', step: ROLLED_BACK, decider: null, follower: null });
      }
      const { step, formerIndex, nextIndex } = session.state;
      if (step !== ROLLED_BACK) throw nothingTo('roll back', session);
      await session.waitForAll(ACTIVE_LEASE_MS);
      if (!keepIndex) await seats.remove(nextIndex!);
      await seats.unseat(keepIndex ? [formerIndex, nextIndex] : [formerIndex]);
      return statusOf(session.state, await seats.current());
    });
  }

  /** The former index gets no more writes: there is no way back to it. */
  finish(context: EntityContext, { deleteFormer = false }: FinishOptions = {}): Promise<ReindexStatus> {
    return this.working(context, {}, async (session) => {
      const { seats, alias } = session.parts;
      if (session.state.phase === 'following') {
        if (session.state.step === ROLLING_BACK) throw unfinishedRollback(session);
        throw new ReindexStateError(
          `The new index of "${alias}" does not have the alias yet. Call reindex(), or rollbackReindex() to give it up.`,
          { alias },
        );
      }
      if (session.state.phase === 'swapped') {
        await seats.giveAlias(session.decidingIndex, 'for-writing');
        await session.advance({ phase: 'idle', step: FINISHED, decider: null, follower: null });
      }
      const { step, formerIndex, nextIndex } = session.state;
      if (step !== FINISHED) throw nothingTo('finish', session);
      await session.waitForAll(ACTIVE_LEASE_MS);
      if (deleteFormer) await seats.remove(formerIndex!);
      await seats.unseat(deleteFormer ? [nextIndex] : [formerIndex, nextIndex]);
      return statusOf(session.state, await seats.current());
    });
  }

  /** Gives runs under way up, at places that later ones can go on from, and waits for their end. */
  close(): Promise<void> {
    return this.runs.close();
  }

  private async begin(session: ReindexSession): Promise<void> {
    const { seats, alias, contexts, options, hidesTombstones } = session.parts;
    const mappings = options.mappings ?? declaredMapping(contexts);
    const settings = contexts.find(({ binding }) => binding.options.settings)?.binding.options.settings;
    const durableTombstones = hidesTombstones;
    const former = await seats.current();
    const next = await seats.create(former, {
      mappings: withProtocolFields({ alias, durableTombstones, ...(mappings ? { mappings } : {}) }),
      settings: options.settings ?? settings ?? {},
      gcDeletesMs: Math.max(...contexts.map((context) => context.options.gcDeletesMs)),
    });
    await seats.seat(former);
    await session.advance({
      phase: 'following',
      step: ARMING,
      formerIndex: former,
      nextIndex: next,
      decider: seatOf(former),
      follower: seatOf(next),
      progress: {},
      starts: true,
    });
  }

  /** From here on every write comes to both indices; those of before end in the former one, where the copy finds their rows. */
  private async arm(session: ReindexSession): Promise<void> {
    const { alias, contexts, signal } = session.parts;
    session.tell('arming');
    await session.waitForAll(IDLE_LEASE_MS);
    const longestMs = Math.max(...contexts.map(({ options }) => options.deadlineMs)) + ARMING_MS;
    if (!(await session.drain.presentOnes({ endsAt: performance.now() + longestMs, signal }))) {
      throw new ReindexInterruptedError(
        `"${alias}": writes from before the reindex could not be settled. Call it again.`,
        {
          alias,
        },
      );
    }
    // Nobody who knows of the reindex sends to the alias any more; who does not is to learn of it.
    await session.parts.seats.giveAlias(session.decidingIndex, 'only-for-reading');
    await session.keep({ step: COPYING, arms: true });
  }

  private async copy(session: ReindexSession): Promise<void> {
    const { client, hidesTombstones, options, signal } = session.parts;
    const to = seatOf(session.followingIndex);
    if (hidesTombstones) {
      const { timeoutMs } = options;
      await copyTombstones(client, session.documentsFor(to), { from: session.decidingIndex, to, timeoutMs, signal });
    }
    await copyTables(session, to);
    await session.keep({ step: VERIFYING });
    refuseProblems(session, 'documents are refused by the new index, so nothing was exchanged');
  }

  /** Under the lock of the alias; what a store did not answer is told as an interruption. */
  private working<T>(
    context: EntityContext,
    given: ReindexOptions,
    work: (session: ReindexSession) => Promise<T>,
  ): Promise<T> {
    return this.runs.add(this.lockedWork(context, given, work));
  }

  private async lockedWork<T>(
    { binding: { alias, dataSource } }: EntityContext,
    given: ReindexOptions,
    work: (session: ReindexSession) => Promise<T>,
  ): Promise<T> {
    const { client, redriver, routes } = this.parts;
    const options = resolveReindexOptions(given);
    const contexts = reindexable(this.parts.contexts(), alias);
    const signal = this.runs.signal(options.signal);
    const lock = await takeLock(dataSource, alias);
    try {
      const isDurable = contexts.some(({ binding }) => binding.tombstones === 'durable');
      const hidesTombstones = isDurable || (await aliasHidesTombstones(client, alias));
      const seats = new IndexSeats(client, { alias, hidesTombstones });
      const store = new ReindexStore(dataSource);
      const parts = { alias, contexts, client, redriver, routes, store, seats, hidesTombstones, signal, options };
      return await work(await ReindexSession.open(parts));
    } catch (error) {
      throw asInterrupted(error, alias, signal);
    } finally {
      await lock.release();
    }
  }
}

const ARMING = 'arming';
const COPYING = 'copying';
const VERIFYING = 'verifying';
const SWAPPED = 'swapped';
const FINISHED = 'finished';
const ROLLING_BACK = 'rolling-back';
const ROLLED_BACK = 'rolled-back';

/** Tables that share an index each declare their own fields. */
function declaredMapping(contexts: readonly EntityContext[]): estypes.MappingTypeMapping | undefined {
  const all = contexts.flatMap(({ binding }) => binding.options.mappings ?? []);
  if (all.length === 0) return undefined;
  const properties = Object.assign({}, ...all.map((mapping) => mapping.properties ?? {})) as NonNullable<
    estypes.MappingTypeMapping['properties']
  >;
  return { ...all[0], properties };
}

/**
 * One process at a time works on the index of an alias. It spares two of them the work of each other; what keeps them from harm is the
 * epoch.
 */
async function takeLock(dataSource: DataSource, alias: string): Promise<NamedLock> {
  const lock = await NamedLock.take(dataSource, 'reindex', alias);
  if (lock) return lock;
  throw new ReindexRunningError(`The index of "${alias}" is being worked on already; wait for that run.`, { alias });
}

function resultOf(session: ReindexSession): ReindexResult {
  const { state, mended, untold, seconds, closedForMs } = session;
  return {
    alias: state.alias,
    formerIndex: state.formerIndex,
    index: state.nextIndex!,
    ...copiedSoFar(state),
    mended,
    untold,
    barrierMs: Math.round(closedForMs),
    seconds,
  };
}

function statusOf(kept: KeptReindex, index: string | null): ReindexStatus {
  const { alias, phase, step, formerIndex, nextIndex, missed, lastMissed, startedAt, updatedAt } = kept;
  return {
    alias,
    phase,
    step,
    formerIndex,
    newIndex: nextIndex,
    index,
    missed,
    lastMissed,
    ...copiedSoFar(kept),
    startedAt,
    updatedAt,
  };
}

/** Of all tables whose documents are in the index. */
function copiedSoFar({ progress }: KeptReindex): Pick<ReindexResult, 'rows' | 'copied'> {
  const places = Object.values(progress);
  return {
    rows: places.reduce((sum, { rows }) => sum + rows, 0),
    copied: places.reduce((sum, { copied }) => sum + copied, 0),
  };
}

function unfinishedRollback({ parts: { alias } }: ReindexSession): ReindexStateError {
  return new ReindexStateError(`A rollback of "${alias}" did not come to its end. Call rollbackReindex() again.`, {
    alias,
  });
}

function nothingTo(what: string, { parts: { alias } }: ReindexSession): ReindexStateError {
  return new ReindexStateError(`There is no reindex of "${alias}" to ${what}.`, { alias });
}
