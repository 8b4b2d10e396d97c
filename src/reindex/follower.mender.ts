import type { DocumentStore } from '../elasticsearch/document.store.js';
import { documentIdOf, documentTextOf } from '../entity/document.builder.js';
import type { EntityContext } from '../entity/entity.context.js';
import { IndexRejectedError, IndexUnavailableError, RowBusyError } from '../errors.js';
import type { LoadedRow } from '../mysql/row.store.js';
import type { DocumentWrite, IndexOutcome } from '../protocol/outcome.js';
import type { SlotView } from '../protocol/row.js';
import { withMarkers } from './marker.lookup.js';
import type { RedriveKey, Redriver, RedriveOptions, RedriveResult } from '../settle/redriver.js';

const BATCH = 200;

interface Mending {
  readonly key: RedriveKey;
  readonly write: DocumentWrite;
}

/**
 * Mends the index that follows, for a verification: rows are put there at their own versions, documents without a row are deleted above theirs.
 * The index that decides is not touched; only where the follower's slot is taken by something else the row is driven through
 * the protocol, which brings it to both at a version above.
 */
export class FollowerMender {
  constructor(
    private readonly seat: string,
    private readonly documents: DocumentStore,
    private readonly redriver: Pick<Redriver, 'redrive'>,
  ) {}

  async redrive(
    context: EntityContext,
    keys: readonly RedriveKey[],
    options: RedriveOptions,
  ): Promise<Map<string, RedriveResult>> {
    const results = new Map<string, RedriveResult>();
    for (let from = 0; from < keys.length; from += BATCH) {
      await this.batch(context, keys.slice(from, from + BATCH), options, results);
    }
    return results;
  }

  private async batch(
    context: EntityContext,
    keys: readonly RedriveKey[],
    options: RedriveOptions,
    results: Map<string, RedriveResult>,
  ): Promise<void> {
    const ids = keys.map(({ id, documentId }) => documentId ?? id);
    const slots = await this.documents.look(this.seat, ids, options);
    const rows = await rowsByDocument(context, keys);
    const mendings: Mending[] = [];
    for (const [at, key] of keys.entries()) {
      try {
        const write = await this.writeOf(context, ids[at]!, slots[at]!, rows.get(ids[at]!));
        if (write) mendings.push({ key, write });
        else results.set(key.id, 'unchanged');
      } catch (error) {
        results.set(key.id, error as Error);
      }
    }
    const writes = await withMarkers(
      context,
      mendings.map(({ write }) => write),
      options.timeoutMs,
    );
    const outcomes = await this.documents.write(this.seat, writes, options);
    const taken: RedriveKey[] = [];
    mendings.forEach(({ key, write }, at) => {
      const outcome = outcomes[at]!;
      if (outcome.kind === 'applied') results.set(key.id, write.body === null ? 'removed' : 'redriven');
      else if (outcome.kind === 'conflict') taken.push(key);
      else results.set(key.id, failure(write, outcome));
    });
    if (taken.length > 0) {
      for (const [id, result] of await this.redriver.redrive(context, taken, options)) results.set(id, result);
    }
  }

  /** Null where there is nothing to do. Documents were looked at before rows: one without a row then has none. */
  private async writeOf(
    context: EntityContext,
    id: string,
    slot: SlotView,
    row: LoadedRow | undefined,
  ): Promise<DocumentWrite | null> {
    if (!row) return slot.found ? { id, version: slot.version + 1, body: null } : null;
    const { binding } = context;
    if (row.state === 'prepare') {
      throw new RowBusyError(`${binding.name} ${row.key.id} is in prepare; try again.`, { entity: binding.name });
    }
    const entity = (await binding.hydrate(row.image)) as object;
    if (binding.presence(row.image, entity) === 'present') {
      return { id, version: row.version, body: documentTextOf(binding, row.image, entity) };
    }
    return slot.found ? { id, version: Math.max(slot.version + 1, row.version), body: null } : null;
  }
}

async function rowsByDocument(
  { binding, store }: EntityContext,
  keys: readonly RedriveKey[],
): Promise<Map<string, LoadedRow>> {
  const found = await store.load(keys.filter(({ parameters }) => parameters.length > 0));
  const rows = new Map<string, LoadedRow>();
  // By document id: to a collation several spellings are one key, and each is another document.
  for (const row of found.values()) rows.set(documentIdOf(binding, row.image), row);
  return rows;
}

function failure({ id }: DocumentWrite, outcome: Exclude<IndexOutcome, { kind: 'applied' | 'conflict' }>): Error {
  if (outcome.kind === 'refused') {
    return new IndexRejectedError(`${outcome.type}: ${outcome.reason}`, { id });
  }
  return new IndexUnavailableError(outcome.reason, { id });
}
