import { z } from 'zod';
import { checkedOptions } from '../checked.options.js';
import { parseCursor, type VerifyCursor } from './verify.cursor.js';
import type { VerifyDepth, VerifyOptions, VerifyProgress } from './verify.types.js';

/** `VerifyOptions` with every default filled in. */
export interface ResolvedVerifyOptions {
  depth: VerifyDepth;
  repair: boolean;
  maxRowsPerSecond: number;
  batchSize: number;
  concurrency: number;
  timeoutMs: number;
  graceMs: number;
  maxExamples: number;
  resume: boolean;
  from: VerifyCursor | undefined;
  signal: AbortSignal | undefined;
  onProgress: ((progress: VerifyProgress) => void) | undefined;
}

const whole = (least: number, most: number) => z.number().int().min(least).max(most);

const schema = z.strictObject({
  depth: z.enum(['version', 'content']).default('content'),
  repair: z.boolean().default(false),
  maxRowsPerSecond: z.number().min(1).default(Number.MAX_SAFE_INTEGER),
  batchSize: whole(1, 10_000).default(1_000),
  concurrency: whole(1, 16).default(3),
  timeoutMs: whole(100, 600_000).default(30_000),
  graceMs: whole(0, 600_000).default(250),
  maxExamples: whole(0, 10_000).default(100),
  resume: z.boolean().default(false),
  from: z.string().optional(),
  signal: z.custom<AbortSignal>((value) => value instanceof AbortSignal).optional(),
  onProgress: z.custom<(progress: VerifyProgress) => void>((value) => typeof value === 'function').optional(),
});

/** @throws InvalidOptionsError that names every option that is wrong */
export function resolveVerifyOptions(options: VerifyOptions): ResolvedVerifyOptions {
  const refusal = 'verify() cannot take these options';
  const { from, signal, onProgress, ...given } = checkedOptions(schema, options, refusal);
  return { ...given, from: from === undefined ? undefined : parseCursor(from), signal, onProgress };
}
