import { ConsistentError, OutcomeUnknownError, PartialWriteError, type UnitOutcome } from '../../src/index.js';
import type { Answer } from './history.js';

const ER_DUP_ENTRY = 1062;

/**
 * What the documentation says of an error that a write threw. OUTCOME_UNKNOWN and ROW_PARKED leave the fate open; every
 * other error, MySQL's own included, promises that nothing was written.
 */
export function outcomeOf(error: unknown): Answer {
  const { message } = error as Error;
  if (error instanceof ConsistentError) {
    const { code, data } = error;
    const version = typeof data.version === 'number' ? { version: data.version } : {};
    if (error instanceof OutcomeUnknownError || code === 'ROW_PARKED')
      return { result: 'unknown', code, ...version, message };
    if (code === 'ROW_NOT_FOUND') return { result: 'missing', code };
    return { result: 'no', code, ...version };
  }
  const { errno, code } = driverErrorOf(error);
  if (errno === ER_DUP_ENTRY) return { result: 'exists', code: 'ER_DUP_ENTRY' };
  return { result: 'no', code: code ?? (error as Error).name, message };
}

/** The fates of a unit of work's rows, in the order of `keys`. */
export function unitOutcomes(error: unknown, keys: readonly string[]): Answer[] {
  if (!(error instanceof PartialWriteError)) {
    const answer = outcomeOf(error);
    // Which of the rows the error is about is not said, so it tells nothing of any.
    const { version: _version, ...rest } =
      answer.result === 'exists' || answer.result === 'missing' ? { ...answer, result: 'no' as const } : answer;
    return keys.map(() => rest);
  }
  const outcomes = error.data.outcomes as UnitOutcome[];
  return keys.map((key) => {
    const outcome = outcomes.find((one) => one.key === key);
    if (outcome?.status === 'committed' || outcome?.status === 'deferred') return { result: 'ok' };
    const code = outcome?.code ?? 'PARTIAL_WRITE';
    return {
      result: outcome === undefined || code === 'OUTCOME_UNKNOWN' || code === 'ROW_PARKED' ? 'unknown' : 'no',
      code,
    };
  });
}

/** True when the store was not there at all: the next try had better wait. */
export function isOutage({ result, code }: Answer): boolean {
  return result === 'no' && code !== 'STALE_VERSION' && code !== 'ROW_BUSY' && code !== 'WRITE_ABORTED';
}

function driverErrorOf(error: unknown): { errno?: number; code?: string } {
  const wrapped = error as { driverError?: { errno?: number; code?: string }; errno?: number; code?: string };
  return wrapped.driverError ?? wrapped;
}
