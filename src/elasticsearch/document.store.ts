import type { Client } from '@elastic/elasticsearch';
import { ConsistentError } from '../errors.js';
import type { DocumentWrite, IndexOutcome } from '../protocol/outcome.js';
import type { SlotView } from '../protocol/row.js';
import { encodeBulk, encodeItem, guardItems, refusalBeforeSending, splitBulk } from './bulk.codec.js';
import type { BulkItem, BulkWrite } from './bulk.codec.js';
import { readFetched, readSlot, SLOT_FIELDS } from './mget.reader.js';
import type { FetchedDocument } from './mget.reader.js';
import { classifyBulkItem, classifyFailure } from './outcome.classifier.js';
import { RequestSender } from './request.sender.js';
import type { SendOptions } from './request.sender.js';
import { tombstoneText } from './tombstone.codec.js';
import { MAX_PURGE, PURGE_ANSWER, purgeItems, purgeSearch } from './tombstone.purge.js';
import type { PurgeResult } from './tombstone.purge.js';

export type { FetchedDocument } from './mget.reader.js';

export interface DocumentStoreOptions {
  /** A request's time limit in ms, where a call names none. Covers the answer's body too. */
  readonly requestTimeoutMs: number;
  /** Largest body of one bulk request, in bytes. Default 8 MiB. A single larger document still goes, alone. */
  readonly maxBulkBytes?: number;
  /** Most items in one bulk request. Default 500. */
  readonly maxBulkItems?: number;
  /** How many bulk requests of one `write` call run at the same time. Default 2. */
  readonly maxParallelBulks?: number;
  /** The aliases where a delete is a put of a tombstone's document. Asked at every write. Default none. */
  readonly durableTombstones?: ReadonlySet<string>;
}

export interface StoreCallOptions {
  /** Time limit of the whole call in ms. Default `requestTimeoutMs`. */
  readonly timeoutMs?: number;
  /** Gives the call up: what was sent becomes `unknown`, what was not sent becomes `unavailable`. */
  readonly signal?: AbortSignal;
}

export interface WriteOptions extends StoreCallOptions {
  /** Elasticsearch's `refresh`: `'wait_for'` answers once searches see the documents. Default false. */
  readonly refresh?: boolean | 'wait_for';
}

/**
 * Elasticsearch could not be read (not reached, alias missing, unreadable answer). It says nothing about the documents:
 * absence must never be concluded from it. Do: look again later. The cause is the client's error, where there is one.
 */
export class LookFailedError extends ConsistentError {
  readonly code = 'LOOK_FAILED';
  readonly retryable = true;
}

/** One `write` call under way. */
interface WriteCall {
  readonly index: string;
  readonly options: WriteOptions;
  readonly outcomes: IndexOutcome[];
  readonly endsAtMs: number;
  splitsLeft: number;
}

/** Where everything is refused for the same reason, halving on and on would only be a storm of requests. */
const MAX_SPLITS = 50;
const MGET_IDS = 500;
/** Whole documents can be large: fewer in one answer. */
const FETCH_IDS = 100;
const PUTS_ANSWER = 'error,status,items.*._id,items.*._version,items.*.status,items.*.error.type,items.*.error.reason';
/** Of deletes more is asked: one is let through to an index that took the alias's name, and a missing document has a status of its own. */
const BULK_ANSWER = `${PUTS_ANSWER},items.*._index,items.*.result`;
const APPLIED: IndexOutcome = { kind: 'applied' };
const MGET_ANSWER =
  'error,status,docs._index,docs._id,docs._version,docs.found,docs._source,docs.error.type,docs.error.reason';

/**
 * Versioned requests to Elasticsearch: puts, deletes and realtime looks by id. `index` is always the alias.
 *
 * Every write goes through `_bulk` with `require_alias`, so that a deleted index never comes back by auto-creation (for
 * deletes that takes more: see `encodeBulk`). The client's own retries are off, because a retry whose first try timed out is unknown even when the
 * second was refused.
 */
export class DocumentStore {
  private readonly sender: RequestSender;
  private readonly maxBulkBytes: number;
  private readonly maxBulkItems: number;
  private readonly maxParallelBulks: number;

  constructor(
    client: Client,
    private readonly options: DocumentStoreOptions,
  ) {
    this.sender = new RequestSender(client);
    this.maxBulkBytes = options.maxBulkBytes ?? 8 * 1024 * 1024;
    this.maxBulkItems = options.maxBulkItems ?? 500;
    this.maxParallelBulks = options.maxParallelBulks ?? 2;
  }

