import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ByteQueue } from '../../src/binlog/byte.queue.js';

function queueOf(maxBytes: number) {
  const signals: string[] = [];
  const queue = new ByteQueue<number>(maxBytes, {
    pause: () => signals.push('pause'),
    resume: () => signals.push('resume'),
  });
  return { queue, signals };
}

describe('ByteQueue', () => {
  it('hands out everything in order, counts its bytes, and pauses and resumes in turn', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.integer({ min: 0, max: 3_000 }), fc.constant(null)), { maxLength: 400 }),
        (steps) => {
          const { queue, signals } = queueOf(10_000);
          const sizes: number[] = [];
          let pushed = 0;
          let taken = 0;
          for (const step of steps) {
            if (step !== null) {
              sizes.push(step + 256);
              queue.push(pushed++, step);
            } else if (taken < pushed) {
              expect(queue.shift()).toBe(taken++);
            } else {
              expect(queue.shift()).toBeUndefined();
            }
            const bytes = sizes.slice(taken).reduce((sum, size) => sum + size, 0);
            expect([queue.length, queue.bytes]).toEqual([pushed - taken, bytes]);
            if (bytes >= 10_000) expect(queue.isFull).toBe(true);
            if (bytes <= 5_000) expect(queue.isFull).toBe(false);
            expect(signals.at(-1) ?? 'resume').toBe(queue.isFull ? 'pause' : 'resume');
            expect(queue.highWaterBytes).toBeGreaterThanOrEqual(bytes);
          }
          expect(signals).toEqual(signals.map((_, at) => (at % 2 === 0 ? 'pause' : 'resume')));
        },
      ),
    );
  });

  it('hands out what is queued before it tells of the failure, and takes nothing after it', async () => {
    const { queue } = queueOf(1_000);
    queue.push(1, 1);
    queue.fail(new Error('broken'));
    queue.push(2, 1);
    queue.end();
    expect(await queue.ready()).toBe(true);
    expect(queue.shift()).toBe(1);
    await expect(queue.ready()).rejects.toThrow('broken');
  });

  it('wakes a waiting consumer by an item and by the end', async () => {
    const { queue } = queueOf(1_000);
    const first = queue.ready();
    queue.push(1, 1);
    expect(await first).toBe(true);
    queue.shift();
    const second = queue.ready();
    queue.end();
    expect(await second).toBe(false);
  });

  it('lets a producer wait for room, until there is some or the end', async () => {
    const { queue } = queueOf(1_000);
    await queue.room();
    queue.push(1, 2_000);
    let free = false;
    const room = queue.room().then(() => (free = true));
    await Promise.resolve();
    expect(free).toBe(false);
    queue.shift();
    await room;
    queue.push(2, 2_000);
    const ended = queue.room();
    queue.end();
    await ended;
    queue.clear();
    expect([queue.length, queue.bytes, queue.isFull]).toEqual([0, 0, false]);
  });
});
