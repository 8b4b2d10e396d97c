import { gunzipSync } from 'node:zlib';
import type { Client } from '@elastic/elasticsearch';
import { LookFailedError } from '../elasticsearch/look.failure.js';
import { SLOT_FIELDS } from '../elasticsearch/mget.reader.js';
import { IndexMissingError } from '../errors.js';
import { type DocumentView, scanDocuments } from './document.scanner.js';

export interface ReadOptions {
  /** In milliseconds, the answer's body included. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** A page of a walk over all documents. */
export interface DocumentPage {
  readonly documents: readonly { readonly id: string; readonly source: Readonly<Record<string, unknown>> }[];
  readonly after: readonly unknown[];
}

interface Hits {
  readonly timed_out?: boolean;
  readonly _shards?: { readonly failed?: number };
  readonly hits?: {
    readonly hits?: { readonly _id: string; readonly _source?: Record<string, unknown>; readonly sort: unknown[] }[];
  };
}

const KEEP_ALIVE = '5m';
const HITS = 'timed_out,_shards.failed,hits.hits._id,hits.hits._source,hits.hits.sort';

/**
 * Reads many documents cheaply: the answer to an `_mget` stays text, for `scanDocuments` to compare. Everything that is
 * not an answer is a `LookFailedError`; absence is never concluded from it.
 */
export class DocumentReader {
  constructor(
    private readonly client: Client,
    private readonly alias: string,
  ) {}

  /** @throws IndexMissingError, LookFailedError */
  async expectIndex({ timeoutMs, signal }: ReadOptions): Promise<void> {
    const there = await this.client.indices
      .existsAlias({ name: this.alias }, requestOptions(timeoutMs, signal))
      .catch((error: unknown) => {
        throw failed(error);
      });
    if (there) return;
    throw new IndexMissingError(
      `The alias "${this.alias}" leads to no index. Start the application again, which makes it, and verify with repair.`,
      { alias: this.alias },
    );
  }

  /** As of now, not as of the last refresh. One view, or the reason why there is none, for each id. */
  async compare(
    ids: readonly string[],
    expected: readonly (string | null)[],
    options: ReadOptions,
  ): Promise<(DocumentView | LookFailedError)[]> {
    if (ids.length === 0) return [];
    const nothingToCompare = expected.every((text) => text === null);
    const querystring = nothingToCompare ? { _source_includes: SLOT_FIELDS } : {};
    const answer = await this.text(`/${encodeURIComponent(this.alias)}/_mget`, querystring, { ids }, options);
    try {
      const views = scanDocuments(answer, this.alias, ids, expected);
      return views.map((view) => (typeof view === 'string' ? new LookFailedError(view, { alias: this.alias }) : view));
    } catch (error) {
      if (error instanceof SyntaxError) throw failed(error);
      throw error;
    }
  }

  /** Opens a view of all documents that are there now. */
  async openView({ timeoutMs, signal }: ReadOptions): Promise<string> {
    const options = requestOptions(timeoutMs, signal);
    try {
      // Without the right to refresh, documents of the last second may not be in the view.
      await this.client.indices.refresh({ index: this.alias }, options).catch(() => undefined);
      return (await this.client.openPointInTime({ index: this.alias, keep_alive: KEEP_ALIVE }, options)).id;
    } catch (error) {
      throw failed(error);
    }
  }

  /** The next documents of a view, in no particular order; null at the end. `fields`: what is read of each. */
  async page(
    view: string,
    after: readonly unknown[] | null,
    size: number,
    fields: readonly string[],
    { timeoutMs, signal }: ReadOptions,
  ): Promise<DocumentPage | null> {
    const body = {
      pit: { id: view, keep_alive: KEEP_ALIVE },
      size,
      sort: ['_shard_doc'],
      track_total_hits: false,
      _source: fields.length > 0 ? fields : false,
      ...(after ? { search_after: after } : {}),
    };
    const querystring = { filter_path: HITS, allow_partial_search_results: 'false' };
    const answer = (await this.client.transport
      .request({ method: 'POST', path: '/_search', querystring, body }, requestOptions(timeoutMs, signal))
      .catch((error: unknown) => {
        throw failed(error);
      })) as Hits;
    if (answer.timed_out !== false || answer._shards?.failed !== 0) {
      throw failed(new Error('not every shard answered a search'));
    }
    const hits = answer.hits?.hits ?? [];
    if (hits.length === 0) return null;
    return {
      documents: hits.map(({ _id, _source }) => ({ id: _id, source: _source ?? {} })),
      after: hits.at(-1)!.sort,
    };
  }

  async closeView(view: string): Promise<void> {
    // It ends by itself after KEEP_ALIVE.
    await this.client.closePointInTime({ id: view }, requestOptions(1_000, undefined)).catch(() => undefined);
  }

  private async text(path: string, querystring: object, body: object, options: ReadOptions): Promise<string> {
    const limit = AbortSignal.timeout(options.timeoutMs);
    const signal = options.signal ? AbortSignal.any([limit, options.signal]) : limit;
    try {
      const answer = await this.client.transport.request(
        { method: 'POST', path, querystring: querystring as Record<string, string>, body },
        { asStream: true, meta: true, maxRetries: 0, signal, requestTimeout: options.timeoutMs },
      );
      const parts: Buffer[] = [];
      for await (const part of answer.body as unknown as AsyncIterable<Buffer>) parts.push(Buffer.from(part));
      const whole = Buffer.concat(parts);
      const packed = String(answer.headers?.['content-encoding'] ?? '').includes('gzip');
      const text = (packed ? gunzipSync(whole) : whole).toString('utf8');
      if (answer.statusCode === 200) return text;
      throw new Error(`status ${answer.statusCode}: ${typeOfError(text)}`);
    } catch (error) {
      throw failed(error);
    }
  }
}

function requestOptions(timeoutMs: number, signal: AbortSignal | undefined) {
  return { requestTimeout: timeoutMs, maxRetries: 0, ...(signal ? { signal } : {}) };
}

/** Elasticsearch's own name of what is wrong; its reason can quote contents. */
function typeOfError(text: string): string {
  return /"type":"(\w{1,80})"/.exec(text)?.[1] ?? 'no error of Elasticsearch';
}

function failed(error: unknown): LookFailedError {
  const message = (error as Error).message.slice(0, 300);
  return new LookFailedError(`Elasticsearch could not be read: ${message}`, {}, error);
}
