import { describe, expect, it } from '@jest/globals';
import { type FindingCode, judge, type StatusThresholds } from '../../src/status/status.judgement.js';
import type { BackstopHere, EntityStatus, StatusData, StoreStatus } from '../../src/status/status.types.js';
import { viewOf } from '../../src/status/status.view.js';
import { entityStatus, leadingBackstop, statusData, verification } from '../support/status.view.js';

const backstop = (changes: object) => statusData({ backstops: [leadingBackstop(0, changes)] });
const entity = (changes: Partial<EntityStatus>) => statusData({ entities: [entityStatus(changes)] });
const lost = (changes: Partial<StoreStatus>) =>
  statusData({ stores: [{ ...statusData().stores[0]!, reachable: false, error: 'ECONNREFUSED', ...changes }] });
const prepare = (oldestMs: number) =>
  entity({ prepare: { ok: true, data: { rows: 2, more: false, overdue: 2, oldestMs } } });

function here(changes: object): StatusData {
  const leading = leadingBackstop(0);
  return backstop({ here: { ...(leading.here as BackstopHere), ...changes } });
}

const table = { table: 'app.film', pending: 0, refused: 0, closed: false, troubled: false };
const lag = { meanMs: 1, p99Ms: 1, ewmaMs: 1, oldestMs: 0, applied: 1, pending: 0 };

describe('what counts as wrong', () => {
  it('finds nothing where nothing is', () => {
    expect(judge(backstop({}))).toEqual({ level: 'well', findings: [] });
    expect(judge(entity({ verification: verification({ missing: 3, repaired: 3 }) }))).toEqual({
      level: 'well',
      findings: [],
    });
  });

  const degraded: [string, FindingCode, StatusData, StatusData][] = [
    ['a parked row', 'parked', entity({ parked: { ok: true, data: 1 } }), entity({ parked: { ok: true, data: 0 } })],
    ['an old row in prepare', 'old-prepare', prepare(60_001), prepare(60_000)],
    [
      'a difference',
      'differences',
      entity({ verification: verification({ stale: 1 }) }),
      entity({ verification: verification() }),
    ],
    ['what cannot be read', 'not-known', entity({ parked: { ok: false, error: 'NO_ANSWER' } }), entity({})],
    ['a store away for a moment', 'unreachable', lost({ failingForMs: 4_999 }), statusData()],
    ['a failed backstop', 'backstop-failed', here({ state: 'failed' }), here({ state: 'starting' })],
    [
      'no leader',
      'backstop-leaderless',
      backstop({ led: false, leaderlessForMs: 10_000 }),
      backstop({ led: false, leaderlessForMs: 9_999 }),
    ],
    ['a table to be verified', 'backstop-degraded', here({ toVerify: ['app.film'] }), here({})],
    [
      'a refused document',
      'backstop-degraded',
      here({ tables: [{ ...table, refused: 1 }] }),
      here({ tables: [table] }),
    ],
    ['a closed table', 'backstop-degraded', here({ tables: [{ ...table, closed: true }] }), here({ tables: [table] })],
    [
      'a change that waits',
      'lag',
      here({ lag: { ...lag, oldestMs: 15_001 } }),
      here({ lag: { ...lag, oldestMs: 15_000 } }),
    ],
    ['a slow hundredth', 'lag', here({ lag: { ...lag, p99Ms: 15_001 } }), here({ lag: { ...lag, p99Ms: 15_000 } })],
  ];

  it.each(degraded)('is degraded by %s', (_, code, wrong, well) => {
    const verdict = judge(wrong);
    expect([verdict.level, verdict.findings.map((finding) => finding.code)]).toEqual(['degraded', [code]]);
    expect(judge(well).findings).toEqual([]);
  });

  it('is down where a store stays away or nothing is registered, and says that first', () => {
    const verdict = judge({
      ...lost({ failingForMs: 5_000 }),
      entities: [entityStatus({ parked: { ok: true, data: 2 } })],
    });
    expect(verdict.level).toBe('down');
    expect(verdict.findings.map(({ code, level }) => [code, level])).toEqual([
      ['unreachable', 'down'],
      ['parked', 'degraded'],
    ]);
    expect(judge(statusData({ entities: [] })).findings.map(({ code }) => code)).toEqual(['no-entities']);
    expect(judge(statusData({ entities: [] })).level).toBe('down');
  });

  it.each<[StatusThresholds, StatusData]>([
    [{ parkedRows: 3 }, entity({ parked: { ok: true, data: 2 } })],
    [{ prepareAgeMs: 100_000 }, prepare(90_000)],
    [{ differences: 5 }, entity({ verification: verification({ orphaned: 4 }) })],
    [{ leaderlessMs: 20_000 }, backstop({ led: false, leaderlessForMs: 15_000 })],
    [{ lagMs: 30_000 }, here({ lag: { ...lag, oldestMs: 20_000 } })],
  ])('takes %j instead', (thresholds, data) => {
    expect(judge(data).level).toBe('degraded');
    expect(judge(data, thresholds).level).toBe('well');
  });
});

describe('what the page is told', () => {
  const data: StatusData = {
    ...here({ state: 'failed', reason: 'connect ECONNREFUSED 10.1.2.3:3306' }),
    parked: [
      {
        id: '1',
        entity: 'Film',
        dataSource: 'default',
        reason: 'restore-refused',
        attempts: 1,
        agoMs: 1,
        key: { email: 'a@b.c' },
      },
    ],
  };

  it('has no keys and no foreign texts unless it may show details', () => {
    const text = JSON.stringify(viewOf(data, { showDetails: false, thresholds: {} }));
    expect(text).not.toContain('a@b.c');
    expect(text).not.toContain('10.1.2.3');
    expect(text).toContain('restore-refused');
    const detailed = JSON.stringify(viewOf(data, { showDetails: true, thresholds: {} }));
    expect(detailed).toContain('a@b.c');
    expect(detailed).toContain('10.1.2.3');
  });
});
