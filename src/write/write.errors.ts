import {
  IndexAccessError,
  IndexRejectedError,
  IndexUnavailableError,
  OutcomeUnknownError,
  RowParkedError,
  WriteAbortedError,
} from '../errors.js';
import type { IndexOutcome } from '../protocol/outcome.js';
import type { EntityContext } from '../entity/entity.context.js';
import type { RowKey } from '../entity/row.key.js';
import type { PendingWrite } from '../protocol/row.js';
import type { PreparedWrite } from './prepared.write.js';

/** What every error about one write tells: enough to find the row and its document, nothing of their contents. */
function facts(write: PreparedWrite): Record<string, unknown> {
  return {
    entity: write.context.binding.name,
    key: write.key.id,
    documentId: write.documentId,
    operation: write.pending.operation,
    version: write.version,
    deadline: write.deadline,
  };
}

function subject(write: PreparedWrite): string {
  return `${write.pending.operation} of ${write.context.binding.name} ${write.key.id} at version ${write.version}`;
}

export function outcomeUnknown(write: PreparedWrite, reason: string, cause?: unknown): OutcomeUnknownError {
  return new OutcomeUnknownError(
    `The ${subject(write)} may or may not have happened: ${reason}. The row stays in prepare until ${write.deadline} ` +
      '(UTC) at most; the next read or the sweeper settles it. Read the row to learn its fate; do not repeat the write blindly.',
    { ...facts(write), reason },
    cause,
  );
}

export function indexRejected(
  write: PreparedWrite,
  outcome: Extract<IndexOutcome, { kind: 'refused' }>,
): IndexRejectedError {
  return new IndexRejectedError(
    `Elasticsearch refuses the document of the ${subject(write)}: ${outcome.type}: ${outcome.reason}. The row is as it was ` +
      'before. Correct the value or the mapping.',
    { ...facts(write), status: outcome.status, type: outcome.type, reason: outcome.reason },
  );
}

export function indexUnavailable(write: PreparedWrite, reason: string, cause?: unknown): IndexUnavailableError {
  return new IndexUnavailableError(
    `Elasticsearch did not take the ${subject(write)}: ${reason}. The row is as it was before. Try again later.`,
    { ...facts(write), reason },
    cause,
  );
}

export function indexDenied(write: PreparedWrite, reason: string, cause?: unknown): IndexAccessError {
  return new IndexAccessError(
    `Elasticsearch denies the ${subject(write)}: ${reason}. The row is as it was before. Mend the API key or user of the option ` +
      '`elasticsearch`, its privileges on the index, or the block on the index; open a closed index; then write again.',
    { ...facts(write), reason },
    cause,
  );
}

export function writeAborted(write: PreparedWrite): WriteAbortedError {
  return new WriteAbortedError(
    `The ${subject(write)} took longer than its deadline and was settled as not happened. Try again.`,
    facts(write),
  );
}

export function rowParked(write: PreparedWrite, reason: string): RowParkedError {
  return new RowParkedError(
    `The ${subject(write)} can be neither committed nor undone by itself (${reason}). It waits among the parked rows.`,
    { ...facts(write), reason },
  );
}

/** A prepare by one statement, of which only this is known. `key` is undefined where MySQL gives the id. */
export interface LoneWrite {
  readonly pending: PendingWrite;
  readonly key: RowKey | undefined;
}

function loneFacts({ binding }: EntityContext, { pending, key }: LoneWrite): Record<string, unknown> {
  return { entity: binding.name, key: key?.id, operation: pending.operation };
}

function loneSubject({ binding }: EntityContext, { pending, key }: LoneWrite): string {
  return `${pending.operation} of ${binding.name} ${key?.id ?? '(new)'}`;
}

export function lonePrepareUnknown(
  context: EntityContext,
  write: LoneWrite,
  reason: string,
  cause: unknown,
): OutcomeUnknownError {
  return new OutcomeUnknownError(
    `The ${loneSubject(context, write)} may or may not have been prepared: ${reason}. No document was sent: a row that was ` +
      `prepared is restored by the next read or the sweeper, ${context.options.deadlineMs} ms later at the earliest. Read the ` +
      'row to learn its fate; do not repeat the write blindly.',
    { ...loneFacts(context, write), reason },
    cause,
  );
}

export function lonePrepareAborted(context: EntityContext, write: LoneWrite): WriteAbortedError {
  return new WriteAbortedError(
    `The ${loneSubject(context, write)} took longer than its deadline and was settled as not happened. Try again.`,
    loneFacts(context, write),
  );
}
