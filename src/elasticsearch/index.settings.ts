type Settings = Readonly<Record<string, unknown>>;

const UNIT_MS: Readonly<Record<string, number>> = {
  nanos: 1e-6,
  micros: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const DEFAULT_GC_DELETES = '60s';

/** How long an index with these flat settings remembers a delete's version, in ms. */
export function gcDeletesMs(settings: Settings): number {
  return toMs(settings['index.gc_deletes'] ?? DEFAULT_GC_DELETES);
}

/**
 * Settings for a new index: flat, so that `gc_deletes` cannot be there twice (nested and dotted), and with at least the
 * `gc_deletes` that is asked for.
 */
export function newIndexSettings(declared: Settings, askedMs: number): Record<string, unknown> {
  const settings: Record<string, unknown> = {};
  flatten('', declared, settings);
  settings['index.gc_deletes'] = `${Math.max(askedMs, toMs(settings['index.gc_deletes'] ?? 0))}ms`;
  return settings;
}

function flatten(prefix: string, settings: Settings, into: Record<string, unknown>): void {
  for (const [key, value] of Object.entries(settings)) {
    const path = prefix + key;
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      flatten(`${path}.`, value as Settings, into);
    else if (value !== undefined) into[path.startsWith('index.') ? path : `index.${path}`] = value;
  }
}

/** Elasticsearch's time values: `60s`, `3600000ms`, a bare number is ms. What cannot be read counts as 0. */
function toMs(value: unknown): number {
  const [, digits, unit] = /^(-?\d+(?:\.\d+)?)([a-z]*)$/.exec(String(value)) ?? [];
  const ms = Number(digits) * (UNIT_MS[unit || 'ms'] ?? Number.NaN);
  return Number.isFinite(ms) ? ms : 0;
}
