import { judge } from '../../src/status/status.judgement.js';
import type { BackstopSummary, EntityStatus, StatusData } from '../../src/status/status.types.js';
import type { StatusView } from '../../src/status/status.view.js';

const MINUTE_MS = 60_000;

/** An entity that is well. */
export function entityStatus(changes: Partial<EntityStatus> = {}): EntityStatus {
  return {
    entity: 'Film',
    dataSource: 'default',
    table: 'film',
    index: 'films',
    rows: { ok: true, data: 1_234_567 },
    documents: { ok: true, data: 1_234_560 },
    prepare: { ok: true, data: { rows: 0, more: false, overdue: 0, oldestMs: 0 } },
    parked: { ok: true, data: 0 },
    verification: { ok: true, data: null },
    lastSweep: null,
    ...changes,
  };
}

export function verification(changes: object = {}): EntityStatus['verification'] {
  const counts = { rows: 1_000, documents: 1_000, missing: 0, stale: 0, foreign: 0, orphaned: 0 };
  const ended = { repaired: 0, failed: 0, unchecked: 0, consistent: true, seconds: 12, state: 'complete' as const };
  return { ok: true, data: { ...counts, ...ended, agoMs: 3_600_000, ...changes } };
}

/** A backstop that leads, with a meter of two hours: in every seventh minute a tenth of the changes is late. */
export function leadingBackstop(atMs: number, changes: Partial<BackstopSummary> = {}): BackstopSummary {
  const shares = (share: number, of: number) =>
    [1, 2, 10, 60].map((withinSeconds) => ({ withinSeconds, changes: Math.round(share * of), share }));
  const periods = Array.from({ length: 110 }, (_, at) => {
    const applied = 400 + Math.round(300 * Math.sin(at / 9)) + (at % 5) * 20;
    const startMs = Math.floor(atMs / MINUTE_MS) * MINUTE_MS - (109 - at) * MINUTE_MS;
    return { startMs, applied, shares: shares(at % 7 === 0 ? 0.9 : 1, applied), p99Ms: at % 7 === 0 ? 2_600 : 340 };
  });
  const lag = { meanMs: 84, p99Ms: 340, ewmaMs: 90, oldestMs: 120, applied: 412, pending: 3 };
  const inconsistent = { rows: 3, oldestMs: 120, olderThan: [] };
  const meter = { sinceMs: atMs - 7_200_000, applied: 48_000, shares: shares(0.9871, 48_000) };
  return {
    name: 'default',
    dataSource: 'default',
    led: true,
    leaderlessForMs: 0,
    checkpoint: {
      leader: 'web-7f9c:4711:a1b2c3',
      epoch: 12,
      file: 'binlog.000123',
      position: 123_456_789,
      gtidSet: '3e11fa47-71ca-11e1-9e33-c80aa9429562:1-987654',
      savedAgoMs: 800,
      toVerify: [],
    },
    here: {
      state: 'leading',
      degraded: false,
      pendingRows: 3,
      queuedBytes: 4_096,
      tables: [],
      toVerify: [],
      lag,
      consistency: { ...meter, meanMs: 84, p50Ms: 60, p99Ms: 340, maxMs: 2_900, inconsistent, periods },
    },
    ...changes,
  };
}

/** A report in which all is well. */
export function statusData(changes: Partial<StatusData> = {}): StatusData {
  const atMs = changes.atMs ?? Date.UTC(2026, 10, 21, 14, 30);
  const store = { reachable: true, failingForMs: 0, error: null } as const;
  return {
    atMs,
    uptimeMs: 9_000_000,
    stores: [
      { ...store, kind: 'mysql', name: 'default', latencyMs: 1.4, version: '9.7.0', health: null },
      { ...store, kind: 'elasticsearch', name: 'elasticsearch', latencyMs: 3.2, version: null, health: 'green' },
    ],
    entities: [entityStatus()],
    entitiesLeftOut: 0,
    parked: [],
    sweeper: { here: true, intervalMs: 1_000 },
    backstops: [],
    ...changes,
  };
}

export function viewWith(report: StatusData): StatusView {
  return { report, verdict: judge(report) };
}
