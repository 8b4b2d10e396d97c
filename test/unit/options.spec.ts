import { describe, expect, it } from '@jest/globals';
import { Client } from '@elastic/elasticsearch';
import { type ConsistentModuleOptions, resolveOptions } from '../../src/consistent.options.js';
import { InvalidOptionsError } from '../../src/index.js';

const elasticsearch = { node: 'http://127.0.0.1:9200' };
const resolve = (options: object) => resolveOptions({ elasticsearch, ...options } as ConsistentModuleOptions);

describe('options', () => {
  it('have defaults, every one finite', () => {
    expect(resolve({})).toEqual({
      elasticsearch,
      decider: 'elasticsearch',
      writeTimeoutMs: 2_000,
      deadlineMs: 5_000,
      acknowledge: 'committed',
      groupCommit: true,
      busyTimeoutMs: 7_000,
      statementTimeoutMs: 10_000,
      retry: { attempts: 3, backoffMs: 50 },
      readRepair: { timeoutMs: 2_000, concurrency: 4, batchSize: 200, maxQueued: 10_000 },
      sweeper: { intervalMs: 1_000, batchSize: 200, leaseMs: 10_000, maxBatchesPerRun: 50 },
      verification: false,
      bypassGuard: 'refuse',
      createIndices: true,
      gcDeletesMs: 3_600_000,
      startupTimeoutMs: 30_000,
      shutdownTimeoutMs: 10_000,
    });
  });

  it('derive the deadline from the write timeout, and fill in what nested options leave out', () => {
    expect(resolve({ writeTimeoutMs: 300, sweeper: { intervalMs: 100 }, retry: { attempts: 0 } })).toMatchObject({
      deadlineMs: 1_600,
      sweeper: { intervalMs: 100, leaseMs: 10_000 },
      retry: { attempts: 0, backoffMs: 50 },
    });
    expect(resolve({ sweeper: false }).sweeper).toBe(false);
  });

  it('take a client as it is', async () => {
    const client = new Client(elasticsearch);
    expect(resolve({ elasticsearch: client }).elasticsearch).toBe(client);
    await client.close();
  });

  it.each([
    [{ elasticsearch: undefined }, /give `elasticsearch`: a Client, or its options/, 'elasticsearch'],
    [{ elasticsearch: 'http://localhost:9200' }, /give `elasticsearch`/, 'elasticsearch'],
    [{ decider: 'nobody' }, /decider/, 'decider'],
    [{ writeTimeoutMs: 9 }, /writeTimeoutMs/, 'writeTimeoutMs'],
    [{ writeTimeoutMs: 60_001 }, /writeTimeoutMs/, 'writeTimeoutMs'],
    [{ writeTimeoutMs: 1.5 }, /writeTimeoutMs/, 'writeTimeoutMs'],
    [{ writeTimeoutMs: '2000' }, /writeTimeoutMs/, 'writeTimeoutMs'],
    [{ deadlineMs: Number.POSITIVE_INFINITY }, /deadlineMs/, 'deadlineMs'],
    [{ busyTimeoutMs: -1 }, /busyTimeoutMs/, 'busyTimeoutMs'],
    [{ retry: { attempts: 21 } }, /retry\.attempts/, 'retry.attempts'],
    [{ retry: { backoffMs: 0 } }, /retry\.backoffMs/, 'retry.backoffMs'],
    [{ readRepair: { concurrency: 0 } }, /readRepair\.concurrency/, 'readRepair.concurrency'],
    [{ readRepair: { maxQueued: Number.NaN } }, /readRepair\.maxQueued/, 'readRepair.maxQueued'],
    [{ bypassGuard: 'maybe' }, /bypassGuard/, 'bypassGuard'],
    [{ createIndices: 'yes' }, /createIndices/, 'createIndices'],
    [{ gcDeletesMs: 59_999 }, /gcDeletesMs/, 'gcDeletesMs'],
    [{ shutdownTimeoutMs: null }, /shutdownTimeoutMs/, 'shutdownTimeoutMs'],
  ])('%j is refused by name', (options, message, path) => {
    expect(() => resolve(options)).toThrow(InvalidOptionsError);
    expect(() => resolve(options)).toThrow(message);
    const issues = refusal(options).data.issues as { path: string }[];
    expect(issues.map((issue) => issue.path)).toEqual([path]);
  });

  it.each([
    [{ wirteTimeoutMs: 5 }, /wirteTimeoutMs/],
    [{ retry: { attempt: 5 } }, /attempt/],
    [{ sweeper: { interval: 5 } }, /sweeper/],
    [{ sweeper: true }, /sweeper/],
    [undefined, /./],
    [null, /./],
  ])('%j, which is no option, is refused', (options, message) => {
    const call = () => resolveOptions((options ? { elasticsearch, ...options } : options) as never);
    expect(call).toThrow(InvalidOptionsError);
    expect(call).toThrow(message);
  });

  it('name everything that is wrong at once', () => {
    const { message, data } = refusal({ writeTimeoutMs: 1, decider: 'x', retry: { attempts: -1 } });
    for (const name of ['writeTimeoutMs', 'decider', 'retry.attempts']) expect(message).toContain(name);
    expect(data.issues).toHaveLength(3);
  });

  it.each([
    [
      { writeTimeoutMs: 2_000, deadlineMs: 2_000 },
      /deadlineMs \(2000\) must be longer than writeTimeoutMs \(2000\).*4000/s,
    ],
    [{ writeTimeoutMs: 500, deadlineMs: 100 }, /deadlineMs \(100\).*writeTimeoutMs \(500\)/s],
    [{ writeTimeoutMs: 500, statementTimeoutMs: 499 }, /statementTimeoutMs \(499\).*writeTimeoutMs \(500\)/s],
    [{ deadlineMs: 60_000, gcDeletesMs: 599_999 }, /gcDeletesMs \(599999\).*ten times deadlineMs \(60000\)/s],
    [{ writeTimeoutMs: 5_000, sweeper: { leaseMs: 4_999 } }, /leaseMs \(4999\).*writeTimeoutMs \(5000\)/s],
  ])('%j contradict each other', (options, message) => {
    expect(() => resolve(options)).toThrow(InvalidOptionsError);
    expect(() => resolve(options)).toThrow(message);
  });

  it.each([
    { writeTimeoutMs: 2_000, deadlineMs: 2_001 },
    { writeTimeoutMs: 500, statementTimeoutMs: 500 },
    { deadlineMs: 60_000, gcDeletesMs: 600_000 },
    { writeTimeoutMs: 5_000, sweeper: { leaseMs: 5_000 } },
  ])('%j are at the edge, and fit', (options) => {
    expect(resolve(options)).toMatchObject(options);
  });
});

function refusal(options: object): InvalidOptionsError {
  try {
    resolve(options);
  } catch (error) {
    return error as InvalidOptionsError;
  }
  throw new Error('the options were taken');
}
