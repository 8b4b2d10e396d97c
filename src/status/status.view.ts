import { judge, type StatusThresholds, type Verdict } from './status.judgement.js';
import type { StatusData } from './status.types.js';

/** What the page is told. */
export interface StatusView {
  readonly verdict: Verdict;
  readonly report: StatusData;
}

export interface ViewOptions {
  readonly showDetails: boolean;
  readonly thresholds: StatusThresholds;
}

/** Without `showDetails` no keys, and no texts that something outside this library wrote. */
export function viewOf(data: StatusData, { showDetails, thresholds }: ViewOptions): StatusView {
  const verdict = judge(data, thresholds);
  if (showDetails) return { verdict, report: data };
  const report: StatusData = {
    ...data,
    parked: data.parked.map((row) => without(row, 'key')),
    backstops: data.backstops.map((backstop) => {
      return backstop.here ? { ...backstop, here: without(backstop.here, 'reason') } : backstop;
    }),
  };
  return { verdict, report };
}

function without<T extends object, Name extends keyof T>(value: T, name: Name): Omit<T, Name> {
  const copy: T = { ...value };
  delete copy[name];
  return copy;
}
