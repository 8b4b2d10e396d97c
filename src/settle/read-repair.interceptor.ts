import {
  type CallHandler,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
  NotFoundException,
} from '@nestjs/common';
import { concatMap, type Observable } from 'rxjs';
import { ConsistentService } from '../consistent.service.js';

/**
 * Repairs whatever a handler returns, whichever repository it came from: entities in `prepare` are settled or replaced
 * by the image that the index holds; rows that are not to be seen leave their array, and a handler that returns such a
 * row alone answers 404 over HTTP and null elsewhere. Works on routes, controllers and globally
 * (`{ provide: APP_INTERCEPTOR, useExisting: ReadRepairInterceptor }`), for HTTP, GraphQL, microservices and gateways.
 *
 * It sees entity instances, not copies: put it inside (after) interceptors that serialise, such as
 * ClassSerializerInterceptor. Programmatic twin: `ConsistentService.repair`.
 */
@Injectable()
export class ReadRepairInterceptor implements NestInterceptor {
  constructor(private readonly consistent: ConsistentService) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(
      concatMap(async (value: unknown) => {
        const repaired = await this.consistent.repair(value);
        if (repaired === null && value !== null && context.getType() === 'http') throw new NotFoundException();
        return repaired;
      }),
    );
  }
}
