import type { ConsistentError } from '../errors.js';
import type { IndexOutcome } from '../protocol/outcome.js';
import type { Flip } from './flip.group.js';
import type { IndexRequest } from './index.group.js';
import type { PreparedWrite } from './prepared.write.js';
import { indexDenied, indexRejected, indexUnavailable } from './write.errors.js';

/** How one prepared write ended. */
export type Completion =
  /** In both stores (or decided there; the flip may still follow). */
  | { readonly status: 'committed' }
  /** `decider: 'mysql'` only: decided and durable in MySQL, the index follows. */
  | { readonly status: 'deferred' }
  | { readonly status: 'failed'; readonly error: ConsistentError };

/** The answer to the last try. `doubtful`: one before it may have been applied. */
export interface Indexed {
  readonly outcome: IndexOutcome;
  readonly doubtful: boolean;
}

export const COMMITTED: Completion = { status: 'committed' };
export const DEFERRED: Completion = { status: 'deferred' };

/** The answer to a try that was made together with others', and when its time is over. */
export interface FirstTry {
  readonly endsAt: number;
  readonly outcome: IndexOutcome;
}

export function requestOf({ documentId: id, version, body }: PreparedWrite, endsAt: number): IndexRequest {
  return { write: { id, version, body }, endsAt };
}

export function flipOf({ key, version, pending }: PreparedWrite): Flip {
  return { key, version, operation: pending.operation };
}

/** Refused by the queue: certainly not applied. */
export function notSent(error: unknown): IndexOutcome {
  return { kind: 'unavailable', certain: true, reason: (error as Error).message, cause: error };
}

export type NotTaken = Extract<IndexOutcome, { kind: 'refused' | 'unavailable' }>;

/** What the caller gets once it is certain that nothing was applied. */
export function notTaken(write: PreparedWrite, outcome: NotTaken): ConsistentError {
  if (outcome.kind === 'refused') return indexRejected(write, outcome);
  const { reason, cause, denied } = outcome;
  return denied ? indexDenied(write, reason, cause) : indexUnavailable(write, reason, cause);
}

export function failed(error: ConsistentError): Completion {
  return { status: 'failed', error };
}
