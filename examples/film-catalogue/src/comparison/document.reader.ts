import { Client, type estypes } from '@elastic/elasticsearch';

export interface StoredDocument {
  readonly id: string;
  /** What it is sorted by: the field `id`. A document without it comes last. */
  readonly key: number;
  readonly version: number;
  readonly source: Readonly<Record<string, unknown>>;
}

const KEEP_ALIVE = '1m';
const REQUEST_TIMEOUT_MS = 30_000;

/** Every document, from one point in time, `chunkSize` at a time. */
export async function* documentsInKeyOrder(
  elasticsearchUrl: string,
  index: string,
  chunkSize: number,
): AsyncGenerator<StoredDocument, void> {
  const client = new Client({ node: elasticsearchUrl, requestTimeout: REQUEST_TIMEOUT_MS });
  try {
    // A search sees what the last refresh saw.
    await client.indices.refresh({ index });
    let { id: pit } = await client.openPointInTime({ index, keep_alive: KEEP_ALIVE });
    try {
      let after: estypes.SortResults | undefined;
      for (;;) {
        const answer = await client.search<Record<string, unknown>>({
          pit: { id: pit, keep_alive: KEEP_ALIVE },
          size: chunkSize,
          version: true,
          track_total_hits: false,
          sort: [{ id: { order: 'asc', missing: '_last', unmapped_type: 'long' } }],
          ...(after ? { search_after: after } : {}),
        });
        pit = answer.pit_id ?? pit;
        const { hits } = answer.hits;
        for (const { _id, _version, _source, sort } of hits) {
          yield { id: _id!, key: Number(sort![0]), version: _version!, source: _source! };
        }
        if (hits.length < chunkSize) return;
        after = hits.at(-1)!.sort!;
      }
    } finally {
      await client.closePointInTime({ id: pit }).catch(() => undefined);
    }
  } finally {
    await client.close();
  }
}
