import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BackstopModule, BackstopService } from '../../../src/binlog/index.js';
import { Stores } from '../../support/application.js';
import { type CliEnd, runCli } from '../../support/cli.run.js';
import { until } from '../../support/faulty.js';
import { Product, product, type ProductRepository, productRepository } from '../../support/product.js';
import { elasticsearchUrl } from '../../support/servers.js';

const APP = fileURLToPath(new URL('./fixture/app.mjs', import.meta.url));
const LONG_MS = 180_000;
const UNKNOWN_SERVER = '00000000-1111-2222-3333-444444444444';

describe('nest-consistent backstop rewind', () => {
  let stores: Stores;
  let backstop: BackstopService;
  let products: ProductRepository;

  beforeAll(async () => {
    stores = await Stores.create('cli-rewind');
    const repository = productRepository(stores.index('products'));
    const application = await stores.start({
      entities: [Product],
      repositories: [repository],
      module: { bypassGuard: 'off' },
      imports: [BackstopModule.forRoot({ checkpointIntervalMs: 50 })],
    });
    backstop = application.get(BackstopService);
    products = application.get(repository);
    await until('it leads', () => backstop.status().state === 'leading');
  });
  afterAll(() => stores.close());

  function cli(...args: string[]): Promise<CliEnd> {
    const env = {
      APP_MYSQL_URL: stores.database.url,
      APP_ELASTICSEARCH_URL: elasticsearchUrl(),
      APP_INDEX: stores.index('products'),
    };
    return runCli(['backstop', ...args, '--app', APP], { env });
  }

  it(
    '--gtid-set: the leader notices, and works again from there',
    async () => {
      const [before] = await stores.database.query<{ gtids: string }>('SELECT @@GLOBAL.gtid_executed AS gtids');
      const { id } = (await products.save(product())) as Product;
      await stores.database.query(`UPDATE product SET title = 'by SQL' WHERE id = ?`, [id]);
      await backstop.drained();
      const index = stores.index('products');
      expect((await stores.document(index, id))!.source).toMatchObject({ title: 'by SQL' });
      // Lost behind everybody's back: only who reads the log again can notice.
      await stores.client.delete({ index, id });

      const rewound = await cli('rewind', '--gtid-set', before!.gtids, '--json');
      expect([rewound.code, rewound.stderr]).toEqual([0, expect.not.stringContaining('nest-consistent:')]);
      expect(JSON.parse(rewound.stdout)).toMatchObject({ gtidSet: before!.gtids.replaceAll(/\s/g, '') });
      await until('the document is back', async () => (await stores.document(index, id)) !== undefined);
      expect((await stores.document(index, id))!.source).toMatchObject({ title: 'by SQL' });
      await until('it leads again', () => backstop.status().state === 'leading');
      await backstop.drained();
      const status = await cli('status');
      expect([status.code, status.stdout]).toEqual([0, expect.stringContaining('to verify\tnothing')]);
    },
    LONG_MS,
  );

  it(
    'a text that is no set is refused, and so are none and two places; nothing is changed',
    async () => {
      const place = () => stores.database.query('SELECT epoch FROM consistent_checkpoint');
      const before = await place();
      for (const [args, said] of [
        [['--gtid-set', 'yesterday'], 'yesterday'],
        [['--gtid-set', 'yesterday', '--now'], '--now'],
        [[], '--gtid-set'],
      ] as const) {
        const { code, stdout, stderr } = await cli('rewind', ...args);
        expect([args, code, stdout]).toEqual([args, 2, '']);
        expect(stderr).toContain(said);
      }
      expect(await place()).toEqual(before);
    },
    LONG_MS,
  );

  it(
    'transactions that this server has not: refused, for the leader could not begin there',
    async () => {
      const { code, stdout, stderr } = await cli('rewind', '--gtid-set', `${UNKNOWN_SERVER}:1-5`);
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).toContain(UNKNOWN_SERVER);
    },
    LONG_MS,
  );
});
