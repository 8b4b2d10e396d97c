import { describe, expect, it } from '@jest/globals';
import { RequestSlots } from '../../../src/binlog/request.slots.js';

describe('RequestSlots', () => {
  let now = 0;
  const newSlots = (limit: number, enough: number) => {
    now = 1_000;
    return new RequestSlots<string>(limit, enough, () => now);
  };

  it('lets the first request of an owner begin at once, however small', () => {
    const slots = newSlots(3, 500);
    expect(slots.mayBeginAt('a', 1)).toBe(0);
    slots.begin('a');
    expect(slots.mayBeginAt('b', 1)).toBe(0);
  });

  it('begins nothing where nothing waits', () => {
    expect(newSlots(3, 500).mayBeginAt('a', 0)).toBe(Infinity);
  });

  it('lets a few changes gather behind a request of the same owner, until it is slow', () => {
    const slots = newSlots(3, 500);
    slots.begin('a');
    expect(slots.mayBeginAt('a', 499)).toBe(1_010);
    now = 1_009;
    expect(slots.mayBeginAt('a', 1)).toBe(1_010);
    now = 1_010;
    expect(slots.mayBeginAt('a', 1)).toBe(0);
    slots.begin('a');
    // The next one after the same time again.
    expect(slots.mayBeginAt('a', 1)).toBe(1_020);
  });

  it('counts the patience by the requests of the same owner only', () => {
    const slots = newSlots(3, 500);
    slots.begin('a');
    now = 1_001;
    slots.begin('b');
    expect(slots.mayBeginAt('a', 1)).toBe(1_010);
    expect(slots.mayBeginAt('b', 1)).toBe(1_011);
  });

  it('waits for nothing where there is enough for a request', () => {
    const slots = newSlots(3, 500);
    slots.begin('a');
    expect(slots.mayBeginAt('a', 500)).toBe(0);
  });

  it('never goes over its limit, and begins again once a request has ended', () => {
    const slots = newSlots(2, 1);
    const first = slots.begin('a');
    slots.begin('b');
    expect(slots.mayBeginAt('c', 10_000)).toBe(Infinity);
    now = 1_007;
    expect(slots.end(first)).toBe(7);
    expect(slots.size).toBe(1);
    expect(slots.mayBeginAt('c', 1)).toBe(0);
  });

  it('tells how long the oldest request has been under way', () => {
    const slots = newSlots(3, 500);
    expect(slots.oldestMs).toBe(0);
    const first = slots.begin('a');
    now = 1_030;
    slots.begin('b');
    now = 1_050;
    expect(slots.oldestMs).toBe(50);
    slots.end(first);
    expect(slots.oldestMs).toBe(20);
  });
});
