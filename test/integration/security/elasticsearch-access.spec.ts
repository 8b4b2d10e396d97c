import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BackstopModule, BackstopService } from '../../../src/binlog/index.js';
import { ConsistentRegistry } from '../../../src/consistent.registry.js';
import { IndexAccessError, OutcomeUnknownError } from '../../../src/index.js';
import { serviceOf } from '../../support/application.js';
import { type CliEnd, runCli } from '../../support/cli.run.js';
import { until } from '../../support/faulty.js';
import { Product, product, productRepository } from '../../support/product.js';
import { refusedStart } from '../../support/refused.start.js';
import { AccessFixture } from './access.fixture.js';
import { CertificateAuthority } from './certificate.authority.js';
import { OutputRecorder } from './output.recorder.js';

const APP = fileURLToPath(new URL('./fixture/secured.mjs', import.meta.url));
const EXPIRE = `UPDATE product SET consistency_deadline = '2000-01-01', updatedAt = updatedAt WHERE consistency_deadline IS NOT NULL`;

type ClientOptions = Parameters<AccessFixture['client']>[0];

/** A real Elasticsearch with its security on. Keys, users and the CA are given as a user gives them: in the client's options. */
describe('Elasticsearch over TLS', () => {
  let fixture: AccessFixture;

  beforeAll(async () => {
    fixture = await AccessFixture.create('access');
  }, 180_000);
  afterAll(() => fixture?.close());

  it('does all its work with a key that has the documented privileges, makes the index, and follows the log', async () => {
    const key = await fixture.key('whole', fixture.documented());
    const backstopModule = BackstopModule.forRoot({ checkpointIntervalMs: 50, indexCheckIntervalMs: 100 });
    const started = await fixture.start('whole', fixture.front.options(key), { imports: [backstopModule] });
    const backstop = started.application.get(BackstopService);
    await until('it leads', () => backstop.status().state === 'leading');
    await fixture.wholeCycle(started);
    const { id } = await started.products.save(product());
    await fixture.stores.database.query(`UPDATE product SET title = 'adopted' WHERE id = ?`, [id]);
    await backstop.drained();
    expect(await fixture.documentOf(started.index, id)).toMatchObject({ title: 'adopted' });
    fixture.outputs.add(backstop.status());
    await backstop.stop();
  });

  it('needs fewer where the index is prepared', async () => {
    const key = await fixture.key('prepared', fixture.documented(true));
    const module = { createIndices: false };
    await fixture.wholeCycle(await fixture.start('whole', fixture.front.options(key), { module }));
  });

  it('purges durable tombstones with them, on the index behind the alias', async () => {
    const key = await fixture.key('durable', fixture.documented());
    const entity = { tombstones: 'durable' } as const;
    const { application, products, index } = await fixture.start('durable', fixture.front.options(key), { entity });
    await products.remove((await products.save(product())) as Product);
    await fixture.secured.client.indices.refresh({ index });
    const { documents } = application.get(ConsistentRegistry).all()[0]!;
    expect(await documents.purgeTombstones(index, Date.now() + 60_000)).toMatchObject({ purged: 1 });
  });

  it('works as a user with a password, without anything in between', async () => {
    const auth = await fixture.user('app', fixture.documented());
    await fixture.wholeCycle(await fixture.start('user', { auth }));
  });

  describe('does not start, and says at once what to mend', () => {
    const refused: [string, () => Promise<ClientOptions>, RegExp][] = [
      ['no CA', async () => ({ tls: {} }), /certificate.*elasticsearch\.tls\.ca/s],
      ['the CA of somebody else', async () => ({ tls: { ca: new CertificateAuthority().certificate } }), /tls\.ca/],
      [
        'another name than the certificate has',
        async () => ({ node: `https://localhost:${fixture.secured.port}` }),
        /altnames.*name the host as the certificate does/s,
      ],
      [
        'a key that does not exist, or has expired',
        async () => fixture.front.options(unknownKey()),
        /security_exception.*API key/s,
      ],
      [
        'a wrong password',
        async () => ({ auth: { username: 'root', password: 'wrong-password' } }),
        /unable to authenticate user \[root\].*user in `elasticsearch\.auth`/s,
      ],
      [
        'a user without privileges',
        async () => ({ auth: await fixture.user('nobody', { names: ['other'], privileges: ['read'] }) }),
        /is unauthorized for user \[nobody\].*docs\/operations\.md/s,
      ],
    ];

    function unknownKey(): string {
      const key = fixture.front.issue('whole', 'whatever');
      fixture.hideKey('the unknown', key);
      fixture.front.revoke(key);
      return key;
    }

    it.each(refused)('%s', async (_name, accessOf, said) => {
      const root = { username: 'root', password: fixture.secured.password };
      const client = fixture.client({ auth: root, ...(await accessOf()) });
      const requests = fixture.requestsOf(client);
      const error = await refusedStart(fixture.stores, {
        entities: [Product],
        repositories: [productRepository(fixture.stores.index('never'))],
        module: { elasticsearch: client, startupTimeoutMs: 120_000 },
      });
      fixture.outputs.add(error);
      expect(error).toBeInstanceOf(IndexAccessError);
      expect(error).toMatchObject({ code: 'INDEX_ACCESS', retryable: false });
      expect(error.message).toMatch(said);
      // Not one of the many tries that a cluster gets which is still starting.
      expect(requests).toHaveLength(1);
    });

    it('no credentials at all', async () => {
      const error = await refusedStart(fixture.stores, {
        entities: [Product],
        repositories: [productRepository(fixture.stores.index('never'))],
        module: { elasticsearch: fixture.client({}) },
      });
      expect(error).toBeInstanceOf(IndexAccessError);
      expect(error.message).toMatch(/missing authentication credentials.*elasticsearch\.auth/s);
    });
  });

  it('a key that is revoked while it works: writes are undone, each asks once, and the error says what to do', async () => {
    const { stores, outputs } = fixture;
    const key = await fixture.key('revoked', fixture.documented());
    const client = fixture.keyed(key);
    const { application, products, index } = await fixture.start('revoked', client);
    const saved = await products.save(product());
    fixture.front.revoke(key);
    const requests = fixture.requestsOf(client);
    const error = await fixture.failed(products.update({ id: saved.id, title: 'too late' }));
    expect(error).toBeInstanceOf(IndexAccessError);
    expect(error).toMatchObject({ retryable: false, data: { entity: 'Product', operation: 'update' } });
    expect(error.message).toMatch(/denies the update of Product .*security_exception.*API key or user/s);
    expect(requests.filter((path) => path.endsWith('/_bulk'))).toHaveLength(1);
    expect(await stores.row('product', saved.id)).toMatchObject({ title: saved.title, consistency_state: 'commit' });
    expect(await fixture.documentOf(index, saved.id)).toMatchObject({ title: saved.title });
    // Rows that are decided need no answer from the index.
    expect(await products.findOneBy({ id: saved.id })).toMatchObject({ title: saved.title });

    const outcomes = await products.saveMany(Array.from({ length: 50 }, () => product()));
    expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(['failed']));
    for (const outcome of outcomes) outputs.add(outcome);
    expect(requests.length).toBeLessThanOrEqual(4);
    expect(await stores.database.query(`SELECT id FROM product WHERE consistency_state = 'prepare'`)).toEqual([]);
    await fixture.failed(serviceOf(application).verify(Product));
    await fixture.record(application);
  });

  it("decider: 'mysql': writes that are denied wait for the privilege, and nobody has to look at each", async () => {
    const { secured, stores } = fixture;
    const whole = fixture.documented();
    const auth = await fixture.user('clerk', whole);
    const { application, products, index } = await fixture.start('denied', { auth }, { module: { decider: 'mysql' } });
    const service = serviceOf(application);
    const sweepAll = async () => {
      await stores.database.query(EXPIRE);
      return service.sweep();
    };
    await secured.user('clerk', auth.password, { ...whole, privileges: ['read'] });
    const saved = await products.save(product());
    expect(saved.consistency.state).toBe('prepare');
    expect(await sweepAll()).toEqual({ claimed: 1, settled: 0, failed: 1, parked: 0 });
    expect(fixture.outputs.includes('Product: 1 rows could not be settled')).toBe(true);
    expect(fixture.outputs.includes('is unauthorized for user')).toBe(true);
    expect(await service.parked.list()).toEqual([]);
    expect(await products.findOneBy({ id: saved.id })).toMatchObject({ title: saved.title });
    await fixture.record(application);

    await secured.user('clerk', auth.password, whole);
    expect(await sweepAll()).toEqual({ claimed: 1, settled: 1, failed: 0, parked: 0 });
    expect(await fixture.documentOf(index, saved.id)).toMatchObject({ title: saved.title });
  });

  it('an undecided row waits as well: that the race for its slot is denied says nothing about its document', async () => {
    const { secured, stores, front } = fixture;
    const whole = fixture.documented();
    const { username, password } = await fixture.user('settler', whole);
    const key = front.issue(username, password);
    fixture.hideKey('settler', key);
    const { application, products, index } = await fixture.start('race', front.options(key));
    const saved = await products.save(product());
    front.loseNextBulk();
    const error = await fixture.failed(products.update({ id: saved.id, title: 'lost' }));
    expect(error).toBeInstanceOf(OutcomeUnknownError);
    const due = () => stores.database.query(EXPIRE);
    await secured.user('settler', password, { ...whole, privileges: ['read'] });
    await due();
    const service = serviceOf(application);
    expect(await service.sweep()).toEqual({ claimed: 1, settled: 0, failed: 1, parked: 0 });
    await secured.user('settler', password, whole);
    await due();
    expect(await service.sweep()).toEqual({ claimed: 1, settled: 1, failed: 0, parked: 0 });
    expect(await products.findOneBy({ id: saved.id })).toMatchObject({ title: saved.title });
    expect(await fixture.documentOf(index, saved.id)).toMatchObject({ title: saved.title });
  });

  describe('the command line', () => {
    let folder: string;
    let key: string;
    const caFile = () => join(folder, 'ca.pem');

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'nest-consistent-ca-'));
      await writeFile(caFile(), fixture.secured.authority.certificate);
      await writeFile(join(folder, 'wrong.pem'), new CertificateAuthority().certificate);
      const rights = fixture.documented();
      key = await fixture.key('cli', rights);
      // It verifies what is there: an index of its own, with every row.
      const { application } = await fixture.start('cli', fixture.front.options(key));
      await serviceOf(application).verify(Product, { repair: true, graceMs: 10 });
    });
    afterAll(() => rm(folder, { recursive: true }));

    async function cli(args: readonly string[], env: Record<string, string>): Promise<CliEnd> {
      const end = await runCli([...args, '--verbose'], { env });
      fixture.outputs.add(end.stdout + end.stderr);
      return end;
    }
    const app = (apiKey: string) => ({
      APP_MYSQL_URL: fixture.stores.database.url,
      APP_ELASTICSEARCH_URL: `https://127.0.0.1:${fixture.front.port}`,
      APP_INDEX: fixture.stores.index('cli'),
      APP_CA: caFile(),
      APP_API_KEY: apiKey,
    });
    const urls = (ca: string, node: string): string[] => {
      const { stores } = fixture;
      const servers = ['--mysql', stores.database.url, '--elasticsearch', node];
      return servers.concat(
        '--elasticsearch-ca',
        join(folder, ca),
        '--table',
        'product',
        '--index',
        stores.index('cli'),
      );
    };

    it("takes the application's own CA and key, and tells a key that is refused with 3", async () => {
      const well = await cli(['verify', '--app', APP, '--json'], app(key));
      expect([well.code, JSON.parse(well.stdout)]).toEqual([0, expect.objectContaining({ missing: 0, stale: 0 })]);
      const unknown = fixture.front.issue('cli', 'whatever');
      fixture.hideKey('the command line', unknown);
      fixture.front.revoke(unknown);
      for (const command of ['verify', 'doctor']) {
        const refused = await cli([command, '--app', APP], app(unknown));
        expect([command, refused.code]).toEqual([command, 3]);
        expect(refused.stderr).toMatch(/API key/);
      }
    }, 120_000);

    it('takes them beside URLs, from a file and the environment', async () => {
      const node = `https://127.0.0.1:${fixture.front.port}`;
      const env = { NEST_CONSISTENT_ELASTICSEARCH_API_KEY: key };
      const well = await cli(['status', '--json', ...urls('ca.pem', node)], env);
      expect(JSON.parse(well.stdout)).toMatchObject({ tables: [{ index: `${fixture.stores.index('cli')}-000001` }] });
      const { username, password } = await fixture.user('typist', fixture.documented());
      const login = node
        .replace('//', `//${username}@`)
        .replace(String(fixture.front.port), String(fixture.secured.port));
      const typed = await cli(['status', '--json', ...urls('ca.pem', login)], {
        NEST_CONSISTENT_ELASTICSEARCH_PASSWORD: password,
      });
      const tables = ({ stdout }: CliEnd) => (JSON.parse(stdout) as { tables: unknown[] }).tables;
      expect(tables(typed)).toEqual(tables(well));

      const wrong = await cli(['status', ...urls('wrong.pem', node)], env);
      expect([wrong.code, wrong.stdout]).toEqual([3, '']);
      expect(wrong.stderr).toContain(
        "The server's certificate is not trusted. Give the CA that signed it: --mysql-ca or --elasticsearch-ca",
      );
      const without = await cli(['status', ...urls('ca.pem', node)], {});
      expect([without.code, without.stdout]).toEqual([3, '']);
      expect(without.stderr).toContain('does not know the API key or user');
    }, 120_000);
  });

  it('no key and no password is in any log, error, metric, health answer or page', () => {
    const { outputs, secrets } = fixture;
    for (const shown of ['nest_consistent_writes_total', 'INDEX_ACCESS', 'unable to authenticate']) {
      expect([shown, outputs.includes(shown)]).toEqual([shown, true]);
    }
    expect(Object.keys(secrets).length).toBeGreaterThan(10);
    // The search finds what is deep inside.
    const [secret] = Object.values(secrets);
    const leaky = new OutputRecorder();
    leaky.add(['warn', new Error('outer', { cause: { meta: [{ headers: `Basic ${secret}` }] } })]);
    expect(() => leaky.expectWithout(secrets)).toThrow('in: ');
    outputs.expectWithout(secrets);
  });
});
