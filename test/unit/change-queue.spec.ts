import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ChangeQueue } from '../../src/binlog/change.queue.js';
import { type ChangeKind, ChangeWork, type ChangeLane } from '../../src/binlog/change.work.js';
import { LowWatermark } from '../../src/binlog/low.watermark.js';
import type { BinlogCoordinates } from '../../src/binlog/binlog.types.js';

const watermark = new LowWatermark<BinlogCoordinates>();
const ticket = watermark.begin();

function work(id: string, kind: ChangeKind, version = 0): ChangeWork {
  return new ChangeWork(id, kind, { state: 'commit', version, operation: null }, null, { id }, ticket, 10);
}

describe('ChangeQueue', () => {
  const queueOf = (...works: ChangeWork[]) => {
    let done = 0;
    const queue = new ChangeQueue(() => (done += 1));
    for (const each of works) queue.add(each);
    queue.publish();
    return { queue, done: () => done };
  };

  it('works on the changes of one row one after the other, on others side by side', () => {
    const { queue } = queueOf(work('a', 'put', 1), work('b', 'put', 1));
    const [first, other] = queue.take('put', 10);
    expect([first!.id, other!.id]).toEqual(['a', 'b']);
    queue.add(work('a', 'put', 2));
    queue.publish();
    expect(queue.take('put', 10)).toEqual([]);
    queue.finish(first!);
    expect(queue.take('put', 10).map(({ mark }) => mark.version)).toEqual([2]);
  });

  it('lets a change that has not begun give way to a later one, and counts both as done', () => {
    const { queue, done } = queueOf(work('a', 'put', 1), work('a', 'check', 2), work('a', 'put', 3));
    const taken = [...queue.take('look', 10), ...queue.take('put', 10)];
    expect(taken.map(({ kind, mark }) => [kind, mark.version])).toEqual([['put', 3]]);
    queue.finish(taken[0]!);
    expect({ done: done(), size: queue.size, bytes: queue.bytes }).toEqual({ done: 3, size: 0, bytes: 0 });
  });

  it('keeps what must not be passed over: a removal, what is to be settled, a request that may still land', () => {
    const gone = queueOf(work('a', 'gone', 1), work('a', 'put', 0)).queue;
    expect(gone.take('put', 10)).toEqual([]);
    expect(gone.take('look', 10).map(({ kind }) => kind)).toEqual(['gone']);
    const settle = queueOf(work('a', 'settle', 1), work('a', 'check', 1)).queue;
    expect(settle.take('mend', 10).map(({ kind }) => kind)).toEqual(['settle']);
    const { queue } = queueOf(work('a', 'put', 1));
    const [sent] = queue.take('put', 10);
    queue.again(sent!, true);
    queue.add(work('a', 'check', 2));
    queue.publish();
    expect(queue.take('look', 10)).toEqual([]);
    expect(queue.take('put', 10)).toEqual([sent]);
  });

  it('holds back what is not published, and respects the limits of a batch', () => {
    const queue = new ChangeQueue(() => undefined);
    for (const id of ['a', 'b', 'c']) queue.add(work(id, 'put'));
    expect(queue.take('put', 10)).toEqual([]);
    queue.publish();
    expect(queue.take('put', 2)).toHaveLength(2);
    expect(queue.take('put', 10, 5)).toHaveLength(1);
  });

  it('counts everything as done when it is given up, and late answers change nothing', () => {
    const { queue, done } = queueOf(work('a', 'put', 1), work('b', 'check', 1));
    const [sent] = queue.take('put', 10);
    queue.add(work('a', 'put', 2));
    queue.abandon();
    expect({ done: done(), size: queue.size, bytes: queue.bytes }).toEqual({ done: 3, size: 0, bytes: 0 });
    queue.add(work('a', 'put', 3));
    queue.publish();
    queue.finish(sent!);
    queue.again(sent!, true);
    expect({ done: done(), size: queue.size }).toEqual({ done: 3, size: 1 });
    expect(queue.take('put', 10).map(({ mark }) => mark.version)).toEqual([3]);
  });

  it('loses nothing and overtakes nothing, whatever comes in whatever order', () => {
    const kinds: ChangeKind[] = ['put', 'check', 'gone', 'compare', 'settle'];
    const lanes: ChangeLane[] = ['put', 'look', 'mend'];
    const step = fc.oneof(
      fc.record({ add: fc.constantFrom('a', 'b', 'c'), kind: fc.constantFrom(...kinds) }),
      fc.record({ take: fc.constantFrom(...lanes), how: fc.constantFrom('finish', 'again', 'compare') }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let done = 0;
        let added = 0;
        const last = new Map<string, number>();
        const queue = new ChangeQueue(() => (done += 1));
        const finish = (each: ChangeWork): void => {
          expect(each.mark.version).toBeGreaterThan(last.get(each.id) ?? 0);
          last.set(each.id, each.mark.version);
          queue.finish(each);
        };
        for (const each of steps) {
          if ('add' in each) queue.add(work(each.add, each.kind, ++added));
          else {
            for (const taken of queue.take(each.take, 1)) {
              if (each.how === 'finish') finish(taken);
              else if (each.how === 'again') queue.again(taken, true);
              else {
                taken.becomes('compare');
                queue.again(taken, false);
              }
            }
          }
          queue.publish();
        }
        for (let more = true; more;) {
          const rest = lanes.flatMap((lane) => queue.take(lane, 100));
          rest.forEach(finish);
          more = rest.length > 0;
        }
        expect({ done, size: queue.size, bytes: queue.bytes }).toEqual({ done: added, size: 0, bytes: 0 });
      }),
    );
  });
});
