import type { Client } from '@elastic/elasticsearch';
import type { DocumentStore } from '../elasticsearch/document.store.js';
import { DELETED_FIELD, isTombstone } from '../elasticsearch/tombstone.codec.js';
import type { DocumentWrite } from '../protocol/outcome.js';
import { NotServed } from './row.copier.js';

export interface TombstoneCopy {
  /** The index itself: its alias hides them. */
  readonly from: string;
  /** The seat of the new index. */
  readonly to: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

interface Hits {
  readonly hits?: {
    readonly hits?: readonly {
      readonly _id: string;
      readonly _version?: number;
      readonly _source?: unknown;
      readonly sort: unknown[];
    }[];
  };
}

const PAGE = 1_000;
const KEEP_ALIVE = '5m';

/** Brings durable tombstones to the new index, at their versions: what they keep out must not come in there either. Answers how many. */
export async function copyTombstones(
  client: Client,
  documents: DocumentStore,
  { from, to, timeoutMs, signal }: TombstoneCopy,
): Promise<number> {
  const limits = { requestTimeout: timeoutMs, maxRetries: 0, signal };
  await client.indices.refresh({ index: from }, limits);
  const { id } = await client.openPointInTime({ index: from, keep_alive: KEEP_ALIVE }, limits);
  let copied = 0;
  try {
    for (let after: unknown[] | null = null; ;) {
      const body = {
        pit: { id, keep_alive: KEEP_ALIVE },
        size: PAGE,
        query: { exists: { field: DELETED_FIELD } },
        sort: ['_shard_doc'],
        version: true,
        track_total_hits: false,
        ...(after ? { search_after: after } : {}),
      };
      const querystring = { allow_partial_search_results: 'false' };
      const answer = (await client.transport.request(
        { method: 'POST', path: '/_search', querystring, body },
        limits,
      )) as Hits;
      const hits = answer.hits?.hits ?? [];
      if (hits.length === 0) return copied;
      const writes: DocumentWrite[] = [];
      for (const { _id, _version, _source } of hits) {
        if (_version === undefined || !isTombstone(_source)) continue;
        writes.push({ id: _id, version: _version, body: JSON.stringify(_source) });
      }
      const outcomes = await documents.write(to, writes, { timeoutMs, signal });
      for (const outcome of outcomes) {
        if (outcome.kind === 'applied') copied += 1;
        else if (outcome.kind !== 'conflict') throw new NotServed(outcome.reason);
      }
      after = hits.at(-1)!.sort;
    }
  } finally {
    await client.closePointInTime({ id }, limits).catch(() => undefined);
  }
}
