import type { Client, estypes } from '@elastic/elasticsearch';
import { seatOf } from '../elasticsearch/index.route.js';
import { newIndexSettings } from '../elasticsearch/index.settings.js';
import { hidesOnlyTombstones, TOMBSTONE_FILTER } from '../elasticsearch/tombstone.codec.js';
import { IndexMissingError, MappingConflictError, ReindexStateError } from '../errors.js';

/** What the indices of one alias need to know of it. */
export interface SeatOptions {
  readonly alias: string;
  /** Whether the alias has, or is to have, the filter that hides durable tombstones: every index's seat gets it too. */
  readonly hidesTombstones: boolean;
}

export interface NewIndexOptions {
  readonly mappings: estypes.MappingTypeMapping;
  readonly settings: estypes.IndicesIndexSettings;
  readonly gcDeletesMs: number;
}

/**
 * Whether documents may be sent to the alias itself. Not while an index is exchanged: then everybody who knows of it sends to the seats, and who
 * does not (an older version, a user who may not see `consistent_reindex`) would write to one index only. Elasticsearch refuses him.
 */
export type AliasUse = 'for-writing' | 'only-for-reading';

type AliasAction = estypes.IndicesUpdateAliasesAction;

const NUMBERED = /^(.*-)(\d{6})$/;
const MAX_TRIES = 50;
const REQUEST_TIMEOUT_MS = 10_000;

/** Whether the alias hides durable tombstones, also where the entity has none any more. */
export async function aliasHidesTombstones(client: Client, alias: string): Promise<boolean> {
  const found = await client.indices.getAlias({ name: alias }, LIMITS).catch((error: unknown) => {
    if (statusOf(error) === 404) return {};
    throw error;
  });
  return Object.values(found as Record<string, { aliases: Record<string, { filter?: unknown }> }>).some(({ aliases }) =>
    hidesOnlyTombstones(aliases[alias]?.filter),
  );
}

/** The indices of one alias, and who has which alias. */
export class IndexSeats {
  constructor(
    private readonly client: Client,
    private readonly options: SeatOptions,
  ) {}

  /** The index that the alias leads to. @throws IndexMissingError */
  async current(): Promise<string> {
    const [index, other] = await this.holders(this.options.alias);
    if (index !== undefined && other === undefined) return index;
    const { alias } = this.options;
    throw new IndexMissingError(
      index === undefined
        ? `The alias "${alias}" leads to no index. Start the application, which makes one.`
        : `The alias "${alias}" leads to several indices. Let it lead to one.`,
      { alias },
    );
  }

  /** Makes the next index of this alias, with its seat, and answers its name. */
  async create(former: string, { mappings, settings, gcDeletesMs }: NewIndexOptions): Promise<string> {
    const [, stem = `${this.options.alias}-`, digits = '1'] = NUMBERED.exec(former) ?? [];
    for (let tries = 1; tries <= MAX_TRIES; tries++) {
      const index = `${stem}${String(Number(digits) + tries).padStart(6, '0')}`;
      try {
        await this.client.indices.create(
          {
            index,
            aliases: { [seatOf(index)]: this.attributes() },
            mappings,
            settings: newIndexSettings(
              settings as Record<string, unknown>,
              gcDeletesMs,
            ) as estypes.IndicesIndexSettings,
          },
          LIMITS,
        );
        return index;
      } catch (error) {
        const type = typeOf(error);
        if (type === 'mapper_parsing_exception') {
          throw new MappingConflictError(
            `Elasticsearch refuses the mapping of the new index: ${reasonOf(error)}`,
            { index },
            error,
          );
        }
        if (type !== 'resource_already_exists_exception') throw error;
      }
    }
    throw new ReindexStateError(
      `There are already ${MAX_TRIES} indices after ${former}. Delete those that nobody needs.`,
      { former },
    );
  }

  async seat(index: string): Promise<void> {
    await this.update([{ add: { index, alias: seatOf(index), ...this.attributes() } }]);
  }

  async exists(index: string): Promise<boolean> {
    return this.client.indices.exists({ index }, LIMITS);
  }

  /** The alias goes to this index, in one step, and so that nobody else has it. */
  async giveAlias(index: string, use: AliasUse): Promise<void> {
    const { alias } = this.options;
    if (await this.hasAlias(index, use)) return;
    const removals = (await this.holders(alias))
      .filter((holder) => holder !== index)
      .map((holder): AliasAction => ({ remove: { index: holder, alias, must_exist: true } }));
    const add = { index, alias, is_write_index: use === 'for-writing', ...this.attributes() };
    await this.update([...removals, { add }]).catch(async (error: unknown) => {
      // The answer may have been lost, or somebody else may have been quicker.
      if (!(await this.hasAlias(index, use))) throw error;
    });
  }

  private async hasAlias(index: string, use: AliasUse): Promise<boolean> {
    const { alias } = this.options;
    const found = await this.aliased(alias);
    const isForWriting = found[index]?.aliases[alias]?.is_write_index !== false;
    return Object.keys(found).join() === index && isForWriting === (use === 'for-writing');
  }

  async refresh(index: string, timeoutMs: number): Promise<void> {
    await this.client.indices.refresh({ index }, { requestTimeout: timeoutMs, maxRetries: 0 }).catch(() => undefined);
  }

  /** Takes the seats away; nobody writes to them any more. */
  async unseat(indices: readonly (string | null)[]): Promise<void> {
    for (const index of indices) {
      if (index === null) continue;
      const action: AliasAction = { remove: { index, alias: seatOf(index), must_exist: false } };
      await this.update([action]).catch((error: unknown) => {
        if (statusOf(error) !== 404) throw error;
      });
    }
  }

  /** Never one that has the alias. */
  async remove(index: string): Promise<void> {
    if ((await this.holders(this.options.alias)).includes(index)) {
      throw new ReindexStateError(`${index} has the alias "${this.options.alias}": it is not deleted.`, { index });
    }
    await this.client.indices.delete({ index, ignore_unavailable: true }, LIMITS);
  }

  private async holders(alias: string): Promise<string[]> {
    return Object.keys(await this.aliased(alias));
  }

  private async aliased(alias: string): Promise<estypes.IndicesGetAliasResponse> {
    try {
      return await this.client.indices.getAlias({ name: alias }, LIMITS);
    } catch (error) {
      if (statusOf(error) === 404) return {};
      throw error;
    }
  }

  private attributes(): { filter?: estypes.QueryDslQueryContainer } {
    return this.options.hidesTombstones ? { filter: TOMBSTONE_FILTER } : {};
  }

  private async update(actions: AliasAction[]): Promise<void> {
    await this.client.indices.updateAliases({ actions }, LIMITS);
  }
}

const LIMITS = { requestTimeout: REQUEST_TIMEOUT_MS, maxRetries: 0 } as const;

interface Answered {
  readonly meta?: {
    readonly statusCode?: number;
    readonly body?: { readonly error?: { readonly type?: string; readonly reason?: string } };
  };
}

function statusOf(error: unknown): number | undefined {
  return (error as Answered).meta?.statusCode;
}

function typeOf(error: unknown): string | undefined {
  return (error as Answered).meta?.body?.error?.type;
}

function reasonOf(error: unknown): string {
  return (error as Answered).meta?.body?.error?.reason ?? (error as Error).message;
}
