import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fileURLToPath } from 'node:url';
import type { estypes } from '@elastic/elasticsearch';
import type { TestingModule } from '@nestjs/testing';
import { BackstopModule, BackstopService } from '../../../src/binlog/index.js';
import { type ConsistentRepositoryClass, ConsistentService, IndexRejectedError } from '../../../src/index.js';
import { FaultProxy } from '../../../src/testing/index.js';
import { silentReporter } from '../../../tools/servers/progress.reporter.mjs';
import type { Server } from '../../../tools/servers/server.types.mjs';
import { startElasticsearch } from '../../../tools/servers/servers.mjs';
import { Stores } from '../../support/application.js';
import { until } from '../../support/faulty.js';
import { Product, product, productRepository, type ProductRepository } from '../../support/product.js';

const PLUGIN = fileURLToPath(new URL('../../support/drop-plugin/drop.jar', import.meta.url));
const PIPELINE = 'drops-secrets';

/** A pipeline that drops documents: such a row has no document, however often it is sent. */
describe('a document that an ingest pipeline drops', () => {
  const shared = process.env['ELASTICSEARCH_URL'];
  let server: Server;
  let stores: Stores;
  let application: TestingModule;
  let products: ProductRepository;
  /** The same table, where MySQL decides. */
  let decided: ProductRepository;
  let proxy: FaultProxy;
  let service: ConsistentService;
  let repository: ConsistentRepositoryClass;

  beforeAll(async () => {
    const plugins = [{ name: 'drop', className: 'consistent.DropPlugin', jar: PLUGIN }];
    server = await startElasticsearch({ reporter: silentReporter, plugins });
    process.env['ELASTICSEARCH_URL'] = server.url;
    stores = await Stores.create('dropped');
    await stores.client.ingest.putPipeline({ id: PIPELINE, processors: [await processor()] });
    repository = productRepository(stores.index('products'), { settings: { default_pipeline: PIPELINE } });
    proxy = new FaultProxy(server.url);
    await proxy.start();
    const options = { entities: [Product], repositories: [repository], elasticsearchNode: proxy.url };
    application = await stores.start({
      ...options,
      module: { deadlineMs: 1_500, writeTimeoutMs: 1_000, bypassGuard: 'off' },
      imports: [BackstopModule.forRoot({ autoStart: false, checkpointIntervalMs: 50 })],
    });
    products = application.get(repository);
    decided = (await stores.start({ ...options, module: { decider: 'mysql', bypassGuard: 'off' } })).get(repository);
    service = application.get(ConsistentService);
  }, 120_000);

  afterAll(async () => {
    await stores?.close();
    await proxy?.stop();
    process.env['ELASTICSEARCH_URL'] = shared;
    await server?.remove();
  });

  /** The image of Docker has Elasticsearch's own, whose condition is a script. */
  async function processor(): Promise<estypes.IngestProcessorContainer> {
    const { nodes } = await stores.client.nodes.info({ metric: 'ingest' });
    const known = Object.values(nodes).flatMap((node) => node.ingest!.processors.map(({ type }) => type));
    const own = { drop_where: { field: 'title', value: 'secret' } } as estypes.IngestProcessorContainer;
    return known.includes('drop') ? { drop: { if: "ctx.title == 'secret'" } } : own;
  }

  const put = async (id: string, version: number, title: string) => {
    const index = { _id: id, version, version_type: 'external' as const };
    const { items } = await stores.client.bulk({
      index: products.index,
      require_alias: true,
      operations: [{ index }, { title }],
    });
    return items[0]!.index!;
  };

  it('has touched no shard: every version from the document on is free', async () => {
    expect(await put('raw', 10, 'open')).toMatchObject({ result: 'created' });
    expect(await put('raw', 20, 'secret')).toMatchObject({
      result: 'noop',
      status: 200,
      _version: 20,
      _shards: { total: 0 },
    });
    expect(await put('raw', 15, 'open')).toMatchObject({ result: 'updated', _version: 15 });
    expect(await put('raw', 20, 'open')).toMatchObject({ result: 'updated', _version: 20 });
    expect(await put('never', 20, 'secret')).toMatchObject({ result: 'noop' });
    expect(await put('never', 1, 'open')).toMatchObject({ result: 'created' });
    // What is older than the document is dropped too, instead of a conflict: a noop tells nothing about the slot.
    expect(await put('raw', 5, 'secret')).toMatchObject({ result: 'noop' });
    const away = (id: string) => ({ delete: { _id: id, version: 100, version_type: 'external' as const } });
    await stores.client.bulk({ index: products.index, refresh: true, operations: [away('raw'), away('never')] });
  });

  const refused = async (write: Promise<unknown>) => {
    const error = await write.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(IndexRejectedError);
    expect(error).toMatchObject({ data: { type: 'dropped_by_pipeline' }, message: expect.stringContaining('`when`') });
  };
  const rowOf = (sku: string) => stores.row('product', sku, 'sku');

  it('is refused, and the row is as it was', async () => {
    await refused(products.insert(product({ sku: 'new', title: 'secret' })));
    expect(await rowOf('new')).toBeUndefined();
    const { id } = await products.save(product({ sku: 'open', title: 'open' }));
    await refused(products.update({ id, title: 'secret' }));
    expect(await rowOf('open')).toMatchObject({ title: 'open', consistency_state: 'commit' });
    expect(await stores.document(products.index, id)).toMatchObject({ source: { title: 'open' } });
    await products.update({ id, title: 'again' });
    expect(await stores.document(products.index, id)).toMatchObject({ source: { title: 'again' } });
    await products.remove((await products.findOneBy({ id }))!);
    expect(await stores.document(products.index, id)).toBeUndefined();
  });

  it('harms no neighbour in a batch', async () => {
    const [good, bad, fine] = await products.saveMany([
      product({ sku: 'good', title: 'good' }),
      product({ sku: 'bad', title: 'secret' }),
      product({ sku: 'fine', title: 'fine' }),
    ]);
    expect([good!.status, bad!.status, fine!.status]).toEqual(['committed', 'failed', 'committed']);
    expect(bad).toMatchObject({ error: { code: 'INDEX_REJECTED' } });
    expect(await rowOf('bad')).toBeUndefined();
  });

  it('parks a row whose previous image is dropped when a settler puts it back', async () => {
    const lost = proxy.inject({ kind: 'black-hole' }, { path: '_bulk', body: 'lost', times: 1 });
    const { insertId } = (await stores.database.query(
      `INSERT INTO product (sku, title, revision, consistency_version) VALUES ('settled', 'secret', 1, 1)`,
    )) as unknown as { insertId: number };
    const id = String(insertId);
    await expect(products.update({ id, title: 'lost' })).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    expect(lost.hits).toBe(1);
    await until('it is parked', async () => (await service.sweep()).parked === 1);
    const [parked] = await service.parked.list();
    expect(parked).toMatchObject({ reason: 'previous-image-refused', lastError: expect.stringContaining('pipeline') });
    await stores.client.ingest.putPipeline({ id: PIPELINE, processors: [] });
    expect(await service.parked.retry(parked!.id)).toBe('settled');
    await stores.client.ingest.putPipeline({ id: PIPELINE, processors: [await processor()] });
    expect(await rowOf('settled')).toMatchObject({ title: 'secret', consistency_state: 'commit' });
  });

  it('is parked where MySQL decides: the write stands', async () => {
    const outcome = await decided.save(product({ sku: 'decided', title: 'secret' }));
    expect(await rowOf('decided')).toMatchObject({ title: 'secret' });
    expect((await service.parked.list()).filter(({ key }) => key['id'] === outcome.id)).toMatchObject([
      { reason: 'document-refused', lastError: expect.stringContaining('pipeline') },
    ]);
  });

  it('is told by the backstop, and holds it up for nothing', async () => {
    const backstop = application.get(BackstopService);
    backstop.start();
    await until('it leads', () => backstop.status().state === 'leading');
    await backstop.drained(60_000);
    await stores.database.query(
      `INSERT INTO product (sku, title, revision) VALUES ('by SQL', 'secret', 1), ('too', 'open', 1)`,
    );
    await backstop.drained(60_000);
    const row = (await rowOf('by SQL'))!;
    expect(backstop.refused()).toMatchObject([
      { documentId: String(row['id']), reason: expect.stringContaining('pipeline') },
    ]);
    expect(await stores.document(products.index, String((await rowOf('too'))!['id']))).toBeDefined();
    await backstop.stop();
  });
});
