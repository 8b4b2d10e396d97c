import type { EntityContext } from '../entity/entity.context.js';
import {
  IndexAccessError,
  IndexRejectedError,
  IndexUnavailableError,
  InvalidDocumentError,
  OutcomeUnknownError,
  RowBusyError,
  RowParkedError,
} from '../errors.js';
import type { IndexOutcome } from '../protocol/outcome.js';
import type { RedriveCase } from './redrive.case.js';

/** Why a key could not be re-driven. Facts name the row and its document, never their contents. */
function facts({ binding }: EntityContext, { key, documentId }: RedriveCase): Record<string, unknown> {
  return { entity: binding.name, key: key.id, documentId };
}

export function busy(context: EntityContext, item: RedriveCase, why: string, cause?: unknown): RowBusyError {
  return new RowBusyError(
    `${context.binding.name} ${item.key.id} is being written by somebody else and could not be driven again ${why}. Try again.`,
    facts(context, item),
    cause,
  );
}

export function parked(context: EntityContext, item: RedriveCase): RowParkedError {
  return new RowParkedError(
    `${context.binding.name} ${item.key.id} is parked: it can be driven again once it was retried or discarded.`,
    facts(context, item),
  );
}

export function nameless(context: EntityContext, item: RedriveCase): InvalidDocumentError {
  return new InvalidDocumentError(
    `${context.binding.name} ${item.key.id} has no row, and its document's id cannot be told from the key alone. Give \`documentId\`.`,
    facts(context, item),
  );
}

/** Of a delete that was not applied. */
export function notRemoved(
  context: EntityContext,
  item: RedriveCase,
  outcome: Exclude<IndexOutcome, { kind: 'applied' }>,
): Error {
  const subject = `The document ${item.documentId} of ${context.binding.name}, which has no row,`;
  switch (outcome.kind) {
    case 'conflict':
      return new RowBusyError(
        `${subject} was written again while it was being deleted. Try again.`,
        facts(context, item),
      );
    case 'refused':
      return new IndexRejectedError(
        `${subject} cannot be deleted: Elasticsearch refuses: ${outcome.type}: ${outcome.reason}.`,
        facts(context, item),
      );
    case 'unavailable':
      if (outcome.denied) {
        return new IndexAccessError(
          `${subject} was not deleted: Elasticsearch denies it: ${outcome.reason}. Mend the API key or user, or its privileges.`,
          facts(context, item),
          outcome.cause,
        );
      }
      return new IndexUnavailableError(
        `${subject} was not deleted: ${outcome.reason}. Try again later.`,
        facts(context, item),
        outcome.cause,
      );
    case 'unknown':
      return new OutcomeUnknownError(
        `${subject} may or may not be deleted: ${outcome.reason}. Try again: the same delete does no harm.`,
        facts(context, item),
        outcome.cause,
      );
  }
}
