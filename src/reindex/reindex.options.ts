import type { estypes } from '@elastic/elasticsearch';
import { z } from 'zod';
import { checkedOptions } from '../checked.options.js';
import type { ReindexOptions, ReindexProgress } from './reindex.types.js';

/** `ReindexOptions` with every default filled in, but those that depend on the table. */
export interface ResolvedReindexOptions {
  readonly into: 'new' | 'current';
  readonly mappings: estypes.MappingTypeMapping | undefined;
  readonly settings: estypes.IndicesIndexSettings | undefined;
  readonly maxRowsPerSecond: number;
  readonly batchSize: number;
  readonly timeoutMs: number;
  readonly barrierMs: number;
  readonly lateRequestMs: number | undefined;
  readonly maxExamples: number;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: ReindexProgress) => void) | undefined;
}

const whole = (least: number, most: number) => z.number().int().min(least).max(most);
const isObject = (value: unknown) => typeof value === 'object' && value !== null;

const schema = z.strictObject({
  into: z.enum(['new', 'current']).default('new'),
  mappings: z.custom<estypes.MappingTypeMapping>(isObject).optional(),
  settings: z.custom<estypes.IndicesIndexSettings>(isObject).optional(),
  maxRowsPerSecond: z.number().min(1).default(Number.MAX_SAFE_INTEGER),
  batchSize: whole(1, 10_000).default(2_000),
  timeoutMs: whole(100, 600_000).default(30_000),
  barrierMs: whole(2_000, 60_000).default(5_000),
  lateRequestMs: whole(0, 86_400_000).optional(),
  maxExamples: whole(0, 10_000).default(100),
  signal: z.custom<AbortSignal>((value) => value instanceof AbortSignal).optional(),
  onProgress: z.custom<(progress: ReindexProgress) => void>((value) => typeof value === 'function').optional(),
});

/** @throws InvalidOptionsError that names every option that is wrong */
export function resolveReindexOptions(options: ReindexOptions): ResolvedReindexOptions {
  const refusal = 'reindex() cannot take these options';
  const { mappings, settings, lateRequestMs, signal, onProgress, ...given } = checkedOptions(schema, options, refusal);
  return { ...given, mappings, settings, lateRequestMs, signal, onProgress };
}
