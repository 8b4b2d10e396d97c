import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { LowWatermark, type Ticket } from '../../../src/binlog/low.watermark.js';
import { OverloadedError } from '../../../src/errors.js';

/** Every order in which the elements can come. */
function* permutations<T>(all: readonly T[]): Generator<T[]> {
  if (all.length === 0) yield [];
  for (const [index, one] of all.entries()) {
    for (const rest of permutations(all.filter((_, other) => other !== index))) yield [one, ...rest];
  }
}

describe('the newest position before which everything is done', () => {
  it('is the start until something is done', () => {
    const watermark = new LowWatermark('start');
    expect(watermark.low()).toBe('start');
    const ticket = watermark.begin();
    watermark.add(ticket, 1, 10);
    watermark.end(ticket, 'first');
    expect(watermark.low()).toBe('start');
    watermark.done(ticket, 1, 10);
    expect(watermark.low()).toBe('first');
    expect(new LowWatermark().low()).toBeNull();
  });

  it('waits for the end of a transaction whose rows are done, and for the rows of one that has ended', () => {
    const watermark = new LowWatermark<number>(0);
    const [first, second] = [watermark.begin(), watermark.begin()];
    watermark.add(first, 2, 20);
    watermark.done(first, 2, 20);
    watermark.end(second, 2);
    expect(watermark.low()).toBe(0);
    watermark.add(first, 1, 10);
    watermark.end(first, 1);
    expect(watermark.low()).toBe(0);
    watermark.done(first, 1, 10);
    expect(watermark.low()).toBe(2);
    expect(watermark.size).toBe(0);
  });

  it('passes over what has no place of its own', () => {
    const watermark = new LowWatermark<number>(0);
    const tickets = [1, 2, 3].map(() => watermark.begin());
    watermark.end(tickets[0]!, 1);
    watermark.end(tickets[1]!, null);
    expect(watermark.low()).toBe(1);
    watermark.end(tickets[2]!, 3);
    expect(watermark.low()).toBe(3);
  });

  it('is right in every order in which six transactions can end', () => {
    let orders = 0;
    for (const order of permutations([1, 2, 3, 4, 5, 6])) {
      const watermark = new LowWatermark<number>(0);
      const tickets = new Map(order.toSorted((one, two) => one - two).map((place) => [place, watermark.begin()]));
      const done = new Set<number>();
      for (const place of order) {
        watermark.end(tickets.get(place)!, place);
        done.add(place);
        let low = 0;
        while (done.has(low + 1)) low++;
        expect(watermark.low()).toBe(low);
      }
      orders++;
    }
    expect(orders).toBe(720);
  });

  it('agrees with looking at everything, whatever happens in whatever order', () => {
    interface Known {
      ticket: Ticket<number>;
      place: number;
      rows: number;
      ended: boolean;
      committedAtMs: number;
    }
    const steps = fc.array(
      fc.record({
        kind: fc.constantFrom('begin', 'add', 'done', 'end'),
        pick: fc.nat(),
        rows: fc.integer({ min: 1, max: 3 }),
      }),
      {
        maxLength: 120,
      },
    );
    fc.assert(
      fc.property(steps, (all) => {
        const watermark = new LowWatermark<number>(0);
        const known: Known[] = [];
        const pick = (from: Known[], at: number) => (from.length === 0 ? undefined : from[at % from.length]);
        for (const { kind, pick: at, rows } of all) {
          if (kind === 'begin') {
            const place = known.length + 1;
            known.push({ ticket: watermark.begin(place), place, rows: 0, ended: false, committedAtMs: place });
          } else if (kind === 'add') {
            const one = pick(
              known.filter(({ ended }) => !ended),
              at,
            );
            if (one) watermark.add(one.ticket, rows, rows * 10);
            if (one) one.rows += rows;
          } else if (kind === 'done') {
            const one = pick(
              known.filter((each) => each.rows > 0),
              at,
            );
            const some = Math.min(rows, one?.rows ?? 0);
            if (one) watermark.done(one.ticket, some, some * 10);
            if (one) one.rows -= some;
          } else {
            const one = pick(
              known.filter(({ ended }) => !ended),
              at,
            );
            if (one) watermark.end(one.ticket, one.place);
            if (one) one.ended = true;
          }
          const open = known.findIndex((each) => !each.ended || each.rows > 0);
          expect(watermark.low()).toBe(open < 0 ? known.length : open);
          expect(watermark.size).toBe(open < 0 ? 0 : known.length - open);
          const rowsLeft = known.filter((each) => each.rows > 0);
          expect(watermark.rows).toBe(rowsLeft.reduce((sum, each) => sum + each.rows, 0));
          expect(watermark.bytes).toBe(10 * watermark.rows);
          expect([...watermark.open()].map((each) => each.committedAtMs)).toEqual(rowsLeft.map((each) => each.place));
        }
      }),
      { numRuns: 400 },
    );
  });

  it('keeps no more than is open, through many transactions', () => {
    const watermark = new LowWatermark<number>(0, { maxTickets: 100 });
    const open: Ticket<number>[] = [];
    for (let place = 1; place <= 20_000; place++) {
      const ticket = watermark.begin();
      watermark.end(ticket, place);
      const late = watermark.begin();
      watermark.add(late, 1, 1);
      watermark.end(late, place);
      open.push(late);
      if (open.length === 40) watermark.done(open.shift()!, 1, 1);
    }
    expect(watermark.size).toBeLessThan(100);
    const { entries } = watermark as unknown as { entries: unknown[] };
    expect(entries.length).toBeLessThan(3_000);
  });

  it('takes no more done than was begun, and no end twice', () => {
    const watermark = new LowWatermark<number>(0);
    const ticket = watermark.begin();
    watermark.add(ticket, 1, 10);
    expect(() => watermark.done(ticket, 2, 10)).toThrow(RangeError);
    expect(() => watermark.done(ticket, 1, 11)).toThrow(RangeError);
    watermark.done(ticket, 1, 10);
    watermark.end(ticket, 1);
    expect(() => watermark.end(ticket, 1)).toThrow(RangeError);
    expect(() => watermark.done(ticket, 1, 10)).toThrow(RangeError);
    expect(() => watermark.add(ticket, 1, 10)).toThrow(RangeError);
    expect(watermark.low()).toBe(1);
  });
});

