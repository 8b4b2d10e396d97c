import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { IndexUnavailableError, RowBusyError } from '../../../src/errors.js';
import { LogLimiter, templateOf } from '../../../src/observe/log.limiter.js';
import { logTextOf } from '../../../src/observe/log.text.js';
import { StormLogger } from '../../../src/observe/storm.logger.js';

describe('LogLimiter', () => {
  beforeEach(() => {
    jest.useFakeTimers({ doNotFake: ['nextTick'] });
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  function told(limits: ConstructorParameters<typeof LogLimiter>[0]) {
    const lines: string[] = [];
    const limiter = new LogLimiter(limits);
    const tell = (message: string) => {
      const write = (line: string) => void lines.push(line);
      if (limiter.admits(templateOf(message), message, write)) write(message);
    };
    return { lines, tell };
  }

  it('lets the first of a template through, and sums up the rest once per window', () => {
    const { lines, tell } = told({ burst: 2, windowMs: 10_000 });
    for (let at = 1; at <= 100; at++) tell(`row ${at} failed`);
    expect(lines).toEqual(['row 1 failed', 'row 2 failed']);
    jest.advanceTimersByTime(10_000);
    expect(lines.slice(2)).toEqual(['row 100 failed … and 97 more in the last 10 s']);
  });

  it('while a storm goes on only its sum is told; after a quiet window messages pass again', () => {
    const { lines, tell } = told({ burst: 1, windowMs: 1_000 });
    tell('a 1');
    tell('a 2');
    jest.advanceTimersByTime(1_000);
    tell('a 3');
    expect(lines).toEqual(['a 1', 'a 2']);
    jest.advanceTimersByTime(1_000);
    expect(lines).toHaveLength(3);
    jest.advanceTimersByTime(1_000);
    tell('a 4');
    expect(lines.at(-1)).toBe('a 4');
  });

  it('a storm of one kind does not hide another', () => {
    const { lines, tell } = told({ burst: 1 });
    tell('a 1');
    tell('a 2');
    tell('b 1');
    expect(lines).toEqual(['a 1', 'b 1']);
  });

  it('its memory is bounded: templates beyond the limit count as one', () => {
    const { lines, tell } = told({ burst: 1, maxTemplates: 3 });
    for (const letter of 'abcdefgh') tell(letter);
    expect(lines).toEqual(['a', 'b', 'c', 'd']);
  });

  it('numbers, quoted texts and uuids do not make a template', () => {
    const one = templateOf(`index "films": 12 of 0190b8c4-51d6-7bbd-a4d5-4a1c9a5f3b11 failed: 'x'`);
    expect(templateOf(`index "books": 7 of 0290b8c4-51d6-7bbd-a4d5-4a1c9a5f3bff failed: 'long text'`)).toBe(one);
    expect(templateOf('index failed')).not.toBe(one);
  });
});

describe('StormLogger', () => {
  afterEach(() => Logger.overrideLogger(undefined as never));

  it('writes through the logger of Nest, with facts beside the message, and limits warnings and errors apart', () => {
    const lines: unknown[][] = [];
    const record =
      (level: string) =>
      (...given: unknown[]) =>
        void lines.push([level, ...given]);
    const [warn, error] = [record('warn'), record('error')];
    Logger.overrideLogger({ log: record('log'), warn, error } as never);
    const logger = new StormLogger('Place', { burst: 1 });
    for (let at = 0; at < 3; at++) {
      logger.warn(`slow ${at}`, { entity: 'Film' });
      logger.error(`slow ${at}`);
    }
    logger.log('fine');
    expect(lines).toEqual([
      ['warn', 'slow 0', { entity: 'Film' }, 'Place'],
      ['error', 'slow 0', undefined, 'Place'],
      ['log', 'fine', 'Place'],
    ]);
  });
});

describe('logTextOf', () => {
  it.each([
    ["Duplicate entry 'jane@example.com' for key 'user.email'", 'Duplicate entry … for key …'],
    ["Access denied for user 'app'@'10.0.0.1'", 'Access denied for user …@…'],
    ['connect to https://elastic:secret@search:9200 failed', 'connect to https://…@search:9200 failed'],
    ['failed to parse field [a]: "4111 1111" is not a number', 'failed to parse field [a]: … is not a number'],
  ])('%s', (message, safe) => {
    expect(logTextOf(new Error(message))).toBe(safe);
  });

  it('names the code of our own errors and leaves the key out', () => {
    const busy = new RowBusyError('Film 1 is being written and was not settled within 1000 ms.', { key: '1' });
    expect(logTextOf(busy)).toBe('ROW_BUSY: Film … is being written and was not settled within 1000 ms.');
    const mail = new RowBusyError('User jane+x@example.com is being written.', { key: 'jane+x@example.com' });
    expect(logTextOf(mail)).toBe('ROW_BUSY: User … is being written.');
    const advice = "Run SET PERSIST binlog_row_image = 'FULL'.";
    expect(logTextOf(new IndexUnavailableError(advice))).toBe(`INDEX_UNAVAILABLE: ${advice}`);
    const caused = new IndexUnavailableError("refused: 'jane'", {}, new Error('refused'));
    expect(logTextOf(caused)).toBe('INDEX_UNAVAILABLE: refused: …');
    expect(logTextOf(new IndexUnavailableError('no answer'))).toBe('INDEX_UNAVAILABLE: no answer');
  });

  it('is short whatever the message', () => {
    expect(logTextOf(new Error('x'.repeat(10_000)))).toHaveLength(500);
  });
});