  /**
   * Sends versioned puts and deletes. One outcome for each write, in the same order. Never throws because of
   * Elasticsearch or the network: whatever happens is an outcome. Writes that cannot be sent (empty or over-long id, a
   * version that is no safe integer, a body that is no JSON object) are `refused` without harm to their neighbours.
   */
  async write(index: string, writes: readonly BulkWrite[], options: WriteOptions = {}): Promise<IndexOutcome[]> {
    const outcomes: IndexOutcome[] = Array.from({ length: writes.length });
    const items: BulkItem[] = [];
    for (const [position, write] of writes.entries()) {
      const refusal = refusalBeforeSending(write);
      if (refusal) outcomes[position] = refusal;
      else items.push(this.itemOf(index, write, position));
    }
    await this.sendAll(index, items, outcomes, options);
    return outcomes;
  }

  /**
   * Removes durable tombstones that were written before `deletedBeforeMs` (milliseconds since 1970): at most `limit` of them,
   * and at most 10,000. A key that has a document again is not touched.
   * @throws LookFailedError when Elasticsearch cannot be searched.
   */
  async purgeTombstones(
    index: string,
    deletedBeforeMs: number,
    limit = MAX_PURGE,
    options: StoreCallOptions = {},
  ): Promise<PurgeResult> {
    // The alias hides them, so the search goes to the index behind it.
    const aliased = await this.read('GET', `/_alias/${encodeURIComponent(index)}`, {}, undefined, options);
    const names = Object.keys(aliased ?? {}).map(encodeURIComponent);
    const size = Math.min(limit, MAX_PURGE);
    const path = `/${names.join(',')}/_search`;
    if (names.length === 0) throw new LookFailedError(`the alias "${index}" leads to no index`, { index });
    const search = purgeSearch(deletedBeforeMs, size);
    const items = purgeItems(await this.read('POST', path, { filter_path: PURGE_ANSWER }, search, options));
    const outcomes: IndexOutcome[] = Array.from({ length: items.length });
    await this.sendAll(index, items, outcomes, options);
    return { purged: outcomes.filter(({ kind }) => kind === 'applied').length, full: items.length >= size };
  }

  private itemOf(index: string, write: BulkWrite, position: number): BulkItem {
    const tombstone = write.body === null && this.options.durableTombstones?.has(index) === true;
    if (!tombstone) return encodeItem(write, position);
    return encodeItem({ ...write, body: tombstoneText(write.version, Date.now()) }, position, true);
  }

  private async sendAll(
    index: string,
    items: readonly BulkItem[],
    outcomes: IndexOutcome[],
    options: WriteOptions,
  ): Promise<void> {
    const call: WriteCall = {
      index,
      options,
      outcomes,
      endsAtMs: performance.now() + this.timeoutMs(options),
      splitsLeft: MAX_SPLITS,
    };
    const parts = splitBulk(items, this.maxBulkBytes, this.maxBulkItems);
    const drain = async (): Promise<void> => {
      for (let part = parts.shift(); part; part = parts.shift()) {
        await this.sendBulk(call, part);
      }
    };
    await Promise.all(Array.from({ length: Math.min(parts.length, this.maxParallelBulks) }, drain));
  }

  /**
   * What the slots of these ids hold now (realtime, not as of the last refresh). Same order as `ids`.
   * @throws LookFailedError when Elasticsearch cannot say, a missing alias included.
   */
  async look(index: string, ids: readonly string[], options: StoreCallOptions = {}): Promise<SlotView[]> {
    return (await this.lookEach(index, ids, options)).map(orThrow);
  }

  /**
   * As `look`, but what is wrong with one document alone (an unreadable version, a shard that is away) stands in its place:
   * its neighbours can do without it.
   * @throws LookFailedError when nothing at all was answered.
   */
  async lookEach(
    index: string,
    ids: readonly string[],
    options: StoreCallOptions = {},
  ): Promise<(SlotView | LookFailedError)[]> {
    return this.mget(index, ids, MGET_IDS, { _source_includes: SLOT_FIELDS }, options, readSlot);
  }

  /**
   * Whole documents, for comparison (realtime). Same order as `ids`. Numbers arrive as JavaScript numbers, so digits
   * beyond double precision are lost; this library's own documents carry such values as strings.
   * @throws LookFailedError as `look` does.
   */
  async fetch(index: string, ids: readonly string[], options: StoreCallOptions = {}): Promise<FetchedDocument[]> {
    return (await this.mget(index, ids, FETCH_IDS, {}, options, readFetched)).map(orThrow);
  }

