import type { DocumentWrite, IndexOutcome } from '../protocol/outcome.js';
import { encodeBulk, guardItems, splitBulk } from './bulk.codec.js';
import type { BulkItem, BulkWrite } from './bulk.codec.js';
import { classifyBulkItem, classifyFailure } from './outcome.classifier.js';
import type { RequestSender } from './request.sender.js';

/** How much goes out at once. */
export interface BulkLimits {
  readonly maxBulkBytes: number;
  readonly maxBulkItems: number;
  readonly maxParallelBulks: number;
  /** Answers are emptied once they are read: see `DocumentStoreOptions`. */
  readonly emptiesAnswers: boolean;
}

export interface BulkOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  readonly refresh?: boolean | 'wait_for';
}

/** One call under way. */
interface BulkCall {
  readonly index: string;
  readonly options: BulkOptions;
  readonly outcomes: IndexOutcome[];
  readonly endsAtMs: number;
  splitsLeft: number;
}

/** Where everything is refused for the same reason, halving on and on would only be a storm of requests. */
const MAX_SPLITS = 50;
/** The result too: a document that an ingest pipeline dropped is answered 200, with the version that was sent. */
const PUTS_ANSWER =
  'error,status,items.*._id,items.*._version,items.*.result,items.*.status,items.*.error.type,items.*.error.reason';
/** Of deletes more is asked: one is let through to an index that took the alias's name. */
const BULK_ANSWER = `${PUTS_ANSWER},items.*._index`;
const APPLIED: IndexOutcome = { kind: 'applied' };

/** Sends items to one alias, in bulks of bounded size, and tells each one's outcome at its position. Never throws. */
export class BulkSender {
  private last = { answer: '', timeoutMs: 0, refresh: false as boolean | 'wait_for', query: '' };

  constructor(
    private readonly sender: RequestSender,
    private readonly limits: BulkLimits,
  ) {}

  async send(index: string, items: readonly BulkItem[], outcomes: IndexOutcome[], options: BulkOptions): Promise<void> {
    const endsAtMs = performance.now() + options.timeoutMs;
    const call: BulkCall = { index, options, outcomes, endsAtMs, splitsLeft: MAX_SPLITS };
    const { maxBulkBytes, maxBulkItems, maxParallelBulks } = this.limits;
    const parts = splitBulk(items, maxBulkBytes, maxBulkItems);
    const drain = async (): Promise<void> => {
      for (let part = parts.shift(); part; part = parts.shift()) {
        await this.sendBulk(call, part);
      }
    };
    await Promise.all(Array.from({ length: Math.min(parts.length, maxParallelBulks) }, drain));
  }

  /** As a text, and the last one again: the client would encode the same long words at every request. */
  private queryOf(answer: string, timeoutMs: number, refresh: boolean | 'wait_for'): string {
    const { last } = this;
    if (last.answer === answer && last.timeoutMs === timeoutMs && last.refresh === refresh) return last.query;
    // Elasticsearch must not go on trying long after we have given up.
    const query = `require_alias=true&filter_path=${answer}&timeout=${timeoutMs}ms${refresh ? `&refresh=${refresh}` : ''}`;
    this.last = { answer, timeoutMs, refresh, query };
    return query;
  }

  private async sendBulk(call: BulkCall, part: BulkItem[]): Promise<void> {
    const { index, options, outcomes } = call;
    const timeoutMs = Math.floor(call.endsAtMs - performance.now());
    if (timeoutMs < 1 || options.signal?.aborted) {
      const reason = 'not sent: the call was given up or its time was over';
      for (const { position } of part) outcomes[position] = { kind: 'unavailable', certain: true, reason };
      return;
    }
    const answer = part.some(({ write }) => write.body === null) ? BULK_ANSWER : PUTS_ANSWER;
    const params = {
      method: 'POST',
      path: `/${encodeURIComponent(index)}/_bulk`,
      querystring: this.queryOf(answer, timeoutMs, options.refresh || false),
      bulkBody: encodeBulk(part),
    };
    try {
      const limits = options.signal ? { timeoutMs, signal: options.signal } : { timeoutMs };
      const answered = await this.sender.send(params, limits);
      readBulkAnswer(answered, index, part, outcomes);
      if (this.limits.emptiesAnswers) emptyAnswer(answered);
    } catch (error) {
      const outcome = classifyFailure(error);
      const splits = outcome.kind === 'refused' && (outcome.status === 413 || outcome.status === 400);
      if (splits && part.length > 1 && call.splitsLeft > 0) {
        // Nothing was applied. Halving gets a bulk below somebody's size limit, or one bad item away from its neighbours.
        const half = part.length >> 1;
        call.splitsLeft -= 1;
        await this.sendBulk(call, part.slice(0, half));
        await this.sendBulk(call, part.slice(half));
        return;
      }
      for (const { position } of part) outcomes[position] = outcome;
    }
  }
}

/** An item counts only when it stands where we put it and speaks of our document; anything else is unknown. */
function readBulkAnswer(answer: unknown, index: string, part: readonly BulkItem[], outcomes: IndexOutcome[]): void {
  const items = (answer as { items?: unknown } | null | undefined)?.items;
  const usable = Array.isArray(items) && items.length === part.length + guardItems(part);
  for (let at = 0; at < part.length; at++) {
    const { position, write } = part[at]!;
    if (!usable) {
      outcomes[position] = { kind: 'unknown', reason: 'the answer to the bulk request has the wrong number of items' };
    } else if (isTakenPut(items[at], write)) outcomes[position] = APPLIED;
    // Only whether there is a body is looked at.
    else outcomes[position] = classifyBulkItem(items[at], write as DocumentWrite, index);
  }
}

function emptyAnswer(answer: unknown): void {
  const items = (answer as { items?: unknown } | null | undefined)?.items;
  if (Array.isArray(items) && !Object.isFrozen(items)) items.length = 0;
}

interface TakenPut {
  readonly _id?: unknown;
  readonly _version?: unknown;
  readonly result?: unknown;
  readonly status?: unknown;
  readonly error?: unknown;
}

/** Nearly every item is one. `require_alias` keeps a put from an index that took the alias's name. */
function isTakenPut(item: unknown, { id, version, body }: BulkWrite): boolean {
  const put = (item as { index?: TakenPut } | null)?.index;
  return (
    body !== null &&
    put?._id === id &&
    put._version === version &&
    (put.status === 201 ? put.result === 'created' : put.status === 200 && put.result === 'updated') &&
    put.error === undefined
  );
}
