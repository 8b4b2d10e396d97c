import { describe, expect, it } from '@jest/globals';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { RowKey } from '../../src/entity/row.key.js';
import { type Resolution, type ResolveResult, Unsettled } from '../../src/settle/resolution.js';
import { ResolveQueue } from '../../src/settle/resolve.queue.js';

const key = (id: string): RowKey => ({ id, parameters: [id] });
const answer = (id: string, version = 1): Resolution => ({
  ...({} as Resolution),
  visible: { id },
  version,
  settled: true,
});

interface Batch {
  ids: string[];
  finish: (result?: ResolveResult) => void;
  fail: (error: Error) => void;
}

/** A queue whose batches the test finishes by hand. */
function queue(limits: Partial<{ concurrency: number; batchSize: number; maxQueued: number }> = {}) {
  const batches: Batch[] = [];
  const made = new ResolveQueue(
    (keys) =>
      new Promise<ResolveResult>((resolve, reject) => {
        const ids = keys.map(({ id }) => id);
        const all = new Map(ids.map((id) => [id, answer(id, batches.length + 1)] as const));
        batches.push({ ids, finish: (result = all) => resolve(result), fail: reject });
      }),
    { concurrency: 1, batchSize: 100, maxQueued: 100, timeoutMs: 1_000, ...limits },
  );
  return { queue: made, batches };
}

describe('ResolveQueue', () => {
  it('puts what is asked at the same time into one batch, each row once', async () => {
    const { queue: made, batches } = queue();
    const asked = ['a', 'b', 'a'].map((id) => made.ask(key(id)));
    await nextTurn();
    expect(batches.map(({ ids }) => ids)).toEqual([['a', 'b']]);
    batches[0]!.finish();
    expect((await Promise.all(asked)).map(({ visible }) => visible!.id)).toEqual(['a', 'b', 'a']);
  });

  it('never lets a reader join a batch that has begun', async () => {
    const { queue: made, batches } = queue({ concurrency: 2 });
    const early = made.ask(key('a'));
    await nextTurn();
    const late = made.ask(key('a'));
    await nextTurn();
    expect(batches.map(({ ids }) => ids)).toEqual([['a'], ['a']]);
    batches[1]!.finish();
    batches[0]!.finish();
    expect((await early).version).toBe(1);
    expect((await late).version).toBe(2);
  });

  it('keeps to the number of batches under way, and shares the next one', async () => {
    const { queue: made, batches } = queue({ concurrency: 1 });
    const first = made.ask(key('a'));
    await nextTurn();
    const waiting = ['b', 'c', 'b'].map((id) => made.ask(key(id)));
    await nextTurn();
    expect(batches).toHaveLength(1);
    batches[0]!.finish();
    await first;
    await nextTurn();
    expect(batches[1]!.ids).toEqual(['b', 'c']);
    batches[1]!.finish();
    await Promise.all(waiting);
  });

  it('keeps to the size of a batch, oldest first', async () => {
    const { queue: made, batches } = queue({ concurrency: 2, batchSize: 2 });
    const asked = ['a', 'b', 'c', 'd', 'e'].map((id) => made.ask(key(id)));
    await nextTurn();
    expect(batches.map(({ ids }) => ids)).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
    batches.forEach((batch) => batch.finish());
    await nextTurn();
    await nextTurn();
    expect(batches[2]!.ids).toEqual(['e']);
    batches[2]!.finish();
    await Promise.all(asked);
  });

  it('refuses what does not fit any more, and takes a row that waits already', async () => {
    const { queue: made, batches } = queue({ maxQueued: 2 });
    const asked = ['a', 'b'].map((id) => made.ask(key(id)));
    await expect(made.ask(key('c'))).rejects.toThrow(Unsettled);
    await expect(made.ask(key('c'))).rejects.toThrow(/2 rows are already waiting/);
    const joined = made.ask(key('a'));
    await nextTurn();
    batches[0]!.finish();
    await Promise.all([...asked, joined]);
  });

  it('gives each row its own error, and a missing answer is one', async () => {
    const { queue: made, batches } = queue();
    const asked = ['good', 'bad', 'missing'].map((id) => made.ask(key(id)));
    await nextTurn();
    batches[0]!.finish(
      new Map<string, Resolution | Unsettled>([
        ['good', answer('good')],
        ['bad', new Unsettled('cannot say')],
      ]),
    );
    const [good, bad, missing] = await Promise.allSettled(asked);
    expect(good!.status).toBe('fulfilled');
    expect(bad).toMatchObject({ status: 'rejected', reason: { message: 'cannot say' } });
    expect(missing).toMatchObject({ status: 'rejected', reason: expect.any(Unsettled) });
  });

  it('goes on after a batch that failed as a whole', async () => {
    const { queue: made, batches } = queue();
    const failing = Promise.allSettled(['a', 'b'].map((id) => made.ask(key(id))));
    await nextTurn();
    batches[0]!.fail(new Error('no database'));
    for (const result of await failing) expect(result).toMatchObject({ status: 'rejected' });
    const next = made.ask(key('a'));
    await nextTurn();
    batches[1]!.finish();
    expect((await next).visible).toEqual({ id: 'a' });
  });
});
