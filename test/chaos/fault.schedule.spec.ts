import { describe, expect, it } from '@jest/globals';
import { INDEX_FAULTS, MYSQL_FAULTS, scheduleFaults } from './fault.schedule.js';
import { planOperation } from './operation.plan.js';

const RUN = { seed: 7, writes: 20_000, writers: 3, readers: 2 };

describe('the schedule', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(scheduleFaults(RUN)).toEqual(scheduleFaults(RUN));
    expect(scheduleFaults(RUN)).not.toEqual(scheduleFaults({ ...RUN, seed: 8 }));
  });

  it('has every kind of fault and kills both stores and writers', () => {
    const episodes = scheduleFaults(RUN);
    const seen = new Set(episodes.map((one) => ('fault' in one ? `${one.kind}: ${one.fault}` : one.kind)));
    for (const fault of Object.keys(INDEX_FAULTS)) expect(seen).toContain(`index fault: ${fault}`);
    for (const fault of Object.keys(MYSQL_FAULTS)) expect(seen).toContain(`mysql fault: ${fault}`);
    for (const kind of ['refuse', 'kill writer', 'clock jump']) expect(seen).toContain(kind);
    const stores = episodes.flatMap((one) => (one.kind === 'kill store' ? [one.store] : []));
    expect(new Set(stores)).toEqual(new Set(['mysql', 'elasticsearch']));
    expect(episodes.map(({ atWrite }) => atWrite)).toEqual(
      episodes.map(({ atWrite }) => atWrite).sort((a, b) => a - b),
    );
  });

  it('kills each store even in a small run, and nothing when told so', () => {
    const stores = scheduleFaults({ ...RUN, writes: 500 }).filter(({ kind }) => kind === 'kill store');
    expect(stores).toHaveLength(2);
    expect(scheduleFaults({ ...RUN, kills: false, faults: false })).toEqual([]);
  });
});

describe('the operations', () => {
  const options = {
    seed: 7,
    name: 'writer-1',
    life: 0,
    hotKeys: 6,
    coldKeys: 100,
    onlyReads: false,
    profile: 'when' as const,
  };

  it('depend on the seed and their number alone, and never write a value twice', () => {
    const planned = Array.from({ length: 500 }, (_, at) => planOperation(options, at));
    expect(planned[17]).toEqual(planOperation(options, 17));
    const values = planned.flatMap((one) => (one.shape === 'read' ? [] : one.writes.map(({ value }) => value)));
    expect(new Set(values).size).toBe(values.length);
    const again = planOperation({ ...options, life: 1 }, 17);
    expect(JSON.stringify(again).replaceAll('writer-1/1', 'writer-1/0')).toBe(JSON.stringify(planned[17]));
  });

  it('take each row once at a time, hot and cold ones', () => {
    const planned = Array.from({ length: 500 }, (_, at) => planOperation(options, at));
    const keys = planned.map((one) => (one.shape === 'read' ? one.keys : one.writes.map(({ key }) => key)));
    for (const some of keys) expect(new Set(some).size).toBe(some.length);
    expect(keys.flat().some((key) => key.startsWith('hot-'))).toBe(true);
    expect(keys.flat().some((key) => key.startsWith('cold-'))).toBe(true);
  });
});
