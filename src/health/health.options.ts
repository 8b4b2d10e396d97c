import { z } from 'zod';
import { checkedOptions } from '../checked.options.js';
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
  return checkedOptions(schema, options, 'ConsistentHealthModule options are not usable').thresholds;
}
