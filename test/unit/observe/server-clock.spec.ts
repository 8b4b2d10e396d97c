import { beforeEach, describe, expect, it } from '@jest/globals';
import { ServerClock } from '../../../src/observe/server.clock.js';

describe("MySQL's clock as it is known here", () => {
  let local: number;
  let clock: ServerClock;
  beforeEach(() => {
    local = 1_000_000;
    clock = new ServerClock(() => local);
  });

  /** Answers that are under way for so long in each direction, of a server whose clock is ahead by `aheadMs`. */
  function answers(aheadMs: number, ways: [thereMs: number, backMs: number][]): () => Promise<number> {
    let at = 0;
    return async () => {
      const [thereMs, backMs] = ways[at++ % ways.length]!;
      local += thereMs;
      const theirs = (local + aheadMs) * 1_000;
      local += backMs;
      return theirs;
    };
  }

  it('is the local one, of unknown worth, until it was asked for', () => {
    expect(clock).toMatchObject({ offsetMs: 0, uncertaintyMs: Infinity });
    expect(clock.now()).toBe(local);
  });

  it('is exact when both ways take as long', async () => {
    await clock.measure(answers(5_000, [[2, 2]]));
    expect(clock).toMatchObject({ offsetMs: 5_000, uncertaintyMs: 2 });
    expect(clock.now()).toBe(local + 5_000);
  });

  it('is wrong by no more than it says, whichever way takes longer', async () => {
    for (const ways of [
      [10, 0],
      [0, 10],
      [7, 3],
    ] as [number, number][]) {
      await clock.measure(answers(-300, [ways]));
      expect(Math.abs(clock.offsetMs - -300)).toBeLessThanOrEqual(clock.uncertaintyMs);
      expect(clock.uncertaintyMs).toBe(5);
    }
  });

  it('takes the answer that was under way for the shortest time', async () => {
    await clock.measure(
      answers(50, [
        [90, 5],
        [1, 1],
        [4, 60],
      ]),
      3,
    );
    expect(clock).toMatchObject({ offsetMs: 50, uncertaintyMs: 1 });
  });

  it('takes a new measure for the old one: another server has another clock', async () => {
    await clock.measure(answers(50, [[1, 1]]));
    await clock.measure(answers(-70, [[9, 9]]));
    expect(clock).toMatchObject({ offsetMs: -70, uncertaintyMs: 9 });
  });

  it('learns nothing while the local clock is set back', async () => {
    await clock.measure(answers(50, [[1, 1]]));
    await clock.measure(answers(9_000, [[1, -10_000]]));
    expect(clock.offsetMs).toBe(50);
  });

  it('fails when MySQL does not answer, and keeps what it knew', async () => {
    await clock.measure(answers(50, [[1, 1]]));
    await expect(clock.measure(() => Promise.reject(new Error('gone')))).rejects.toThrow('gone');
    expect(clock.offsetMs).toBe(50);
  });
});
