import { describe, expect, it } from '@jest/globals';
import { AppliedTally } from '../../../src/binlog/applied.tally.js';

describe('AppliedTally', () => {
  it('tells of the rows of one commit together, and of each once', () => {
    const told: number[][] = [];
    const tally = new AppliedTally((...each) => told.push(each));
    tally.flush();
    for (const committedAtMs of [10, 10, 10, 20, 10]) tally.add(committedAtMs);
    expect(told).toEqual([
      [10, 3],
      [20, 1],
    ]);
    tally.flush();
    tally.flush();
    expect(told).toEqual([
      [10, 3],
      [20, 1],
      [10, 1],
    ]);
  });
});
