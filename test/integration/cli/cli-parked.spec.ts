import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ParkedRows } from '../../../src/index.js';
import { serviceOf, Stores } from '../../support/application.js';
import { type CliEnd, runCli } from '../../support/cli.run.js';
import { expireDeadlines, LostAnswers } from '../../support/lost.answers.js';
import { Product, product, type ProductRepository, productRepository } from '../../support/product.js';
import { elasticsearchUrl } from '../../support/servers.js';

const APP = fileURLToPath(new URL('./fixture/app.mjs', import.meta.url));
const LONG_MS = 180_000;

interface Listed {
  id: string;
  key: { id: string };
  reason: string;
  attempts: number;
}

describe('nest-consistent parked', () => {
  let stores: Stores;
  let answers: LostAnswers;
  let products: ProductRepository;
  let sweep: () => Promise<unknown>;
  let parked: ParkedRows;

  beforeAll(async () => {
    stores = await Stores.create('cli-parked');
    answers = await LostAnswers.start();
    const repository = productRepository(stores.index('products'));
    const application = await stores.start({
      entities: [Product],
      repositories: [repository],
      elasticsearchNode: answers.url,
      module: { writeTimeoutMs: 10_000 },
    });
    products = application.get(repository);
    sweep = () => serviceOf(application).sweep();
    ({ parked } = serviceOf(application));
  });
  afterAll(async () => {
    await stores.close();
    await answers.stop();
  });

  const env = () => ({
    APP_MYSQL_URL: stores.database.url,
    APP_ELASTICSEARCH_URL: elasticsearchUrl(),
    APP_INDEX: stores.index('products'),
  });
  const cli = (...args: string[]): Promise<CliEnd> => runCli([...args, '--app', APP], { env: env() });
  const parsed = <T>({ stdout }: CliEnd): T => JSON.parse(stdout) as T;
  const list = () => parked.list();

  /** An update of a unique column that did not happen, and whose old value somebody else took meanwhile. */
  async function park(): Promise<{ row: Product; thief: Product }> {
    const row = (await products.save(product({ title: 'old' }))) as Product;
    await answers.vanished(() => products.update({ id: row.id, sku: `${row.sku}-moved`, title: 'new' }));
    const thief = (await products.save(product({ sku: row.sku }))) as Product;
    await expireDeadlines(stores, 'product');
    expect(await sweep()).toMatchObject({ parked: 1 });
    return { row, thief };
  }
  const title = async (id: string): Promise<unknown> =>
    (await stores.document(stores.index('products'), id))?.source['title'];

  it(
    'list names each, retry settles it once the cause is gone',
    async () => {
      const { row, thief } = await park();
      const listed = await cli('parked', 'list', '--json');
      expect(listed.code).toBe(1);
      const [waiting] = parsed<Listed[]>(listed);
      expect(waiting).toMatchObject({ key: { id: row.id }, reason: 'restore-refused', attempts: 1 });
      const early = await cli('parked', 'retry', waiting!.id);
      expect([early.code, early.stdout]).toEqual([1, `id\tresult\n${waiting!.id}\tstill-parked\n`]);

      await products.remove(thief);
      const retried = await cli('parked', 'retry', waiting!.id, '--json');
      expect([retried.code, retried.stdout]).toEqual([0, `[{"id":"${waiting!.id}","result":"settled"}]\n`]);
      expect(await stores.row('product', row.id)).toMatchObject({
        title: 'old',
        sku: row.sku,
        consistency_state: 'commit',
      });
      expect(await title(row.id)).toBe('old');
      expect((await cli('parked', 'list', '--json')).stdout).toBe('[]\n');
    },
    LONG_MS,
  );

  it(
    'discard keeps what MySQL holds, and the index follows; --all does so with every row',
    async () => {
      const made = [await park(), await park(), await park()];
      const rows = await list();
      expect(rows).toHaveLength(3);
      const one = await cli('parked', 'discard', rows[0]!.id);
      expect([one.code, one.stdout]).toEqual([0, `id\tresult\n${rows[0]!.id}\tdiscarded\n`]);
      const others = await cli('parked', 'discard', '--all', '--json');
      expect(others.code).toBe(0);
      expect(parsed(others)).toEqual(rows.slice(1).map(({ id }) => ({ id, result: 'discarded' })));
      for (const { row } of made) {
        expect(await stores.row('product', row.id)).toMatchObject({ title: 'new', consistency_state: 'commit' });
        expect(await title(row.id)).toBe('new');
      }
      expect(await list()).toEqual([]);
    },
    LONG_MS,
  );

  it(
    'retry --all tells of each row, and one that stays harms no other',
    async () => {
      const stays = await park();
      const goes = await park();
      await products.remove(goes.thief);
      const ids = (await list()).map(({ id, key }) => [key.id, id] as const);
      const { code, stdout } = await cli('parked', 'retry', '--all', '--json');
      expect(code).toBe(1);
      const results = new Map(
        (JSON.parse(stdout) as { id: string; result: string }[]).map(({ id, result }) => [id, result]),
      );
      const of = (key: string) => results.get(ids.find(([known]) => known === key)![1]);
      expect([of(stays.row.id), of(goes.row.id)]).toEqual(['still-parked', 'settled']);
      await products.remove(stays.thief);
      expect((await cli('parked', 'retry', '--all')).code).toBe(0);
    },
    LONG_MS,
  );

  it(
    'ids that are not there, none, and both ways at once',
    async () => {
      const unknown = await cli('parked', 'discard', '999999', '--json');
      expect(unknown.code).toBe(1);
      expect(parsed(unknown)).toEqual([{ id: '999999', result: expect.stringContaining('no parked row') }]);
      for (const args of [
        ['parked', 'retry'],
        ['parked', 'discard', '1', '--all'],
      ]) {
        const { code, stdout, stderr } = await cli(...args);
        expect([args, code, stdout]).toEqual([args, 2, '']);
        expect(stderr).toContain('--all');
      }
    },
    LONG_MS,
  );
});
