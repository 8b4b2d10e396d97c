import type { DocumentWrite, IndexOutcome } from '../protocol/outcome.js';
import { CERTIFICATE_CODES, CERTIFICATE_MESSAGES, isCertificateRefused } from '../certificate.errors.js';
import { SendFailure } from './send.failure.js';

/**
 * What an answer or an exception of Elasticsearch's client proves about a versioned write. Pure.
 *
 * One rule: certain only if certain. "Not applied" is claimed only where the request provably never left, or where
 * Elasticsearch itself (or a server that answers before it forwards) said no. All else is `unknown`, and the race for
 * the slot finds out.
 */

/** Long enough for a person, too short to carry a document away. */
const MAX_REASON_CHARACTERS = 500;

/** Where Elasticsearch quotes a document's values: errors and logs are no place for a row's contents. */
const QUOTED_CONTENTS = /\.? Preview of field's value: .*$|, the prefix of the first immense term is: .*$/is;

/** Codes of errors that happen before there is a connection. */
const NEVER_CONNECTED_CODES = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
  ...CERTIFICATE_CODES,
]);

/**
 * The messages of those errors, where the client dropped the code. Node writes `<system call> <code> <address>`, so the
 * beginning names the call that failed; `read ECONNRESET` or `socket hang up` must never match.
 */
const NEVER_CONNECTED_MESSAGES = [
  /^connect (ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|EADDRNOTAVAIL) /,
  /^getaddrinfo (ENOTFOUND|EAI_AGAIN) /,
  /^Connect Timeout Error\b/,
  /^Client network socket disconnected before secure TLS connection was established/,
  ...CERTIFICATE_MESSAGES,
];

/**
 * Without Elasticsearch's own error body these come from something in front of it, which decided on the request's line,
 * headers or declared length, before it forwarded anything. 403, 404 and 409 are not here: content filters may block the
 * *answer* with 403 after the request was executed, and a 404 or 409 may be about anything.
 */
const REFUSED_BEFORE_FORWARDING = new Set([400, 405, 411, 413, 414, 431]);
/** Elasticsearch refuses the user or the key, or the index is closed to writes: checked before anything is done, whatever the document. */
const DENIED = new Set([401, 403]);
/** The same, said by something in front; a 403 of that may be about the answer. */
const DENIED_IN_FRONT = new Set([401, 407]);

/** The index is closed, or its alias leads to several: no document would be taken. */
const CLOSED = 'index_closed_exception';
const NO_WRITE_INDEX = /^no write index is defined for alias/;
const NOT_SEEN =
  '. If the index is being exchanged (reindex), this instance does not know of it: GRANT SELECT, INSERT, UPDATE ON its ' +
  "database's consistent_reindex TO its MySQL user, or run this version of the library everywhere";
const MISSING = new Set(['index_not_found_exception', 'alias_not_found_exception']);

/**
 * An ingest pipeline ended with its `drop` processor. Pipelines run before a shard is chosen, and no shard answers a put with `noop`: so
 * nothing was applied, whatever the document's version, and the slot is free.
 */
const DROPPED: IndexOutcome = {
  kind: 'refused',
  status: 200,
  type: 'dropped_by_pipeline',
  reason:
    'an ingest pipeline drops this document: leave such rows out of the index with the option `when`, or take the drop processor out of ' +
    'the pipeline',
};

interface ErrorBody {
  readonly type: string;
  readonly reason: string;
}

interface BulkItemAnswer {
  readonly _id?: unknown;
  readonly _index?: unknown;
  readonly _version?: unknown;
  readonly status?: unknown;
  readonly result?: unknown;
  readonly error?: { readonly type?: unknown; readonly reason?: unknown };
}

/**
 * One item of a `_bulk` answer: `{index: {…}}` or `{delete: {…}}`. With `write`, the item must also be about that
 * document and that version: an answer that was mixed up on its way proves nothing. With `alias`, it must have reached
 * the index behind it, not an index that took the alias's name (Elasticsearch lets deletes through to such a one).
 */
