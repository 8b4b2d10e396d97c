import type { EntityContext, Lane } from '../entity/entity.context.js';
import type { IndexOutcome } from '../protocol/outcome.js';
import { flipOf, type Indexed, notSent } from './completion.js';
import type { IndexRequest } from './index.group.js';
import type { PreparedWrite } from './prepared.write.js';

/*
 * The two steps of a lane, observed where somebody observes. Each has a function of its own for that: one that holds a closure
 * would cost the plain way an allocation.
 */

/** Of one flip, or of each: null, or why it was not carried out. */
export type Flipped = (Error | null) | (Error | null)[];

/** The first try of many documents; never rejects. */
export function sendMany(context: EntityContext, requests: readonly IndexRequest[]): Promise<IndexOutcome[]> {
  return context.instruments.active && requests.length > 0
    ? sendManyObserved(context, requests)
    : sendManyPlainly(context, requests);
}

function sendManyPlainly({ many }: EntityContext, requests: readonly IndexRequest[]): Promise<IndexOutcome[]> {
  return many.index.addMany(requests, notSent).catch((error: unknown) => requests.map(() => notSent(error)));
}

function sendManyObserved(context: EntityContext, requests: readonly IndexRequest[]): Promise<IndexOutcome[]> {
  const send = () => sendManyPlainly(context, requests);
  return context.instruments.run('index', context.binding, requests.length, send, {
    outcomeOf: (outcomes) => outcomes.find(({ kind }) => kind !== 'applied')?.kind ?? 'applied',
  });
}

/** One document with its retries. */
export function indexObserved({ context }: PreparedWrite, index: () => Promise<Indexed>): Promise<Indexed> {
  return context.instruments.run('index', context.binding, 1, index, { outcomeOf: ({ outcome }) => outcome.kind });
}

/** Flips of one entity. */
export function addFlips(context: EntityContext, lane: Lane, writes: readonly PreparedWrite[]): Promise<Flipped> {
  return context.instruments.active ? addFlipsObserved(context, lane, writes) : addFlipsPlainly(lane, writes);
}

function addFlipsPlainly({ flips }: Lane, writes: readonly PreparedWrite[]): Promise<Flipped> {
  if (writes.length === 1) return flips.add(flipOf(writes[0]!));
  return flips.addMany(writes.map(flipOf), (error) => error as Error);
}

function addFlipsObserved(context: EntityContext, lane: Lane, writes: readonly PreparedWrite[]): Promise<Flipped> {
  return context.instruments.run('flip', context.binding, writes.length, () => addFlipsPlainly(lane, writes), {
    outcomeOf: (errors) => ((Array.isArray(errors) ? errors : [errors]).some(Boolean) ? 'failed' : 'ok'),
  });
}
