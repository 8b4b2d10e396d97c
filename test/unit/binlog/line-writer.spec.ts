import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { encodeBulk, encodeItem, EncodedLines } from '../../../src/elasticsearch/bulk.codec.js';
import { LineWriter, SLAB_BYTES, textOf as madeText, type WrittenLines } from '../../../src/binlog/line.writer.js';
import { dateText, dateTimeText, fractionBytes } from '../../../src/binlog/temporal.text.js';
import { writeDate, writeDateTime } from '../../../src/binlog/temporal.writer.js';
import { documentDate, documentDateTime } from '../../../src/mysql/temporal.codec.js';

const textOf = ({ buffer, start, end }: EncodedLines): string => buffer.toString('utf8', start, end);
const text = fc.oneof(fc.string(), fc.string({ unit: 'binary', maxLength: 80 }), fc.string({ minLength: 100 }));

describe('LineWriter', () => {
  it('quotes bytes as JSON.stringify does their text, those too that are no UTF-8', () => {
    const bytes = fc.oneof(
      text.map((value) => Buffer.from(value)),
      fc.uint8Array({ maxLength: 40 }).map((value) => Buffer.from(value)),
    );
    const out = new LineWriter();
    fc.assert(
      fc.property(bytes, fc.nat(5), (value, before) => {
        const source = Buffer.concat([Buffer.alloc(before, 65), value, Buffer.from('"after')]);
        out.quoted(source, before, before + value.length);
        expect(textOf(out.end())).toBe(JSON.stringify(value.toString('utf8')));
      }),
    );
  });

  it('writes texts, bytes and integers as they are, one after the other', () => {
    const piece = fc.oneof(text, fc.integer(), fc.maxSafeInteger(), fc.constantFrom(0, 9, 10, 2 ** 31 - 1, 2 ** 31));
    fc.assert(
      fc.property(fc.array(fc.array(piece, { maxLength: 6 }), { maxLength: 6 }), (lines) => {
        const out = new LineWriter();
        const ended = lines.map((pieces) => {
          out.text('forgotten');
          out.drop();
          for (const one of pieces) {
            if (typeof one === 'number') out.integer(one);
            else if (one.length % 2 === 0) out.text(one);
            else out.bytes(Buffer.from(one));
          }
          expect(out.length).toBe(Buffer.byteLength(pieces.join('')));
          return out.end();
        });
        // Looked at only now: what comes later must not touch what has ended.
        const joined = lines.map((pieces) => Buffer.from(pieces.join('')).toString('utf8'));
        expect(ended.map(textOf)).toEqual(joined);
      }),
    );
  });

  it('writes released memory anew, and never touches what is not released', () => {
    const step = fc.record({ size: fc.integer({ min: 1, max: 60_000 }), release: fc.nat() });
    fc.assert(
      fc.property(fc.array(step, { minLength: 200, maxLength: 200 }), fc.boolean(), (steps, releasing) => {
        const out = new LineWriter();
        const slabs = new Set<ArrayBufferLike>();
        const held: { lines: WrittenLines; text: string }[] = [];
        let written = 0;
        steps.forEach(({ size, release }, at) => {
          const text = String.fromCharCode(97 + (at % 26)).repeat(size);
          out.bytes(Buffer.from(text));
          const lines = out.end();
          written += size;
          slabs.add(lines.buffer.buffer);
          held.push({ lines, text });
          if (releasing && held.length > 3) held.splice(release % held.length, 1)[0]!.lines.release();
        });
        for (const { lines, text } of held) expect(textOf(lines) === text).toBe(true);
        const bytes = slabs.size * SLAB_BYTES;
        if (releasing) expect(slabs.size).toBeLessThanOrEqual(3);
        else expect(bytes).toBeGreaterThanOrEqual(written);
      }),
      { numRuns: 20 },
    );
  });

  it('gives lines a memory of their own, which nobody writes to', () => {
    const out = new LineWriter();
    const [first, second] = ['first', 'second'].map((text) => {
      out.text(text);
      return out.end();
    });
    const alone = first!.alone();
    expect([textOf(alone), alone.buffer.length]).toEqual(['first', 5]);
    expect(alone.alone()).toBe(alone);
    alone.release();
    first!.release();
    second!.release();
    for (let at = 0; at < 100; at += 1) {
      out.bytes(Buffer.alloc(20_000, 120));
      out.end().release();
    }
    expect(textOf(alone)).toBe('first');
  });

  it('makes texts, within texts too, and nothing is left of one that fails', () => {
    const nested = (depth: number): string =>
      madeText((out) => {
        out.text(`<${depth}`);
        if (depth > 0) out.text(nested(depth - 1));
        if (depth === 2) expect(() => madeText(failing)).toThrow('in between');
        out.text('>');
      });
    const failing = (out: LineWriter): void => {
      out.text('lost');
      throw new Error('in between');
    };
    expect(nested(3)).toBe('<3<2<1<0>>>>');
    expect(madeText((out) => out.text('x'.repeat(2_000_000))).length).toBe(2_000_000);
    expect(nested(1)).toBe('<1<0>>');
  });

  it('keeps lines that are larger than its pieces of memory, and those around them', () => {
    const out = new LineWriter();
    const sizes = [10, SLAB_BYTES + 50_000, 5, SLAB_BYTES, SLAB_BYTES - 1, 8_000_000, 1, 100];
    const ended = sizes.map((size, at) => {
      for (let left = size; left > 0; left -= 50_000) out.text(String(at).repeat(Math.min(left, 50_000)));
      return out.end();
    });
    ended.forEach((lines, at) => expect(textOf(lines)).toBe(String(at).repeat(sizes[at]!)));
    // A large one does not hold twice its size.
    expect(ended[5]!.buffer.length).toBe(sizes[5]);
  });
});