export function classifyBulkItem(item: unknown, write?: DocumentWrite, alias?: string): IndexOutcome {
  const entry = isRecord(item) ? Object.entries(item) : [];
  const [operation, answer] = entry[0] ?? [];
  if (entry.length !== 1 || !isRecord(answer)) return unknown('an item of the bulk answer is unreadable');
  if (write && (operation !== (write.body === null ? 'delete' : 'index') || answer['_id'] !== write.id)) {
    return unknown('an item of the bulk answer is about something else');
  }
  const { status, result, error, _version, _index } = answer as BulkItemAnswer;
  if (typeof status !== 'number') return unknown('an item of the bulk answer has no status');
  if (error !== undefined) return failedItem(status, readError(error));
  const dropped = operation === 'index' && status === 200 && result === 'noop';
  if (dropped && (!write || _version === write.version)) return DROPPED;
  // The delete of a missing document answers 404 not_found and still takes the slot at its version.
  const taken =
    ((status === 200 || status === 201) && (result === 'created' || result === 'updated' || result === 'deleted')) ||
    (status === 404 && operation === 'delete' && result === 'not_found');
  if (!taken) return unknown(`an item of the bulk answer has status ${status} and result ${String(result)}`);
  if (alias !== undefined && _index === alias) return unknown(`"${alias}" is an index, not an alias`);
  if (write && _version !== write.version) return unknown(`the bulk answer speaks of version ${String(_version)}`);
  return { kind: 'applied' };
}

function failedItem(status: number, { type, reason }: ErrorBody): IndexOutcome {
  if (status === 409 && type === 'version_conflict_engine_exception') return { kind: 'conflict' };
  // The last of the tries that the coordinating node made was answered so; the ones before it may have been applied.
  if (status === 429 || status === 503) return { kind: 'unavailable', certain: false, reason: `${type}: ${reason}` };
  if (DENIED.has(status) && type !== '') return denied(`${type}: ${reason}`);
  if (type === CLOSED) return denied(`${type}: ${reason}`);
  if (NO_WRITE_INDEX.test(reason)) return denied(`${type}: ${reason}${NOT_SEEN}`);
  // A 404 of a shard that moves away can follow an inner try that was applied; a missing index or alias cannot.
  const gone = type === 'index_not_found_exception' || type === 'alias_not_found_exception';
  const refused = status >= 400 && status < 500 && status !== 408 && status !== 409 && (status !== 404 || gone);
  if (refused && type !== '') return { kind: 'refused', status, type, reason };
  return unknown(`status ${status}: ${type}: ${reason}`);
}

/**
 * For who writes and settles rows: where the index itself is not there, the document had no part in it. It is to be sent again
 * later, and no row is to wait for a person.
 */
export function notForMissingIndex(outcome: IndexOutcome): IndexOutcome {
  if (outcome.kind !== 'refused' || !MISSING.has(outcome.type)) return outcome;
  return { kind: 'unavailable', certain: true, reason: `${outcome.type}: ${outcome.reason}` };
}

/** A whole request that failed: a SendFailure, or an exception of @elastic/elasticsearch 8.19 or 9. */
export function classifyFailure(error: unknown): IndexOutcome {
  const failure = error instanceof SendFailure ? error : null;
  const thrown = failure ? failure.cause : error;
  const reason = reasonOf(thrown ?? failure);
  const cause = thrown ?? failure;
  if (failure?.progress === 'never-sent') {
    return isCertificateRefused(thrown) ? denied(reason, cause) : { kind: 'unavailable', certain: true, reason, cause };
  }
  if (!(thrown instanceof Error) && !isRecord(thrown)) return { kind: 'unknown', reason, cause };
  // We switch the client's retries off. If something switched them on again, an earlier try may have been applied.
  if (attemptsBefore(thrown) > 0) return { kind: 'unknown', reason: `after a retry by the client: ${reason}`, cause };
  const name = (thrown as { name?: unknown }).name;
  if (name === 'ResponseError') return classifyResponse(thrown as Error, reason);
  if (name === 'NoLivingConnectionsError') return { kind: 'unavailable', certain: true, reason, cause };
  // Sent and then refused: something below the client tried a second time, and the first try may have landed.
  if (failure?.progress !== 'sent' && neverConnected(thrown)) {
    return isCertificateRefused(thrown) ? denied(reason, cause) : { kind: 'unavailable', certain: true, reason, cause };
  }
  return { kind: 'unknown', reason, cause };
}

