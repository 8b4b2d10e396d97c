import type { EntityBinding } from '../entity/entity.binding.js';
import type { DocumentStore } from '../elasticsearch/document.store.js';
import { notForMissingIndex } from '../elasticsearch/outcome.classifier.js';
import { OverloadedError } from '../errors.js';
import type { Instruments } from '../observe/instruments.js';
import type { DocumentWrite, IndexOutcome } from '../protocol/outcome.js';
import { GroupBatcher } from './group.batcher.js';

/** A document on its way to the index. `endsAt`: when its writer gives up, by `performance.now()`. */
export interface IndexRequest {
  readonly write: DocumentWrite;
  readonly endsAt: number;
}

export type IndexGroup = GroupBatcher<IndexRequest, IndexOutcome>;

/** Measured on two cores: beyond this a bulk only gets slower, and a timed-out bulk leaves all of its rows unknown. */
const SHARED = { maxItems: 512, maxInFlight: 2 };
const ALONE = { maxItems: 1, maxInFlight: 64 };
/** A bulk that waits holds no connection to MySQL. */
const SLOW_FACTOR = 8;
const MAX_BYTES = 4 * 1024 * 1024;
const MAX_QUEUED = 100_000;

/**
 * Index requests of concurrent writers of one alias share a bulk: one translog sync instead of one each. Every writer
 * gets its own item's outcome; a timed-out bulk leaves exactly its own rows unknown.
 */
export function makeIndexGroup(
  documents: DocumentStore,
  binding: EntityBinding,
  shared: boolean,
  instruments: Instruments,
): IndexGroup {
  const refresh = binding.options.refresh ?? false;
  const group: IndexGroup = new GroupBatcher<IndexRequest, IndexOutcome>(
    { ...(shared ? SHARED : ALONE), maxBytes: MAX_BYTES, maxQueued: MAX_QUEUED, slowFactor: SLOW_FACTOR },
    {
      leaves: (rows) => instruments.batch('index', binding, rows),
      bytesOf: ({ write }) => write.body?.length ?? 0,
      refuse: (queued) =>
        new OverloadedError(
          `${binding.name}: ${queued} documents are already waiting for Elasticsearch. Write slower.`,
          {
            entity: binding.name,
            queued,
          },
        ),
      run: async (requests) => {
        const now = performance.now();
        const inTime = requests.filter(({ endsAt }) => endsAt > now);
        const timeoutMs = Math.max(1, ...inTime.map(({ endsAt }) => endsAt - now));
        const given = await documents.write(
          binding.alias,
          inTime.map(({ write }) => write),
          { timeoutMs, refresh, prepared: true },
        );
        const answers = given.map(notForMissingIndex);
        // Too busy for this many at once: smaller bulks, as the retries come.
        if (answers.some((answer) => answer.kind === 'unavailable')) group.shrink();
        let at = 0;
        return requests.map((request) => (request.endsAt > now ? answers[at++]! : NOT_SENT));
      },
    },
  );
  return group;
}

const NOT_SENT: IndexOutcome = {
  kind: 'unavailable',
  certain: true,
  reason: 'not sent: its time was over in the queue',
};
