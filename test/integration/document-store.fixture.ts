import { Client } from '@elastic/elasticsearch';
import { DocumentStore } from '../../src/elasticsearch/document.store.js';
import type { DocumentWrite, IndexOutcome } from '../../src/protocol/outcome.js';
import { FaultProxy } from '../../src/testing/index.js';

export const elasticsearchUrl = process.env['ELASTICSEARCH_URL'] ?? 'http://127.0.0.1:9200';
export const bulk = { method: 'POST', path: '/_bulk' };

export const put = (id: string, version: number, document: object = { title: id }): DocumentWrite => ({
  id,
  version,
  body: JSON.stringify(document),
});
export const remove = (id: string, version: number): DocumentWrite => ({ id, version, body: null });

export const kinds = (outcomes: readonly IndexOutcome[]): string[] =>
  outcomes.map((outcome) => (outcome.kind === 'unavailable' ? `${outcome.kind} ${outcome.certain}` : outcome.kind));

/** A store whose client goes through a fault proxy, and an index of its own behind an alias. */
export class DocumentStoreFixture {
  readonly name = `document-store-${process.pid}-${Date.now()}`;
  readonly alias = `${this.name}-films`;
  readonly proxy = new FaultProxy(elasticsearchUrl);
  readonly direct = new Client({ node: elasticsearchUrl });
  client: Client;
  store: DocumentStore;

  async start(): Promise<void> {
    await this.proxy.start();
    this.client = new Client({ node: this.proxy.url });
    this.store = new DocumentStore(this.client, { requestTimeoutMs: 10_000 });
    await this.direct.indices.create({
      index: `${this.alias}-000001`,
      aliases: { [this.alias]: { is_write_index: true } },
      settings: { number_of_replicas: 0 },
      mappings: {
        properties: {
          price: { type: 'double' },
          consistency_restored: { type: 'long', index: false, doc_values: false },
        },
      },
    });
  }

  async stop(): Promise<void> {
    await this.proxy.stop();
    await this.client.close();
    const indices = await this.direct.indices.get({ index: `${this.name}-*` });
    await this.direct.indices.delete({ index: Object.keys(indices) });
    await this.direct.close();
  }

  async write(writes: readonly DocumentWrite[], index = this.alias, timeoutMs = 10_000): Promise<string[]> {
    return kinds(await this.store.write(index, writes, { timeoutMs }));
  }
}
