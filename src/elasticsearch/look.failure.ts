import { ConsistentError } from '../errors.js';

/**
 * Elasticsearch could not be read (not reached, alias missing, unreadable answer). It says nothing about the documents:
 * absence must never be concluded from it. Do: look again later. The cause is the client's error, where there is one.
 */
export class LookFailedError extends ConsistentError {
  readonly code = 'LOOK_FAILED';
  readonly retryable = true;
}
