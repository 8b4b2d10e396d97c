import type { Registry } from 'prom-client';
import { InvalidOptionsError } from '../errors.js';
import { DEFAULT_PREFIX } from './metrics.catalogue.js';

/** Options of `ConsistentMetricsModule.forRoot`. */
export interface ConsistentMetricsOptions {
  /** The registry that the application serves. Default: prom-client's global one. */
  registry?: Registry;
  /** What every name begins with: at most 64 letters, digits and _. Alert rules and dashboard are made for the default. Default `nest_consistent_`. */
  prefix?: string;
}

const PREFIX = /^[a-zA-Z_:][a-zA-Z0-9_:]{0,63}$/;

/** Throws `InvalidOptionsError`. */
export function resolvePrefix({ prefix = DEFAULT_PREFIX }: ConsistentMetricsOptions): string {
  if (PREFIX.test(prefix)) return prefix;
  throw new InvalidOptionsError(
    `ConsistentMetricsModule: prefix "${prefix}" cannot begin the name of a metric. Use letters, digits and _, at most 64, no digit first.`,
    { prefix },
  );
}
