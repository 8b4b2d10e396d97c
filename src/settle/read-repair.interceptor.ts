import {
  type CallHandler,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
  NotFoundException,
  ServiceUnavailableException,
} from '@nestjs/common';
import { catchError, concatMap, type Observable, throwError } from 'rxjs';
import { ConsistentService } from '../consistent.service.js';
import { ReadUnsettledError } from '../errors.js';

/**
 * Repairs whatever a handler returns, whichever repository it came from: entities in `prepare` are settled or replaced
 * by the image that the index holds; rows that are not to be seen leave their array, and a handler that returns such a
 * row alone answers 404 over HTTP and null elsewhere. A `ReadUnsettledError`, the handler's own too, answers 503 over HTTP
 * (it is the exception's `cause`) and is thrown as it is elsewhere. Works on routes, controllers and globally
 * (`{ provide: APP_INTERCEPTOR, useExisting: ReadRepairInterceptor }`), for HTTP, GraphQL, microservices and gateways.
 *
 * It sees entity instances, not copies: put it inside (after) interceptors that serialise, such as
 * ClassSerializerInterceptor. Programmatic twin: `ConsistentService.repair`.
 */
@Injectable()
export class ReadRepairInterceptor implements NestInterceptor {
  constructor(private readonly consistent: ConsistentService) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const http = context.getType() === 'http';
    return next.handle().pipe(
      concatMap(async (value: unknown) => {
        const repaired = await this.consistent.repair(value);
        if (repaired === null && value !== null && http) throw new NotFoundException();
        return repaired;
      }),
      catchError((error: unknown) =>
        throwError(() =>
          // Without the message: it names the row.
          http && error instanceof ReadUnsettledError
            ? new ServiceUnavailableException(undefined, { cause: error })
            : error,
        ),
      ),
    );
  }
}