describe('dates and times', () => {
  const parts = {
    year: fc.integer({ min: 0, max: 9_999 }),
    month: fc.integer({ min: 0, max: 12 }),
    day: fc.integer({ min: 0, max: 31 }),
  };
  const out = new LineWriter();
  const written = (write: () => void): string => {
    write();
    return textOf(out.end());
  };

  it('are in the document as documentDate and documentDateTime make them of their text', () => {
    const clock = fc.record({
      ...parts,
      hours: fc.integer({ min: 0, max: 23 }),
      minutes: fc.integer({ min: 0, max: 59 }),
      seconds: fc.integer({ min: 0, max: 59 }),
      digits: fc.integer({ min: 0, max: 6 }),
      micros: fc.integer({ min: 0, max: 999_999 }),
    });
    fc.assert(
      fc.property(clock, ({ year, month, day, hours, minutes, seconds, digits, micros }) => {
        const packed = (((year * 13 + month) * 32 + day) * 32 + hours) * 4_096 + minutes * 64 + seconds + 0x8000000000;
        const bytes = fractionBytes(digits);
        const buffer = Buffer.alloc(2 + 5 + bytes + 1, 0xff);
        buffer.writeUIntBE(packed, 2, 5);
        const fraction = Math.floor(micros / 10 ** (6 - digits)) * 10 ** (bytes * 2 - digits);
        if (bytes > 0) buffer.writeUIntBE(fraction, 7, bytes);
        const dateTime = documentDateTime(dateTimeText(buffer, 2, digits), { timezone: 'Z' });
        expect(written(() => writeDateTime(out, buffer, 2, digits))).toBe(JSON.stringify(dateTime));
        const days = (year << 9) | (month << 5) | day;
        const date = Buffer.from([0, days & 255, (days >> 8) & 255, days >> 16]);
        expect(written(() => writeDate(out, date, 1))).toBe(JSON.stringify(documentDate(dateText(days))));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('encodeBulk', () => {
  it('joins lines that were written before with those of a text, in their order', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.boolean(), fc.string()), { minLength: 1 }), (items) => {
        const out = new LineWriter();
        let expected = '';
        const writes = items.map(([encoded, gap, title], at) => {
          const plain = encodeItem({ id: String(at), version: at, body: JSON.stringify({ title }) }, at);
          expected += plain.lines as string;
          if (!encoded) return plain;
          if (gap) {
            out.text('of a row that somebody else sends');
            out.end();
          }
          out.text(plain.lines as string);
          const item = encodeItem({ id: String(at), version: at, body: out.end() }, at);
          expect(item.bytes).toBe(plain.bytes);
          return item;
        });
        expect(Buffer.from(encodeBulk(writes)).toString('utf8')).toBe(expected);
      }),
    );
  });

  it('copies nothing where all lines stand one after the other', () => {
    const out = new LineWriter();
    const lines = ['a\n', 'b\n', 'c\n'].map((line) => {
      out.text(line);
      return out.end();
    });
    const items = lines.map((body, at) => encodeItem({ id: String(at), version: 1, body }, at));
    const body = encodeBulk(items) as Buffer;
    expect(body.toString()).toBe('a\nb\nc\n');
    expect(body.buffer).toBe(lines[0]!.buffer.buffer);
  });
});
