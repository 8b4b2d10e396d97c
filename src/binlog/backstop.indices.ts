import type { Client } from '@elastic/elasticsearch';
import { ensureIndex } from '../elasticsearch/index.bootstrap.js';
import type { EntityContext } from '../entity/entity.context.js';
import type { AdoptionTable } from './adoption.table.js';
import { columnsFingerprint } from './schema.tracker.js';

interface SettingsAnswer {
  readonly settings?: Readonly<Record<string, unknown>>;
}

/**
 * What is behind each alias: the index's own identity and that of its history, which a restore from a snapshot changes. Null
 * where there is no such index. Throws what the client throws when Elasticsearch cannot say.
 */
export async function indexIdentities(
  client: Client,
  aliases: readonly string[],
  timeoutMs: number,
): Promise<Map<string, string | null>> {
  const identities = new Map<string, string | null>();
  for (const alias of aliases) {
    const answer = await client.indices
      .getSettings({ index: alias, flat_settings: true }, { requestTimeout: timeoutMs, maxRetries: 0 })
      .catch((error: unknown) => {
        if ((error as { statusCode?: number }).statusCode === 404) return {};
        throw error;
      });
    const indices = Object.values(answer as Record<string, SettingsAnswer>);
    const texts = indices.map(({ settings = {} }) =>
      [settings['index.uuid'], settings['index.history_uuid']]
        .map((part) => (typeof part === 'string' ? part : ''))
        .join('/'),
    );
    identities.set(alias, texts.length > 0 ? texts.toSorted().join(',') : null);
  }
  return identities;
}

/** Notices an index that was exchanged, restored or lost, and documents that are made of other columns now. */
export class IndexWatch {
  /** By alias: what is behind it, and what its documents are made of. Where either changes, nothing is known of them. */
  known: Record<string, string> = {};

  constructor(
    private readonly client: Client,
    private readonly timeoutMs: number,
    private readonly suspect: (table: AdoptionTable, reason: string) => void,
  ) {}

  /**
   * Looks at every table's index; whether anything is new. `followed`: there was a checkpoint, so an index that is not
   * remembered was never seen complete.
   */
  async check(tables: Iterable<AdoptionTable>, followed: boolean): Promise<boolean> {
    const all = [...tables];
    const aliases = all.map(({ context }) => context.binding.alias);
    const identities = await indexIdentities(this.client, aliases, this.timeoutMs);
    let changed = false;
    for (const table of all) {
      const { alias } = table.context.binding;
      const identity = identities.get(alias) ?? null;
      if (identity === null) {
        table.indexMissing('there is no such index');
        continue;
      }
      const now = noteOf(table, identity);
      const before = this.known[alias];
      if (before === now) continue;
      this.known[alias] = now;
      changed = true;
      if (before !== undefined) {
        this.suspect(table, `the index behind "${alias}", or the columns it is made of, are others now`);
      } else if (followed) this.suspect(table, 'it is followed for the first time');
    }
    return changed;
  }

  /** After a change of columns that was seen in the log: it was judged there. */
  columnsChanged(table: AdoptionTable): void {
    const { alias } = table.context.binding;
    const [identity] = this.known[alias]?.split(' ') ?? [];
    if (identity !== undefined) this.known[alias] = noteOf(table, identity);
  }
}

function noteOf(table: AdoptionTable, identity: string): string {
  return `${identity} ${columnsFingerprint(table.context.binding)}`;
}

/** Makes the index of an entity again where it is gone. */
export async function restoreIndex(
  client: Client,
  { binding: { alias, options }, options: module }: EntityContext,
): Promise<void> {
  await ensureIndex(client, {
    alias,
    ...(options.mappings ? { mappings: options.mappings } : {}),
    ...(options.settings ? { settings: options.settings } : {}),
    gcDeletesMs: module.gcDeletesMs,
    createIndex: module.createIndices,
  });
}