  /**
   * Asks the cluster for its health, once.
   * @throws LookFailedError when it cannot be reached in time.
   */
  async check(options: StoreCallOptions = {}): Promise<{ status: 'green' | 'yellow' | 'red' }> {
    const answer = await this.read('GET', '/_cluster/health', { filter_path: 'status' }, undefined, options);
    const { status } = (answer ?? {}) as { status?: unknown };
    if (status === 'green' || status === 'yellow' || status === 'red') return { status };
    throw new LookFailedError('Elasticsearch did not answer a health request; is the URL that of Elasticsearch?');
  }

  private timeoutMs(options: StoreCallOptions): number {
    return Math.max(1, options.timeoutMs ?? this.options.requestTimeoutMs);
  }

  private async sendBulk(call: WriteCall, part: BulkItem[]): Promise<void> {
    const { index, options, outcomes } = call;
    const timeoutMs = Math.floor(call.endsAtMs - performance.now());
    if (timeoutMs < 1 || options.signal?.aborted) {
      const reason = 'not sent: the call was given up or its time was over';
      for (const { position } of part) outcomes[position] = { kind: 'unavailable', certain: true, reason };
      return;
    }
    const querystring: Record<string, string> = {
      require_alias: 'true',
      // Elasticsearch must not go on trying long after we have given up.
      timeout: `${timeoutMs}ms`,
      filter_path: part.some(({ write }) => write.body === null) ? BULK_ANSWER : PUTS_ANSWER,
    };
    if (options.refresh) querystring['refresh'] = String(options.refresh);
    const params = {
      method: 'POST',
      path: `/${encodeURIComponent(index)}/_bulk`,
      querystring,
      bulkBody: encodeBulk(part),
    };
    try {
      readBulkAnswer(await this.sender.send(params, sendOptions(timeoutMs, options)), index, part, outcomes);
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

  private async mget<T>(
    index: string,
    ids: readonly string[],
    batch: number,
    querystring: Record<string, string>,
    options: StoreCallOptions,
    readDoc: (doc: unknown, id: string, index: string) => T | string,
  ): Promise<(T | LookFailedError)[]> {
    const endsAtMs = performance.now() + this.timeoutMs(options);
    const path = `/${encodeURIComponent(index)}/_mget`;
    const views: (T | LookFailedError)[] = [];
    for (let from = 0; from < ids.length; from += batch) {
      const asked = ids.slice(from, from + batch);
      const timeoutMs = Math.max(1, Math.floor(endsAtMs - performance.now()));
      const query = { ...querystring, filter_path: MGET_ANSWER };
      const answer = await this.read('POST', path, query, { ids: asked }, { ...options, timeoutMs });
      const { docs } = (answer ?? {}) as { docs?: unknown };
      if (!Array.isArray(docs) || docs.length !== asked.length) {
        throw new LookFailedError(`Elasticsearch's answer about ${asked.length} documents of "${index}" is unreadable`);
      }
      for (const [at, id] of asked.entries()) {
        const view = readDoc(docs[at], id, index);
        views.push(typeof view === 'string' ? new LookFailedError(view, { index, id }) : view);
      }
    }
    return views;
  }

  private async read(
    method: string,
    path: string,
    querystring: Record<string, string>,
    body: object | undefined,
    options: StoreCallOptions,
  ): Promise<unknown> {
    try {
      const params = { method, path, querystring, ...(body ? { body } : {}) };
      return await this.sender.send(params, sendOptions(this.timeoutMs(options), options));
    } catch (error) {
      const outcome = classifyFailure(error);
      const reason = 'reason' in outcome ? outcome.reason : outcome.kind;
      throw new LookFailedError(`Elasticsearch could not be read: ${reason}`, { path }, error);
    }
  }
}

function orThrow<T>(view: T | LookFailedError): T {
  if (view instanceof LookFailedError) throw view;
  return view;
}

function sendOptions(timeoutMs: number, options: StoreCallOptions): SendOptions {
  return options.signal ? { timeoutMs, signal: options.signal } : { timeoutMs };
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

/** Nearly every item is one. `require_alias` keeps a put from an index that took the alias's name. */
function isTakenPut(item: unknown, { id, version, body }: BulkWrite): boolean {
  const put = (item as { index?: { _id?: unknown; _version?: unknown; status?: unknown; error?: unknown } } | null)?.index;
  return (
    body !== null &&
    put?._id === id &&
    put._version === version &&
    (put.status === 201 || put.status === 200) &&
    put.error === undefined
  );
}
