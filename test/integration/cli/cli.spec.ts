import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Stores } from '../../support/application.js';
import { type CliEnd, runCli } from '../../support/cli.run.js';
import { Product, product, productRepository } from '../../support/product.js';
import { elasticsearchUrl } from '../../support/servers.js';

const APP = fileURLToPath(new URL('./fixture/app.mjs', import.meta.url));
const LONG_MS = 600_000;

describe('nest-consistent', () => {
  let stores: Stores;
  let folder: string;

  beforeAll(async () => {
    stores = await Stores.create('cli');
    folder = await mkdtemp(join(tmpdir(), 'nest-consistent-cli-'));
    await stores.database.query('CREATE TABLE plain (id int PRIMARY KEY, `odd ``name` int)');
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
    await stores.close();
  });

  const env = (more: Record<string, string> = {}) => ({
    APP_MYSQL_URL: stores.database.url,
    APP_ELASTICSEARCH_URL: elasticsearchUrl(),
    APP_INDEX: stores.index('products'),
    ...more,
  });
  const cli = (...args: string[]): Promise<CliEnd> => runCli(args, { env: env(), cwd: folder });
  const urls = () => ['--mysql', stores.database.url, '--elasticsearch', elasticsearchUrl()];

  it(
    'tells usage errors on stderr, with 2',
    async () => {
      for (const [args, said] of [
        [['frob'], "unknown command 'frob'"],
        [['verify', '--frob'], "unknown option '--frob'"],
        [['verify'], 'Which application?'],
        [['verify', '--app', 'app.module.ts'], 'is TypeScript'],
        [['verify', '--app', `${APP}#Nothing`], 'exports no Nothing'],
        [['verify', ...urls()], 'only the application knows'],
        [['parked'], 'parked list'],
        [['backstop', 'rewind', '--app', APP], '--gtid-set'],
      ] as const) {
        const { code, stdout, stderr } = await cli(...args);
        expect([args, code, stdout]).toEqual([args, 2, '']);
        expect(stderr).toContain(said);
      }
    },
    LONG_MS,
  );

  it(
    'tells a server that is not there with 3, without waiting for it',
    async () => {
      const there = 'mysql://root@127.0.0.1:1/none';
      const application = await runCli(['verify', '--app', APP], { env: env({ APP_MYSQL_URL: there }) });
      expect([application.code, application.stdout]).toEqual([3, '']);
      expect(application.stderr).toContain('ECONNREFUSED');
      expect((await cli('status', '--mysql', there)).code).toBe(3);
      expect(
        (await cli('doctor', ...urls().slice(0, 3), 'http://127.0.0.1:1', '--table', 'plain', '--index', 'i')).code,
      ).toBe(3);
    },
    LONG_MS,
  );

  it(
    'finds what a table and its index lack, prints it, and applies it',
    async () => {
      const target = [...urls(), '--table', 'plain', '--index', stores.index('plain')];
      const found = await cli(...target, '--json', 'doctor');
      expect(found.code).toBe(1);
      const { findings } = JSON.parse(found.stdout) as { findings: { subject: string; problem: string }[] };
      expect(findings.map(({ subject, problem }) => `${subject}: ${problem}`)).toEqual(
        expect.arrayContaining([
          'table plain: consistency columns are missing',
          'table plain: the index on the deadline is missing',
          expect.stringContaining('there is no alias'),
        ]),
      );
      const planned = await cli('migrate', ...target);
      expect(planned.code).toBe(1);
      expect(planned.stdout).toContain('ALTER TABLE `plain` ADD COLUMN `consistency_state`');
      expect((await cli('migrate', '--apply', ...target)).code).toBe(0);
      expect(await cli('migrate', '--json', ...target)).toMatchObject({
        code: 0,
        stdout: '{"statements":[],"applied":false}\n',
      });
      const after = JSON.parse((await cli('doctor', '--json', ...target)).stdout) as typeof found & {
        findings: typeof findings;
      };
      expect(after.findings.map(({ subject }) => subject)).not.toContain('table plain');
    },
    LONG_MS,
  );

  it(
    'looks at an application that cannot start, and changes nothing of it: no table, no index, no job',
    async () => {
      await writeFile(join(folder, 'nest-consistent.config.json'), JSON.stringify({ app: APP }));
      const { code, stdout } = await cli('doctor', '--json');
      expect(code).toBe(1);
      expect(stdout).toContain('There is no table');
      const tables = await stores.database.query(`SHOW TABLES LIKE 'product'`);
      expect(tables).toEqual([]);
      expect(await stores.client.indices.exists({ index: stores.index('products') })).toBe(false);
    },
    LONG_MS,
  );

  it(
    'stops at Ctrl-C with 130, at a place that --resume goes on from',
    async () => {
      const repository = productRepository(stores.index('products'));
      const owner = await stores.start({ entities: [Product], repositories: [repository] });
      await owner.get(repository).saveMany(Array.from({ length: 1_500 }, () => product()));
      const running = runCli(['verify', '--app', APP, '--max-rows-per-second', '200', '--json'], {
        env: env(),
        onStart: async (kill) => {
          const rows = () => stores.database.query(`SELECT 1 FROM consistent_verification WHERE state = 'running'`);
          while ((await rows().catch(() => [])).length === 0) await new Promise((resolve) => setTimeout(resolve, 100));
          kill('SIGINT');
        },
      });
      const { code, stdout, stderr } = await running;
      expect([code, stdout]).toEqual([130, '']);
      expect(stderr).toContain('stopped');
      const [kept] = await stores.database.query<{ state: string }>('SELECT state FROM consistent_verification');
      expect(kept!.state).toBe('interrupted');
      const resumed = await runCli(['verify', '--app', APP, '--resume', '--json'], { env: env() });
      expect(resumed.code).toBe(0);
      expect(JSON.parse(resumed.stdout)).toMatchObject({ rows: 1_500, documents: 1_500, missing: 0 });
    },
    LONG_MS,
  );
});
