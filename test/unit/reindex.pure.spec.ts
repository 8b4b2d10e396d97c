import { describe, expect, it } from '@jest/globals';
import type { EntityContext } from '../../src/entity/entity.context.js';
import { ConsistentError, IndexUnavailableError, InvalidSchemaError } from '../../src/errors.js';
import { seatOf } from '../../src/elasticsearch/index.route.js';
import { ProblemList } from '../../src/reindex/problem.list.js';
import { aliasContexts, reindexable } from '../../src/reindex/reindex.contexts.js';
import { asInterrupted } from '../../src/reindex/reindex.interruption.js';
import { resolveReindexOptions } from '../../src/reindex/reindex.options.js';

const context = (name: string, alias: string, dataSourceName: string) =>
  ({ binding: { name, alias, dataSourceName } }) as unknown as EntityContext;

describe('which tables are reindexed together', () => {
  const all = [context('A', 'films', 'default'), context('B', 'films', 'default'), context('C', 'others', 'default')];

  it('those of the same alias', () => {
    expect(reindexable(all, 'films')).toEqual([all[0], all[1]]);
    expect(aliasContexts(all, 'others')).toEqual([all[2]]);
  });

  it('but not where they are of several DataSources', () => {
    const shards = [...all, context('A', 'films', 'shard2')];
    expect(() => reindexable(shards, 'films')).toThrow(
      /"films" has documents of several DataSources \(default, shard2\)/,
    );
    expect(reindexable(shards, 'others')).toEqual([all[2]]);
  });
});

describe('the options of reindex()', () => {
  it('have finite defaults', () => {
    expect(resolveReindexOptions({})).toMatchObject({
      into: 'new',
      batchSize: 2_000,
      timeoutMs: 30_000,
      barrierMs: 5_000,
    });
  });

  it.each([{ barrierMs: 100 }, { batchSize: 0 }, { into: 'old' }, { frob: 1 }, { mappings: 'text' }])(
    'refuse %j',
    (wrong) => {
      expect(() => resolveReindexOptions(wrong as never)).toThrow(/reindex\(\) cannot take these options/);
    },
  );
});

describe('what a run ends with', () => {
  const quiet = new AbortController().signal;
  const codeOf = (error: unknown, signal = quiet) => (asInterrupted(error, 'films', signal) as ConsistentError).code;

  it('is an interruption where the same may go well later', () => {
    expect(codeOf(new IndexUnavailableError('busy'))).toBe('REINDEX_INTERRUPTED');
    expect(codeOf(Object.assign(new Error('gone'), { code: 'ECONNRESET' }))).toBe('REINDEX_INTERRUPTED');
    expect(codeOf(Object.assign(new Error('late'), { name: 'TimeoutError' }))).toBe('REINDEX_INTERRUPTED');
    expect(codeOf(new Error('whatever'), AbortSignal.abort())).toBe('REINDEX_INTERRUPTED');
  });

  it('is the error itself where it is not', () => {
    const error = new InvalidSchemaError('no');
    expect(asInterrupted(error, 'films', quiet)).toBe(error);
    const fault = new TypeError('a fault of this program');
    expect(asInterrupted(fault, 'films', quiet)).toBe(fault);
  });
});

it('lists the first problems and counts all', () => {
  const problems = new ProblemList(1);
  for (const documentId of ['1', '2']) problems.add({ entity: 'Film', documentId, reason: 'no' });
  expect([problems.count, problems.examples.length]).toEqual([2, 1]);
});

it('names an index so that nothing else is meant', () => {
  expect(seatOf('films-000001')).toBe('films-000001.seat');
});
