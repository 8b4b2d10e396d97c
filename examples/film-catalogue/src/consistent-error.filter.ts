import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import { ConsistentError } from 'nest-consistent';

/** Codes are stable, so they may be mapped; whatever is not listed is a mistake of ours: 500. */
const STATUS_BY_CODE: Readonly<Record<string, number>> = {
  ROW_NOT_FOUND: 404,
  STALE_VERSION: 409,
  INDEX_REJECTED: 422,
  INVALID_DOCUMENT: 422,
  ROW_BUSY: 503,
  ROW_PARKED: 503,
  READ_UNSETTLED: 503,
  BARRIER_TIMEOUT: 503,
  INDEX_UNAVAILABLE: 503,
  WRITE_ABORTED: 503,
  SHUTTING_DOWN: 503,
  // Neither yes nor no: the client must read before it writes again.
  OUTCOME_UNKNOWN: 504,
};

interface HttpResponse {
  status(code: number): { json(body: unknown): unknown };
}

/** Answers what the library throws with a status, its code, and whether the same call may succeed later. */
@Catch(ConsistentError)
export class ConsistentErrorFilter implements ExceptionFilter<ConsistentError> {
  catch(error: ConsistentError, host: ArgumentsHost): void {
    const { code, message, retryable } = error;
    const response = host.switchToHttp().getResponse<HttpResponse>();
    response.status(STATUS_BY_CODE[code] ?? 500).json({ code, message, retryable });
  }
}
