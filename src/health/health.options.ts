import { z } from 'zod';
import { InvalidOptionsError } from '../errors.js';
import type { StatusThresholds } from '../status/status.judgement.js';
import { thresholdsSchema } from '../status/thresholds.schema.js';

/** Options of `ConsistentHealthModule.forRoot`. */
export interface ConsistentHealthOptions {
  /** When something counts as wrong: `StatusThresholds`, below. */
  thresholds?: StatusThresholds;
}

const schema = z.strictObject({ thresholds: thresholdsSchema });

/** Throws `InvalidOptionsError` that names every option that is wrong. */
export function resolveHealthOptions(options: ConsistentHealthOptions): StatusThresholds {
  const parsed = schema.safeParse(options);
  if (parsed.success) return parsed.data.thresholds;
  throw new InvalidOptionsError(`ConsistentHealthModule options are not usable:\n${z.prettifyError(parsed.error)}`, {
    issues: parsed.error.issues.map((issue) => ({ path: issue.path.join('.'), message: issue.message })),
  });
}
