import type { Client } from '@elastic/elasticsearch';

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
