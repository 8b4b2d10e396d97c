import { describe, expect, it } from '@jest/globals';
import { readOptions } from '../../bench/bench.options.js';
import { makePlan, orderOf } from '../../bench/cell.plan.js';
import { summarize } from '../../bench/cell.summary.js';
import type { CellResult, Operation, Peer } from '../../bench/cell.types.js';
import { throughputChart } from '../../bench/chart.svg.js';
import { LatencyRecorder, median } from '../../bench/latency.recorder.js';
import { ratiosOf } from '../../bench/ratio.list.js';
import { cellTable, ratioTable } from '../../bench/table.printer.js';

const QUICK_RATIOS = [
  'insert_ops_64',
  'insert_ops_256',
  'insert_p99_64',
  'insert_p50_1',
  'insert_indexed_p50_1',
  'update_ops_64',
  'update_ops_256',
  'update_p99_64',
  'update_p50_1',
  'update_indexed_p50_1',
  'outbox_visible_p99_64',
  'outbox_ops_64',
  'save_many_vs_floor',
  'read_committed_vs_typeorm',
];

function result(peer: Peer, operation: Operation, concurrency: number, rate: number): CellResult {
  const latency = { p50Ms: 100 / rate, p95Ms: 200 / rate, p99Ms: 300 / rate, maxMs: 400 / rate };
  const cpu = { node: 1, mysqld: 1, elasticsearch: null };
  const cell = { peer, operation, concurrency, opsPerSecond: rate, latency, cpu, failed: 0 };
  if (peer === 'outbox') return { ...cell, visible: latency };
  return peer === 'reads' ? { ...cell, overTypeorm: operation === 'find-one' ? 1.2 : 1.01 } : cell;
}

describe('the benchmark', () => {
  it('takes percentiles by nearest rank', () => {
    const recorder = new LatencyRecorder();
    for (let ms = 100; ms >= 1; ms--) recorder.add(ms);
    expect(recorder.summary()).toEqual({ p50Ms: 50, p95Ms: 95, p99Ms: 99, maxMs: 100 });
    expect([median([3, 1, 2]), median([4, 1, 3, 2])]).toEqual([2, 2.5]);
  });

  it('measures in the quick run all that the ratios need', () => {
    const cells = makePlan(true, 1).cells.map(({ peer, operation, concurrency }) =>
      result(peer, operation, concurrency, peer.startsWith('ours') ? 50 : 10),
    );
    const ratios = ratiosOf(summarize(cells));
    expect(ratios.map(({ name }) => name).sort()).toEqual([...QUICK_RATIOS].sort());
    expect(Object.fromEntries(ratios.map(({ name, value }) => [name, value]))).toMatchObject({
      insert_ops_64: 5,
      update_p99_64: 0.2,
      read_committed_vs_typeorm: 1.2,
    });
    expect(ratios.find(({ name }) => name === 'insert_ops_256')?.reached).toBe(false);
    expect(ratioTable(ratios)).toContain('NO');
  });

  it('takes the median of the rounds, and shows their spread', () => {
    const cells = summarize([10, 30, 20].map((rate) => result('dual-write', 'insert', 64, rate)));
    expect(cells).toMatchObject([{ rounds: 3, opsPerSecond: { median: 20, min: 10, max: 30 } }]);
    expect(cellTable(cells)).toContain('20 (10–30)');
    expect(throughputChart(cells)).toMatch(/^<svg [\s\S]*<\/svg>\n$/);
  });

  it('measures every cell in every round, each time in another order', () => {
    const plan = makePlan(false, 2);
    const [first, second] = [orderOf(plan, 0), orderOf(plan, 1)];
    expect([first.length, new Set(second).size]).toEqual([plan.cells.length, plan.cells.length]);
    expect(first).not.toEqual(second);
  });

  it('refuses options that it does not know', () => {
    expect(readOptions(['--quick'])).toMatchObject({ quick: true, rounds: 1 });
    expect(() => readOptions(['--fast'])).toThrow('--fast');
    expect(() => readOptions(['--rounds', '0'])).toThrow('--rounds');
  });
});
