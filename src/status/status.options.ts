import type { CanActivate, ModuleMetadata, Type } from '@nestjs/common';
import { z } from 'zod';
import { checkedOptions } from '../checked.options.js';
import type { StatusThresholds } from './status.judgement.js';
import { thresholdsSchema } from './thresholds.schema.js';

/** Options of `ConsistentStatusModule.forRoot`. */
export interface ConsistentStatusOptions {
  /**
   * Who may see the page: a guard's class or instance. There is no page without one. Browsers send cookies and HTTP
   * authentication with it, but no headers of your own.
   */
  guard: Type<CanActivate> | CanActivate;
  /** Where the page is, below the application's global prefix. Default `/consistent`. */
  path?: string;
  /** Modules that the guard needs. Default none. */
  imports?: ModuleMetadata['imports'];
  /** Shows keys of parked rows, and texts of errors, which can hold values and addresses. Default false. */
  showDetails?: boolean;
  /** Browsers that may watch at the same time. 1 … 1,000. Default 20. */
  maxClients?: number;
  /** How often they are told the figures, in milliseconds. Default 2,000. */
  intervalMs?: number;
  /** How often they hear that the server is there, in milliseconds; at most 30,000. Default 15,000. */
  heartbeatMs?: number;
  /** When something counts as wrong: `StatusThresholds`, below. */
  thresholds?: StatusThresholds;
}

export interface ResolvedStatusOptions {
  readonly guard: Type<CanActivate> | CanActivate;
  readonly path: string;
  readonly imports: NonNullable<ModuleMetadata['imports']>;
  readonly showDetails: boolean;
  readonly maxClients: number;
  readonly intervalMs: number;
  readonly heartbeatMs: number;
  readonly thresholds: StatusThresholds;
}

const schema = z.strictObject({
  guard: z.custom<Type<CanActivate> | CanActivate>(
    isGuard,
    'give `guard`: a class or an object with canActivate(). The page shows the inside of your stores, so it is never served ' +
      'without one; there is no value that switches this off.',
  ),
  path: z
    .string()
    .regex(/^\/?[\w-]+(\/[\w-]+)*$/, 'letters, digits, - and _ between slashes, such as /consistent')
    .default('/consistent'),
  imports: z.array(z.custom<NonNullable<ModuleMetadata['imports']>[number]>()).default([]),
  showDetails: z.boolean().default(false),
  maxClients: z.number().int().min(1).max(1_000).default(20),
  intervalMs: z.number().int().min(250).max(600_000).default(2_000),
  heartbeatMs: z.number().int().min(250).max(30_000).default(15_000),
  thresholds: thresholdsSchema,
});

function isGuard(value: unknown): boolean {
  const candidate: unknown = typeof value === 'function' ? value.prototype : value;
  return (
    typeof candidate === 'object' &&
    candidate !== null &&
    typeof (candidate as Partial<CanActivate>).canActivate === 'function'
  );
}

/** Throws `InvalidOptionsError` that names every option that is wrong. */
export function resolveStatusOptions(options: ConsistentStatusOptions): ResolvedStatusOptions {
  return checkedOptions(schema, options ?? {}, 'ConsistentStatusModule options are not usable');
}
