import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fileURLToPath } from 'node:url';
import { Stores } from '../../support/application.js';
import { runCli } from '../../support/cli.run.js';
import { Product } from '../../support/product.js';
import { elasticsearchUrl } from '../../support/servers.js';
import { NEW_MAPPINGS } from './reindex.fixture.js';

const APP = fileURLToPath(new URL('../cli/fixture/app.mjs', import.meta.url));
const LONG_MS = 300_000;

/** The day a mapping must change, with the command line alone: the application declares another one than the index has. */
describe('nest-consistent reindex', () => {
  let stores: Stores;
  let alias: string;

  beforeAll(async () => {
    stores = await Stores.create('reindex-cli');
    alias = stores.index('products');
    await stores.client.indices.create({
      index: `${alias}-000001`,
      aliases: { [alias]: { is_write_index: true } },
      mappings: NEW_MAPPINGS,
    });
    const { defineConsistentRepository } = await import('../../../src/index.js');
    const other = defineConsistentRepository(Product, { index: alias, mappings: NEW_MAPPINGS });
    await stores.start({ entities: [Product], repositories: [other] });
    await stores.database.query(
      "INSERT INTO product (sku, title, revision) VALUES ('a', 'one', 1), ('b', 'two', 1), ('c', 'three', 1)",
    );
  });
  afterAll(() => stores.close());

  async function cli(
    ...args: string[]
  ): Promise<{ code: number | null; answer: Record<string, unknown>; stderr: string }> {
    const env = {
      APP_MYSQL_URL: stores.database.url,
      APP_ELASTICSEARCH_URL: elasticsearchUrl(),
      APP_INDEX: alias,
    };
    const { code, stdout, stderr } = await runCli([...args, '--app', APP, '--json'], { env });
    return { code, answer: stdout === '' ? {} : (JSON.parse(stdout) as Record<string, unknown>), stderr };
  }

  it(
    'fills, exchanges, tells how far it is, and finishes, with the exit codes of docs/cli.md',
    async () => {
      expect(await cli('verify')).toMatchObject({
        code: 4,
        stderr: expect.stringContaining('cannot be changed in place'),
      });
      expect(await cli('reindex', 'start', '--fill')).toMatchObject({ code: 0, answer: { rows: 3, copied: 3 } });
      expect(await cli('reindex', 'finish')).toMatchObject({ code: 4, stderr: expect.stringContaining('no reindex') });
      const begun = await cli('reindex', 'start', '--late-request-ms', '0', '--barrier-ms', '20000');
      expect(begun).toMatchObject({ code: 0, answer: { rows: 3, copied: 3, index: `${alias}-000002` } });
      expect(await cli('reindex', 'status')).toMatchObject({
        code: 1,
        answer: { phase: 'swapped', newIndex: `${alias}-000002` },
      });
      expect(await cli('reindex', 'finish', '--delete-former')).toMatchObject({ code: 0, answer: { phase: 'idle' } });
      expect(await cli('verify')).toMatchObject({ code: 0, answer: { rows: 3, missing: 0, stale: 0 } });
      expect(await cli('reindex', 'status')).toMatchObject({ code: 0, answer: { step: 'finished' } });
    },
    LONG_MS,
  );

  it(
    'exits with 1 where the new index refuses documents, and says which',
    async () => {
      const long = 'x'.repeat(40_000);
      await stores.database.query(
        'ALTER TABLE product MODIFY sku VARCHAR(60000) CHARACTER SET ascii, DROP INDEX ' + (await uniqueOf()),
      );
      await stores.database.query('UPDATE product SET sku = ? WHERE id = 2', [long]);
      const refused = await cli('reindex', 'start', '--late-request-ms', '0');
      expect(refused).toMatchObject({ code: 1, answer: { code: 'REINDEX_REFUSED', problems: [{ documentId: '2' }] } });
      expect(await cli('reindex', 'rollback')).toMatchObject({
        code: 0,
        answer: { phase: 'idle', index: `${alias}-000002` },
      });
    },
    LONG_MS,
  );

  async function uniqueOf(): Promise<string> {
    const [key] = await stores.database.query<{ name: string }>(
      "SELECT INDEX_NAME AS name FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'product' AND COLUMN_NAME = 'sku'",
    );
    return `\`${key!.name}\``;
  }
});
