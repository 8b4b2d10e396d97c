import type { Answer, BackstopSummary, EntityStatus, StatusData, StoreStatus } from './status.types.js';

/** When something counts as wrong. */
export interface StatusThresholds {
  /** How long a store may be unreachable before that is `down` and no longer `degraded`, in milliseconds. Default 5,000. */
  unreachableMs?: number;
  /** Parked rows of one table that are too many. Default 1. */
  parkedRows?: number;
  /** Age of a row in `prepare` that is too high, in milliseconds. Default 60,000. */
  prepareAgeMs?: number;
  /** Age of the oldest change that is not in the index, and P99, in milliseconds. Default 15,000. */
  lagMs?: number;
  /** How long no instance may lead a backstop, in milliseconds. Default 10,000. */
  leaderlessMs?: number;
  /** Differences that the last verification found and nobody mended. Default 1. */
  differences?: number;
}

export const DEFAULT_THRESHOLDS: Required<StatusThresholds> = {
  unreachableMs: 5_000,
  parkedRows: 1,
  prepareAgeMs: 60_000,
  lagMs: 15_000,
  leaderlessMs: 10_000,
  differences: 1,
};

export type StatusLevel = 'well' | 'degraded' | 'down';

export type FindingCode =
  | 'no-entities'
  | 'unreachable'
  | 'cluster-red'
  | 'not-known'
  | 'parked'
  | 'old-prepare'
  | 'differences'
  | 'backstop-failed'
  | 'backstop-leaderless'
  | 'backstop-degraded'
  | 'lag';

/** Something that is wrong. Its text holds figures and names only. */
export interface Finding {
  readonly level: 'degraded' | 'down';
  readonly code: FindingCode;
  /** The store, entity or backstop. */
  readonly subject: string;
  readonly text: string;
}

export interface Verdict {
  readonly level: StatusLevel;
  /** The worst first. */
  readonly findings: readonly Finding[];
}

/** Pure: what is wrong in a report. */
export function judge(data: StatusData, given: StatusThresholds = {}): Verdict {
  const limits = { ...DEFAULT_THRESHOLDS, ...given };
  const findings = [
    ...(data.entities.length === 0 ? [NO_ENTITIES] : []),
    ...data.stores.flatMap((store) => judgeStore(store, limits)),
    ...data.entities.flatMap((entity) => judgeEntity(entity, limits)),
    ...data.backstops.flatMap((backstop) => judgeBackstop(backstop, limits)),
  ];
  const isDown = ({ level }: Finding): boolean => level === 'down';
  const sorted = [...findings.filter(isDown), ...findings.filter((finding) => !isDown(finding))];
  return { level: sorted[0]?.level ?? 'well', findings: sorted };
}

const NO_ENTITIES: Finding = {
  level: 'down',
  code: 'no-entities',
  subject: 'application',
  text: 'No consistent repository is registered: add ConsistentModule.forFeature([…]).',
};

type Limits = Required<StatusThresholds>;

function judgeStore(store: StoreStatus, limits: Limits): Finding[] {
  const subject = store.kind === 'mysql' ? `MySQL (${store.name})` : 'Elasticsearch';
  if (store.reachable) {
    return store.health === 'red'
      ? [degraded('cluster-red', subject, 'The cluster is red: some shards are away.')]
      : [];
  }
  const level = store.failingForMs >= limits.unreachableMs ? 'down' : 'degraded';
  const text = `Not reached for ${duration(store.failingForMs)} (${store.error ?? 'no answer'}).`;
  return [{ level, code: 'unreachable', subject, text }];
}

function judgeEntity(status: EntityStatus, limits: Limits): Finding[] {
  const { prepare, parked, verification } = status;
  const subject = status.dataSource === 'default' ? status.entity : `${status.entity} (${status.dataSource})`;
  const findings: Finding[] = [];
  const unknown = Object.entries({ prepare, parked, verification, documents: status.documents }).filter(
    ([, answer]: [string, Answer<unknown>]) => !answer.ok,
  );
  if (unknown.length > 0) {
    const parts = unknown.map(([name, answer]) => `${name}: ${(answer as { error: string }).error}`).join(', ');
    findings.push(degraded('not-known', subject, `Could not be read: ${parts}.`));
  }
  if (parked.ok && parked.data >= limits.parkedRows) {
    findings.push(
      degraded('parked', subject, `${plural(parked.data, 'row is', 'rows are')} parked: a person must decide.`),
    );
  }
  if (prepare.ok && prepare.data.rows > 0 && prepare.data.oldestMs > limits.prepareAgeMs) {
    const { rows, more, oldestMs } = prepare.data;
    const text = `${plural(rows, 'row', 'rows')}${more ? ' or more' : ''} undecided, the oldest for ${duration(oldestMs)}.`;
    findings.push(degraded('old-prepare', subject, text));
  }
  if (verification.ok && verification.data) {
    const { missing, stale, foreign, orphaned, repaired } = verification.data;
    const left = missing + stale + foreign + orphaned - repaired;
    if (left >= limits.differences) {
      findings.push(
        degraded('differences', subject, `The last verification left ${plural(left, 'difference', 'differences')}.`),
      );
    }
  }
  return findings;
}

function judgeBackstop(summary: BackstopSummary, limits: Limits): Finding[] {
  const { name, dataSource, here, led, leaderlessForMs, checkpoint } = summary;
  const subject = dataSource === 'default' ? `backstop "${name}"` : `backstop "${name}" (${dataSource})`;
  const findings: Finding[] = [];
  if (here?.state === 'failed') {
    findings.push(
      degraded('backstop-failed', subject, 'It failed in this instance and begins anew; its reason is in the log.'),
    );
  } else if (led === false && leaderlessForMs >= limits.leaderlessMs) {
    findings.push(degraded('backstop-leaderless', subject, `No instance has led for ${duration(leaderlessForMs)}.`));
  }
  const waiting = new Set([...(here?.toVerify ?? []), ...(checkpoint?.toVerify ?? [])]).size;
  const refused = here?.tables.reduce((sum, table) => sum + table.refused, 0) ?? 0;
  const closed = here?.tables.filter((table) => table.closed).length ?? 0;
  const wrong = [
    ...(waiting > 0 ? [`${plural(waiting, 'table waits', 'tables wait')} for a verification`] : []),
    ...(refused > 0 ? [`${plural(refused, 'document is', 'documents are')} refused`] : []),
    ...(closed > 0 ? [`${plural(closed, 'table is', 'tables are')} not followed`] : []),
  ];
  if (wrong.length > 0) findings.push(degraded('backstop-degraded', subject, `${wrong.join(', ')}.`));
  if (here?.lag) {
    const { oldestMs, p99Ms } = here.lag;
    const worst = Math.max(oldestMs, p99Ms);
    if (worst > limits.lagMs) findings.push(degraded('lag', subject, `The index is ${duration(worst)} behind.`));
  }
  return findings;
}

function degraded(code: FindingCode, subject: string, text: string): Finding {
  return { level: 'degraded', code, subject, text };
}

const plural = (count: number, one: string, many: string): string =>
  `${count.toLocaleString('en')} ${count === 1 ? one : many}`;

const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
] as const;

function duration(ms: number): string {
  for (const [unit, unitMs] of UNITS) {
    if (ms >= unitMs) return plural(Math.floor(ms / unitMs), unit, `${unit}s`);
  }
  return `${Math.round(ms)} ms`;
}
