import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { within } from '../../src/mysql/time.watch.js';

const LATE_MS = 100;

describe('within', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  const late = (name: string) => (): never => {
    throw new Error(`${name} is late`);
  };
  const never = new Promise<never>(() => undefined);

  it('gives what the work gives, its error too', async () => {
    await expect(within(Promise.resolve(1), LATE_MS, late('it'))).resolves.toBe(1);
    await expect(within(Promise.reject(new Error('broken')), LATE_MS, late('it'))).rejects.toThrow('broken');
    // The shared timer ends with nobody waiting.
    await jest.advanceTimersByTimeAsync(LATE_MS + 5);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('ends each wait when its own time is over, though they share a timer', async () => {
    const ended: string[] = [];
    const wait = (name: string) =>
      within(never, LATE_MS, late(name)).catch((error: Error) => ended.push(error.message));
    void wait('the first');
    await jest.advanceTimersByTimeAsync(60);
    void wait('the second');
    expect(jest.getTimerCount()).toBe(1);
    await jest.advanceTimersByTimeAsync(45);
    expect(ended).toEqual(['the first is late']);
    await jest.advanceTimersByTimeAsync(50);
    expect(ended).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(10);
    expect(ended).toEqual(['the first is late', 'the second is late']);
  });

  it('forgets waits that ended well, and still watches those that began meanwhile', async () => {
    await within(Promise.resolve(), LATE_MS, late('a done one'));
    await jest.advanceTimersByTimeAsync(60);
    const told = expect(within(never, LATE_MS, late('the open one'))).rejects.toThrow('the open one is late');
    await jest.advanceTimersByTimeAsync(LATE_MS + 5);
    await told;
    expect(jest.getTimerCount()).toBe(0);
  });

  it('lets who is told wait anew', async () => {
    let told = '';
    const first = within<string>(never, LATE_MS, () => {
      void within(never, LATE_MS, late('the next')).catch((error: Error) => {
        told = error.message;
      });
      return 'ended';
    });
    await jest.advanceTimersByTimeAsync(LATE_MS + 1);
    await expect(first).resolves.toBe('ended');
    expect(told).toBe('');
    await jest.advanceTimersByTimeAsync(LATE_MS + 5);
    expect(told).toBe('the next is late');
  });

  it('has no timer of its own where there is no limit', () => {
    const work = Promise.resolve(1);
    expect(within(work, Infinity, late('it'))).toBe(work);
    expect(jest.getTimerCount()).toBe(0);
  });
});
