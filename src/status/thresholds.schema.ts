import { z } from 'zod';
import type { StatusThresholds } from './status.judgement.js';

const ms = z.number().int().min(0).max(86_400_000);
const count = z.number().int().min(1).max(1_000_000_000);

/** An option that is given as undefined is not given. */
export const thresholdsSchema = z
  .strictObject({
    unreachableMs: ms.optional(),
    parkedRows: count.optional(),
    prepareAgeMs: ms.optional(),
    lagMs: ms.optional(),
    leaderlessMs: ms.optional(),
    differences: count.optional(),
  })
  .transform((given): StatusThresholds =>
    Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
  )
  .prefault({});
