import { describe, expect, it } from '@jest/globals';
import { BatchSize } from '../../src/walk/batch.size.js';

const MEBIBYTE = 1024 * 1024;

describe('BatchSize', () => {
  it('begins with few rows, and goes on with as many as are allowed where they are small', () => {
    const size = new BatchSize(2_000);
    expect([size.first, size.next]).toEqual([100, 2_000]);
    size.measure(100, 100 * 80);
    expect(size.next).toBe(2_000);
  });

  it('takes no more at first than are allowed', () => {
    expect(new BatchSize(7).first).toBe(7);
  });

  it('takes fewer rows where their documents are large, but never none', () => {
    const size = new BatchSize(2_000);
    size.measure(100, 100 * MEBIBYTE);
    expect(size.next).toBe(8);
    size.measure(8, 8 * 100 * MEBIBYTE);
    expect(size.next).toBe(1);
    size.measure(1, 80);
    expect(size.next).toBe(2_000);
  });
});
