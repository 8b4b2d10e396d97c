import { describe, expect, it } from '@jest/globals';
import type { CanActivate } from '@nestjs/common';
import { InvalidOptionsError } from '../../src/errors.js';
import { ConsistentHealthModule } from '../../src/health/index.js';
import { ConsistentStatusModule } from '../../src/status/index.js';
import { codeOf, ReportPart } from '../../src/status/report.part.js';

class SomeGuard implements CanActivate {
  canActivate(): boolean {
    return true;
  }
}

describe('the status page’s options', () => {
  it.each([undefined, null, false, true, 'none', 'none-i-know', {}, [], () => true, class {}])(
    'do not go without a guard: %p',
    (guard) => {
      const start = () => ConsistentStatusModule.forRoot({ guard: guard as never });
      expect(start).toThrow(InvalidOptionsError);
      expect(start).toThrow(/guard/);
    },
  );

  it('take a guard’s class or an instance', () => {
    for (const guard of [SomeGuard, new SomeGuard()]) {
      expect(ConsistentStatusModule.forRoot({ guard }).controllers).toHaveLength(1);
    }
  });

  it.each([
    [{ path: '/a b' }, /path/],
    [{ path: '/:id' }, /path/],
    [{ maxClients: 0 }, /maxClients/],
    [{ heartbeatMs: 60_000 }, /heartbeatMs/],
    [{ thresholds: { lagMs: -1 } }, /lagMs/],
    [{ unknown: 1 }, /unknown/],
  ])('name what is wrong: %j', (options, message) => {
    expect(() => ConsistentStatusModule.forRoot({ guard: SomeGuard, ...options } as never)).toThrow(message);
  });

  it('are checked for health too', () => {
    expect(() => ConsistentHealthModule.forRoot({ thresholds: { parkedRows: 0 } })).toThrow(/parkedRows/);
    expect(ConsistentHealthModule.forRoot({ thresholds: {} }).exports).toHaveLength(1);
  });
});

describe('a part of the report', () => {
  it('asks one question at a time, and once in its time, whoever looks', async () => {
    let asked = 0;
    const part = new ReportPart(async () => ++asked, { ttlMs: 60_000, patienceMs: 10_000 });
    expect(await Promise.all([part.read(), part.read(), part.read()])).toEqual(Array(3).fill({ ok: true, data: 1 }));
    expect(await part.read()).toEqual({ ok: true, data: 1 });
    expect(asked).toBe(1);
  });

  it('lets nobody wait for what does not answer, and does not ask it again meanwhile', async () => {
    let asked = 0;
    let answer: (data: string) => void = () => {};
    const ask = () => {
      asked++;
      return new Promise<string>((resolve) => (answer = resolve));
    };
    const part = new ReportPart(ask, { ttlMs: 60_000, patienceMs: 1 });
    expect(await part.read()).toEqual({ ok: false, error: 'NO_ANSWER' });
    expect(await part.read()).toEqual({ ok: false, error: 'NO_ANSWER' });
    expect(asked).toBe(1);
    answer('late');
    await new Promise((resolve) => setImmediate(resolve));
    expect(await part.read()).toEqual({ ok: true, data: 'late' });
  });

  it('tells codes and names of errors, never their texts', () => {
    expect(codeOf(Object.assign(new Error('connect 10.0.0.1'), { code: 'ECONNREFUSED' }))).toBe('ECONNREFUSED');
    expect(codeOf(Object.assign(new Error('x'), { code: 'user@host' }))).toBe('Error');
    expect(codeOf(Object.assign(new Error('x'), { statusCode: 404 }))).toBe('HTTP_404');
    expect(codeOf(new InvalidOptionsError('secret'))).toBe('INVALID_OPTIONS');
    expect(codeOf('a text')).toBe('Error');
  });
});
