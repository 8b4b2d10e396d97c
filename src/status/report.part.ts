import { ConsistentError } from '../errors.js';
import { within } from '../mysql/time.watch.js';
import type { Answer } from './status.types.js';

export interface PartOptions {
  /** How long an answer is good for, in ms. */
  readonly ttlMs: number;
  /** How long one reader waits, in ms. The question goes on, and its answer serves later readers. */
  readonly patienceMs: number;
  /** How old an answer may be that is given to a reader whose patience is over, in ms. Default 0: none is. */
  readonly staleMs?: number;
}

/**
 * One part of the report: asked at most once at a time and once in `ttlMs`, however many look. A store that does not answer
 * is asked one question, not one for each probe.
 */
export class ReportPart<T> {
  private answer: Answer<T> | undefined;
  private answeredAt = -Infinity;
  private flight: Promise<Answer<T>> | undefined;

  constructor(
    private readonly ask: () => Promise<T>,
    private readonly options: PartOptions,
  ) {}

  /** Never throws. */
  async read(): Promise<Answer<T>> {
    if (this.answer && this.ageMs() < this.options.ttlMs) return this.answer;
    this.flight ??= this.fly();
    return within(this.flight, this.options.patienceMs, () => this.tooLate());
  }

  private tooLate(): Answer<T> {
    if (this.answer && this.ageMs() < (this.options.staleMs ?? 0)) return this.answer;
    return { ok: false, error: 'NO_ANSWER' };
  }

  private ageMs(): number {
    return performance.now() - this.answeredAt;
  }

  private async fly(): Promise<Answer<T>> {
    const answer = await answerOf(this.ask);
    this.answer = answer;
    this.answeredAt = performance.now();
    this.flight = undefined;
    return answer;
  }
}

/** Makes data of what a question throws. */
export async function answerOf<T>(ask: () => T | Promise<T>): Promise<Answer<T>> {
  try {
    return { ok: true, data: await ask() };
  } catch (error) {
    return { ok: false, error: codeOf(error) };
  }
}

/** A code or a name: the text of a driver's error can hold addresses, users and values. */
export function codeOf(error: unknown): string {
  if (error instanceof ConsistentError) return error.code;
  const { code, name, statusCode } = (error ?? {}) as { code?: unknown; name?: unknown; statusCode?: unknown };
  if (typeof code === 'string' && /^\w{1,64}$/.test(code)) return code;
  if (typeof statusCode === 'number') return `HTTP_${statusCode}`;
  return typeof name === 'string' && /^\w{1,64}$/.test(name) ? name : 'Error';
}