describe('the bounds', () => {
  it('of tickets: those that are done but behind an older one count too', () => {
    const watermark = new LowWatermark<number>(0, { maxTickets: 2 });
    const [first, second] = [watermark.begin(), watermark.begin()];
    watermark.end(second, 2);
    expect(watermark.hasRoom()).toBe(false);
    expect(() => watermark.begin()).toThrow(OverloadedError);
    watermark.end(first, 1);
    expect(watermark.hasRoom()).toBe(true);
    watermark.begin();
  });

  it('of bytes', () => {
    const watermark = new LowWatermark<number>(0, { maxBytes: 100 });
    const ticket = watermark.begin();
    watermark.add(ticket, 1, 60);
    watermark.add(ticket, 1, 40);
    expect(watermark.hasRoom(1)).toBe(false);
    expect(() => watermark.add(ticket, 1, 1)).toThrow(OverloadedError);
    watermark.done(ticket, 1, 60);
    watermark.add(ticket, 1, 60);
    expect(watermark.bytes).toBe(100);
  });

  it('of bytes: what is larger by itself comes in alone', () => {
    const watermark = new LowWatermark<number>(0, { maxBytes: 100 });
    const ticket = watermark.begin();
    watermark.add(ticket, 1, 5_000);
    expect(watermark.hasRoom(1)).toBe(false);
    watermark.done(ticket, 1, 5_000);
    expect(watermark.hasRoom(5_000)).toBe(true);
  });

  it('gives back what rows reported late, or not at all, had held', () => {
    const watermark = new LowWatermark<number>(0, { maxBytes: 100 });
    const ticket = watermark.begin();
    watermark.add(ticket, 2, 90);
    watermark.done(ticket, 2, 50);
    watermark.end(ticket, 1);
    expect(watermark.bytes).toBe(0);
  });

  it('of tickets: a transaction that took the last place can still go on', async () => {
    const watermark = new LowWatermark<number>(0, { maxTickets: 1 });
    const ticket = watermark.begin();
    expect(watermark.hasRoom()).toBe(false);
    await watermark.room(50);
    watermark.add(ticket, 1, 50);
    expect(watermark.bytes).toBe(50);
  });

  it('room() resolves once there is room for what is asked for, not before', async () => {
    const watermark = new LowWatermark<number>(0, { maxTickets: 2, maxBytes: 100 });
    const first = watermark.begin();
    watermark.add(first, 2, 90);
    const second = watermark.begin();
    const reached = { bytes: false, ticket: false };
    const settled = () => new Promise((resolve) => setImmediate(resolve));
    const bytes = watermark.room(50).then(() => (reached.bytes = true));
    const ticket = watermark.room().then(() => (reached.ticket = true));
    watermark.end(second, 2);
    await settled();
    expect(reached).toEqual({ bytes: false, ticket: false });
    watermark.done(first, 1, 45);
    await bytes;
    expect(reached).toEqual({ bytes: true, ticket: false });
    watermark.done(first, 1, 45);
    watermark.end(first, 1);
    await ticket;
    expect(watermark.low()).toBe(2);
  });
});
