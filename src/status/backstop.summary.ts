import type { BackstopView } from '../consistent.registry.js';
import type { DatabaseSections } from './database.reader.js';
import type { Answer, BackstopHere, BackstopSummary } from './status.types.js';

const MAX_TABLES = 200;
const MAX_REASON_LENGTH = 500;

/** Since when nobody leads, by DataSource and name; `performance.now()`. */
export type BackstopWatch = Map<string, number>;

/** The backstops of this process, and those that only the databases know. */
export function backstopSummaries(
  here: Iterable<BackstopView>,
  sections: ReadonlyMap<string, Answer<DatabaseSections>>,
  leaderless: BackstopWatch,
): BackstopSummary[] {
  const views = new Map([...here].map((view) => [keyOf(view.dataSource, view.name), view]));
  const known = new Map<string, { readonly name: string; readonly dataSource: string }>(views);
  for (const [dataSource, answer] of sections) {
    for (const { name } of checkpointsOf(answer) ?? []) known.set(keyOf(dataSource, name), { name, dataSource });
  }
  return [...known].map(([key, { name, dataSource }]) => {
    const checkpoints = checkpointsOf(sections.get(dataSource));
    const found = checkpoints?.find((each) => each.name === name);
    const view = views.get(key);
    const status = view ? hereOf(view) : null;
    // Before the first leader has claimed it there is no checkpoint, and nobody to ask for.
    const led = status?.state === 'leading' || (checkpoints ? (found?.led ?? false) : null);
    return {
      name,
      dataSource,
      led,
      leaderlessForMs: watched(leaderless, key, led),
      checkpoint: found?.checkpoint ?? null,
      here: status,
    };
  });
}

const keyOf = (dataSource: string, name: string): string => JSON.stringify([dataSource, name]);

function checkpointsOf(answer: Answer<DatabaseSections> | undefined) {
  return answer?.ok && answer.data.checkpoints.ok ? answer.data.checkpoints.data : null;
}

function watched(leaderless: BackstopWatch, key: string, led: boolean | null): number {
  const now = performance.now();
  if (led) leaderless.delete(key);
  else if (led === false && !leaderless.has(key)) leaderless.set(key, now);
  return now - (leaderless.get(key) ?? now);
}

function hereOf(view: BackstopView): BackstopHere {
  const { state, reason, degraded, pendingRows, queuedBytes, tables, toVerify, lag, consistency } = view.status();
  const { histogram: _, ...meter } = consistency;
  return {
    state,
    degraded,
    reason: reason?.slice(0, MAX_REASON_LENGTH) ?? null,
    pendingRows,
    queuedBytes,
    tables: Object.entries(tables)
      .slice(0, MAX_TABLES)
      .map(([table, { pending, refused, closed, trouble }]) => ({
        table,
        pending,
        refused,
        closed: closed !== null,
        troubled: trouble !== null,
      })),
    toVerify: Object.keys(toVerify).slice(0, MAX_TABLES),
    lag,
    consistency: meter,
  };
}
