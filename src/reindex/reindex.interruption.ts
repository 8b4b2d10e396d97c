import { ConsistentError, ReindexInterruptedError } from '../errors.js';
import { driverErrorOf, isServerAnswer } from '../mysql/mysql.errors.js';
import { NotServed } from './row.copier.js';

const CLIENT_ERRORS = new Set(['ConnectionError', 'TimeoutError', 'NoLivingConnectionsError', 'RequestAbortedError']);
const BUSY_STATUS = new Set([408, 429, 502, 503, 504]);
const NETWORK_CODE = /^(?:E[A-Z]+|PROTOCOL_\w+)$/;

/** What may pass, or was asked for, as one error that says how to go on; anything else as it is. */
export function asInterrupted(error: unknown, alias: string, signal: AbortSignal): unknown {
  const isOwn = error instanceof ConsistentError && error.code.startsWith('REINDEX_');
  if (isOwn || (!signal.aborted && !mayPass(error))) return error;
  const why = signal.aborted ? 'its signal was aborted, or the application shuts down' : (error as Error).message;
  return new ReindexInterruptedError(
    `The reindex of "${alias}" stopped: ${why}. Call it again, and it goes on from there.`,
    { alias },
    error,
  );
}

function mayPass(error: unknown): boolean {
  if (error instanceof NotServed) return true;
  if (error instanceof ConsistentError) return error.retryable;
  const { name, meta } = error as { name?: string; meta?: { statusCode?: number } };
  if (CLIENT_ERRORS.has(name ?? '') || BUSY_STATUS.has(meta?.statusCode ?? 0)) return true;
  const { code } = driverErrorOf(error);
  return !isServerAnswer(error) && typeof code === 'string' && NETWORK_CODE.test(code);
}
