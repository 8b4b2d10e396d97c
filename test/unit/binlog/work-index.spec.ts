import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ChangeWork } from '../../../src/binlog/change.work.js';
import { LowWatermark } from '../../../src/binlog/low.watermark.js';
import { WorkIndex } from '../../../src/binlog/work.index.js';

const ticket = new LowWatermark<never>().begin();
const workOf = (id: string): ChangeWork =>
  new ChangeWork(id, 'put', { state: 'commit', version: 0, operation: null }, null, { id }, ticket, 10);

describe('WorkIndex', () => {
  it('holds what a Map would hold', () => {
    const id = fc.oneof(fc.nat(3_000).map(String), fc.string({ maxLength: 3 }));
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), id), { maxLength: 4_000, size: 'max' }), (steps) => {
        const index = new WorkIndex();
        const map = new Map<string, ChangeWork>();
        for (const [adding, key] of steps) {
          const known = map.get(key);
          expect(index.get(key)).toBe(known);
          if (known && !adding) {
            index.delete(known);
            // Once more is without effect.
            index.delete(known);
            map.delete(key);
          } else if (!known) {
            const work = workOf(key);
            index.add(work);
            map.set(key, work);
          }
        }
        expect(index.size).toBe(map.size);
        expect(new Set(index.clear())).toEqual(new Set(map.values()));
        expect([index.size, index.get(steps[0]?.[1] ?? '')]).toEqual([0, undefined]);
      }),
      { numRuns: 30 },
    );
  });

  it('does not delete another work of the same id', () => {
    const index = new WorkIndex();
    const [held, other] = [workOf('1'), workOf('1')];
    index.add(held);
    index.delete(other);
    expect([index.size, index.get('1')]).toEqual([1, held]);
  });
});