function classifyResponse(cause: Error, reason: string): IndexOutcome {
  const { statusCode: status, body } = (cause as { meta?: { statusCode?: unknown; body?: unknown } }).meta ?? {};
  if (typeof status !== 'number') return { kind: 'unknown', reason, cause };
  const own = elasticsearchError(status, body);
  // 429 is said on admission, by Elasticsearch as by any rate limiter, before the request is passed on.
  if (status === 429) return { kind: 'unavailable', certain: true, reason: own?.reason ?? 'status 429', cause };
  if (!own) {
    if (DENIED_IN_FRONT.has(status)) return denied(`status ${status} from a server in front`, cause);
    if (REFUSED_BEFORE_FORWARDING.has(status)) {
      return { kind: 'refused', status, type: 'http_error', reason: `status ${status} from a server in front` };
    }
    return { kind: 'unknown', reason: `status ${status} without an answer of Elasticsearch's own`, cause };
  }
  if (status === 503) return { kind: 'unavailable', certain: false, reason: `${own.type}: ${own.reason}`, cause };
  if (DENIED.has(status)) return denied(`${own.type}: ${own.reason}`, cause);
  if (status >= 400 && status < 500 && status !== 408 && status !== 409) return { kind: 'refused', status, ...own };
  return { kind: 'unknown', reason: `status ${status}: ${own.type}: ${own.reason}`, cause };
}

/** Elasticsearch's error body: `{error: {type, reason, …} or text, status: the same as the HTTP status}`. */
function elasticsearchError(status: number, body: unknown): ErrorBody | null {
  if (!isRecord(body) || body['status'] !== status) return null;
  const error = body['error'];
  if (typeof error === 'string') return { type: 'http_error', reason: shorten(error) };
  const read = readError(error);
  return read.type === '' ? null : read;
}

function readError(error: unknown): ErrorBody {
  const { type, reason } = isRecord(error) ? error : {};
  const text = typeof reason === 'string' ? reason.replace(QUOTED_CONTENTS, '') : '';
  return { type: typeof type === 'string' ? type : '', reason: shorten(text) };
}

/** Looks for the first error in the chain of causes that tells how it came about. */
function neverConnected(error: unknown, depth = 0): boolean {
  if (!isRecord(error) && !(error instanceof Error)) return false;
  const { name, message, code, syscall, errors, cause } = error as Error & Record<string, unknown>;
  // Happy eyeballs: one error for each address that was tried. All of them must be proof.
  if (Array.isArray(errors) && errors.length > 0) return errors.every((one) => neverConnected(one, depth + 1));
  if (typeof code === 'string') {
    return NEVER_CONNECTED_CODES.has(code) || (code === 'ETIMEDOUT' && syscall === 'connect');
  }
  if (cause !== undefined && depth < 5 && neverConnected(cause, depth + 1)) return true;
  return name === 'ConnectionError' && NEVER_CONNECTED_MESSAGES.some((pattern) => pattern.test(message));
}

function attemptsBefore(error: unknown): number {
  const attempts = (error as { meta?: { meta?: { attempts?: unknown } } }).meta?.meta?.attempts;
  return typeof attempts === 'number' ? attempts : 0;
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return shorten(String(error));
  return shorten(`${error.name}: ${error.message}`);
}

function denied(reason: string, cause?: unknown): IndexOutcome {
  return { kind: 'unavailable', certain: true, denied: true, reason, ...(cause === undefined ? {} : { cause }) };
}

function unknown(reason: string): IndexOutcome {
  return { kind: 'unknown', reason };
}

function shorten(text: string): string {
  return text.length > MAX_REASON_CHARACTERS ? `${text.slice(0, MAX_REASON_CHARACTERS - 1)}…` : text;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
