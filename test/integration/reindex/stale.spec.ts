import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { ConsistentService } from '../../../src/index.js';
import { FaultProxy } from '../../../src/testing/index.js';
import { serviceOf, Stores } from '../../support/application.js';
import { Product, product, type ProductRepository, productRepository } from '../../support/product.js';
import { elasticsearchUrl, mysqlUrl } from '../../support/servers.js';
import { Instance, lost, NEW_MAPPINGS } from './reindex.fixture.js';

const OPTIONS = { mappings: NEW_MAPPINGS, lateRequestMs: 0, barrierMs: 20_000 };
const MODULE = { writeTimeoutMs: 2_000, deadlineMs: 3_000, busyTimeoutMs: 30_000, statementTimeoutMs: 60_000 };
const BULK = { method: 'POST', path: '/_bulk', times: 1 } as const;
const COMMIT = { body: /COMMIT$/, times: 1 } as const;
const FLIP = { body: /SET `consistency_state` = 'commit'/, times: 1 } as const;

/** One instance stands still, at the worst places, while another one exchanges the index; then it goes on. */
describe('an instance that stands still while the index is exchanged', () => {
  const elasticsearch = new FaultProxy(elasticsearchUrl());
  const mysql = new FaultProxy(mysqlUrl());
  let stores: Stores;
  let service: ConsistentService;
  let slow: ProductRepository;
  let alias: string;
  let instance: Instance;

  beforeAll(async () => {
    await Promise.all([elasticsearch.start(), mysql.start()]);
    stores = await Stores.create('reindex-stale');
    alias = stores.index('products');
    const options = { entities: [Product], repositories: [productRepository(alias)] };
    // One statement at a time, so that a single one can be held up.
    const module = { ...MODULE, groupCommit: false };
    service = serviceOf(await stores.start({ ...options, module }));
    const repository = productRepository(alias);
    const application = await stores.start({
      entities: [Product],
      repositories: [repository],
      module,
      elasticsearchNode: elasticsearch.url,
      mysql: { host: '127.0.0.1', port: mysql.port },
      dataSource: { synchronize: false },
    });
    slow = application.get(repository);
    // While the mapping is the one that it declares.
    instance = await Instance.start(stores, alias, MODULE);
  });
  afterEach(async () => {
    if ((await service.reindexStatus(Product))?.phase !== 'idle') await service.finishReindex(Product);
  });
  afterAll(async () => {
    await instance.kill();
    await stores.close();
    await Promise.all([elasticsearch.stop(), mysql.stop()]);
  });

  const codeOf = (write: Promise<unknown>): Promise<string> =>
    write.then(
      () => 'done',
      (error: { code?: string }) => String(error.code),
    );
  const titles = async (id: string) => ({
    row: (await stores.row('product', id))?.['title'],
    document: (await stores.document(alias, id))?.source['title'],
    agree: (await service.verify(Product)).consistent,
  });

  it('with its request on the way: it comes too late for either index', async () => {
    const { id } = await slow.insert(product({ title: 'before' }) as Product);
    const held = [elasticsearch.inject({ kind: 'hold' }, BULK), elasticsearch.inject({ kind: 'hold' }, BULK)];
    const ends = [codeOf(slow.update({ id, title: 'late' } as Product)), codeOf(slow.insert(product() as Product))];
    await Promise.all(held.map((each) => each.reached()));
    await service.reindex(Product, OPTIONS);
    expect(await Promise.all(ends)).toEqual(['OUTCOME_UNKNOWN', 'OUTCOME_UNKNOWN']);
    expect(await elasticsearch.release()).toBe(2);
    expect(await titles(id)).toEqual({ row: 'before', document: 'before', agree: true });
    expect(await service.verify(Product)).toMatchObject({ documents: 1, rows: 1 });
  });

  it('between prepare and request: it is not sent, and the caller is told', async () => {
    const { id } = await slow.insert(product({ title: 'before' }) as Product);
    const delayed = mysql.inject({ kind: 'delay', answerMs: 12_000 }, COMMIT);
    const end = codeOf(slow.update({ id, title: 'late' } as Product));
    await delayed.reached();
    await service.reindex(Product, OPTIONS);
    const sent = elasticsearch.requests.length;
    expect(['INDEX_UNAVAILABLE', 'WRITE_ABORTED']).toContain(await end);
    const late = elasticsearch.requests.slice(sent).filter(({ body }) => body.includes('late'));
    expect(late).toEqual([]);
    expect(await titles(id)).toEqual({ row: 'before', document: 'before', agree: true });
  });

  it('between request and flip: what the index has taken is carried over', async () => {
    const { id } = await slow.insert(product({ title: 'before' }) as Product);
    const delayed = mysql.inject({ kind: 'hold' }, FLIP);
    const end = codeOf(slow.update({ id, title: 'taken' } as Product));
    await delayed.reached();
    await service.reindex(Product, OPTIONS);
    await mysql.release();
    expect(await end).toBe('done');
    expect(await titles(id)).toEqual({ row: 'taken', document: 'taken', agree: true });
  });

  it('between the two indices, at the barrier: the exchange waits for it', async () => {
    const { id } = await slow.insert(product({ title: 'before' }) as Product);
    const [former] = Object.keys(await stores.client.indices.getAlias({ name: alias }));
    const toFollower = (path: string) => path.includes('.seat/_bulk') && !path.includes(former!);
    const isOurs = (body: string) => body.includes('in both');
    // It never comes to the index that follows. An exchange that does not wait for the row would make that one decide without it.
    const lostOnItsWay = elasticsearch.inject({ kind: 'black-hole' }, { path: toFollower, body: isOurs, times: 1 });
    const other = await slow.insert(product() as Product);
    let end: Promise<string> | undefined;
    let stateAtExchange: unknown;
    let isOver = false;
    // One that writes all the time goes by a fresh lease, so it is not stopped at the barrier.
    const writing = (async () => {
      for (let turn = 0; !isOver; turn++) await slow.update({ id: other.id, title: `turn ${turn}` } as Product);
    })();
    await service.reindex(Product, {
      ...OPTIONS,
      onProgress: ({ step }) => {
        if (step === 'closing') end ??= codeOf(slow.update({ id, title: 'in both' } as Product));
        if (step === 'swapping')
          stateAtExchange ??= stores.row('product', id).then((row) => row?.['consistency_state']);
      },
    });
    isOver = true;
    await writing;
    expect(lostOnItsWay.hits).toBe(1);
    expect(await stateAtExchange).toBe('commit');
    expect(await end).toBe('done');
    expect(await titles(id)).toEqual({ row: 'in both', document: 'in both', agree: true });
  });

  it('frozen as a process, in the midst of its writes', async () => {
    instance.send({ kind: 'write', lanes: 4 });
    await new Promise<void>((resolve, reject) => {
      const look = async (): Promise<void> => {
        const [{ n }] = (await stores.database.query<{ n: number }>('SELECT COUNT(*) AS n FROM product')) as [
          { n: number },
        ];
        if (Number(n) > 20) resolve();
        else setTimeout(() => void look().catch(reject), 20);
      };
      void look().catch(reject);
    });
    instance.signal('SIGSTOP');
    await service.reindex(Product, OPTIONS);
    instance.signal('SIGCONT');
    const { written } = await instance.stopWriting();
    expect(written.length).toBeGreaterThan(4);
    expect(await lost(stores, alias, written)).toEqual([]);
    expect(await service.verify(Product)).toMatchObject({ consistent: true });
  });
});
