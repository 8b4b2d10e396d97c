import type { SlotView } from '../protocol/row.js';
import { LookFailedError } from './look.failure.js';
import { type FetchedDocument, readFetched, readSlot, SLOT_FIELDS } from './mget.reader.js';
import { classifyFailure } from './outcome.classifier.js';
import type { RequestSender, SendOptions } from './request.sender.js';

const MGET_IDS = 500;
/** Whole documents can be large: fewer in one answer. */
const FETCH_IDS = 100;
const MGET_ANSWER =
  'error,status,docs._index,docs._id,docs._version,docs.found,docs._source,docs.error.type,docs.error.reason';

interface MgetShape<T> {
  /** Ids in one request. */
  readonly batch: number;
  readonly querystring: Readonly<Record<string, string>>;
  /** What a document of the answer says, or why it says nothing. */
  readonly readDoc: (doc: unknown, id: string, index: string) => T | string;
}

const SLOTS: MgetShape<SlotView> = {
  batch: MGET_IDS,
  querystring: { _source_includes: SLOT_FIELDS },
  readDoc: readSlot,
};
const DOCUMENTS: MgetShape<FetchedDocument> = { batch: FETCH_IDS, querystring: {}, readDoc: readFetched };

/**
 * Realtime reads by id, in batches, and other reads. What is wrong with one document alone (an unreadable version, a shard that is away)
 * stands in its place. Each throws `LookFailedError` when nothing at all was answered.
 */
export class ReadSender {
  constructor(private readonly sender: RequestSender) {}

  /** `options.timeoutMs`: for all batches together. */
  slots(index: string, ids: readonly string[], options: SendOptions): Promise<(SlotView | LookFailedError)[]> {
    return this.mget(index, ids, SLOTS, options);
  }

  documents(
    index: string,
    ids: readonly string[],
    options: SendOptions,
  ): Promise<(FetchedDocument | LookFailedError)[]> {
    return this.mget(index, ids, DOCUMENTS, options);
  }

  async read(
    method: string,
    path: string,
    querystring: Record<string, string>,
    body: object | undefined,
    options: SendOptions,
  ): Promise<unknown> {
    try {
      const params = { method, path, querystring, ...(body ? { body } : {}) };
      return await this.sender.send(params, options);
    } catch (error) {
      const outcome = classifyFailure(error);
      const reason = 'reason' in outcome ? outcome.reason : outcome.kind;
      throw new LookFailedError(`Elasticsearch could not be read: ${reason}`, { path }, error);
    }
  }

  private async mget<T>(
    index: string,
    ids: readonly string[],
    { batch, querystring, readDoc }: MgetShape<T>,
    options: SendOptions,
  ): Promise<(T | LookFailedError)[]> {
    const endsAtMs = performance.now() + options.timeoutMs;
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
}

/** The views, or the first failure among them. */
export function orThrow<T>(views: readonly (T | LookFailedError)[]): T[] {
  return views.map((view) => {
    if (view instanceof LookFailedError) throw view;
    return view;
  });
}
