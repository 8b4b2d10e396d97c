import { ReindexInterruptedError, ReindexRefusedError } from '../errors.js';
import { checkFollower } from './follower.check.js';
import { ACTIVE_LEASE_MS } from './index.routes.js';
import type { ReindexSession } from './reindex.session.js';

/** Nothing is begun any more so shortly before the barrier opens by itself. */
const LAST_MS = 300;
const MAX_ROUNDS = 5;
/** How often the barrier is closed, where writes under way do not end in time, before the caller is told. */
const MAX_TRIES = 3;
const REFRESH_MS = 60_000;
const DRAIN_EXTRA_MS = 10_000;

/**
 * The index that follows becomes the one that decides, and the other way round: once it was compared and equal, and while no write is
 * under way.
 *
 * Writers are held back from the closing of the barrier on. A process learns of it when its lease ends at the latest, so after that
 * wait no prepared row can be sent any more but those that are in `prepare` now; these are waited for. Then nothing is undecided, both
 * indices hold the same, and the state is moved in one statement, which fails once the barrier is over.
 */
export async function exchange(session: ReindexSession, step: string): Promise<void> {
  // Also where a call that was to end the reindex has died in mid-step.
  await session.parts.seats.giveAlias(session.decidingIndex, 'only-for-reading');
  for (let round = 1; round <= MAX_ROUNDS; round++) {
    await session.reload();
    const { missed } = session.state;
    await checkFollower(session);
    await waitForLateRequests(session);
    for (let tries = 1; ; tries++) {
      const end = await exchangeBehindBarrier(session, step, missed);
      if (end === 'exchanged') return;
      if (end === 'missed') break;
      if (tries >= MAX_TRIES) throw notDrained(session);
    }
  }
  const { alias } = session.parts;
  throw new ReindexInterruptedError(
    `"${alias}": the index that follows keeps missing documents (${session.state.lastMissed}). Remove the cause, then call again.`,
    { alias, missed: session.state.missed },
  );
}

/** `missed`: the follower lacks something since it was compared. `busy`: writes under way did not end in time. */
type BarrierEnd = 'exchanged' | 'missed' | 'busy';

/** Requests that name the alias itself were sent before the reindex began: after the exchange they would land in the new index. */
async function waitForLateRequests(session: ReindexSession): Promise<void> {
  await session.reload();
  const { phase, armedForMs } = session.state;
  const { options, contexts } = session.parts;
  if (phase !== 'following') return;
  const isDurable = contexts.every(({ binding }) => binding.tombstones === 'durable');
  const deadlineMs = Math.max(...contexts.map((context) => context.options.deadlineMs));
  const waitMs = (options.lateRequestMs ?? (isDurable ? 0 : 10 * deadlineMs)) - (armedForMs ?? 0);
  if (waitMs <= 0) return;
  session.tell('waiting');
  await session.pause(waitMs);
}

async function exchangeBehindBarrier(session: ReindexSession, step: string, missed: number): Promise<BarrierEnd> {
  const { seats, options, signal } = session.parts;
  const target = session.followingIndex;
  await seats.refresh(target, REFRESH_MS);
  // What was abandoned must not hold the barrier up.
  const deadlineMs = Math.max(...session.parts.contexts.map((context) => context.options.deadlineMs));
  await session.drain.presentOnes({ endsAt: performance.now() + deadlineMs + DRAIN_EXTRA_MS, signal });
  session.tell('closing');
  const closedAt = performance.now();
  await session.advance({ closesForMs: options.barrierMs });
  const endsAt = closedAt + options.barrierMs - LAST_MS;
  try {
    await session.waitForAll(ACTIVE_LEASE_MS);
    const isDrained = await session.drain.all({ endsAt, signal });
    await session.reload();
    if (session.state.missed !== missed) {
      await opened(session);
      return 'missed';
    }
    await refuseParked(session);
    if (!isDrained) {
      await opened(session);
      return 'busy';
    }
    await seats.refresh(target, Math.max(1, endsAt - performance.now()));
    session.tell('swapping');
    if (performance.now() > endsAt) throw notDrained(session);
    await seats.giveAlias(target, 'only-for-reading');
    const { decider, follower, phase } = session.state;
    const next = phase === 'following' ? 'swapped' : 'following';
    await session.advance({
      phase: next,
      step,
      decider: follower,
      follower: decider,
      closesForMs: null,
      exchanges: true,
    });
    session.closedForMs = performance.now() - closedAt;
    return 'exchanged';
  } catch (error) {
    await opened(session).catch(() => undefined);
    throw error;
  }
}

/** Writers go on as before. The alias stays with the index that decides. */
async function opened(session: ReindexSession): Promise<void> {
  const { store, alias, seats } = session.parts;
  await store.advance(alias, session.state.epoch, { closesForMs: null });
  await session.reload();
  if (session.state.phase !== 'idle') await seats.giveAlias(session.decidingIndex, 'only-for-reading');
}

async function refuseParked(session: ReindexSession): Promise<void> {
  const { contexts, alias } = session.parts;
  for (const { parked, binding } of contexts) {
    const rows = (await parked.list(MOST_PARKED)).filter(({ table }) => table === binding.metadata.tablePath);
    if (rows.length === 0) continue;
    throw new ReindexRefusedError(
      `${binding.name} has ${rows.length} parked rows, which the index behind "${alias}" decides: settle or discard them first.`,
      { alias, count: rows.length, problems: rows.map((row) => problemOf(binding.name, row.documentId)) },
    );
  }
}

const MOST_PARKED = 1_000;

function problemOf(entity: string, documentId: string) {
  return { entity, documentId, reason: 'the row is parked' };
}

function notDrained({ parts: { alias, options } }: ReindexSession): ReindexInterruptedError {
  return new ReindexInterruptedError(
    `"${alias}": writes under way did not end within barrierMs (${options.barrierMs}). Writers go on; call again, or raise it.`,
    { alias, barrierMs: options.barrierMs },
  );
}
