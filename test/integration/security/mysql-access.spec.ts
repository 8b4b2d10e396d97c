import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { DynamicModule } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createConnection } from 'mysql2/promise';
import { Column, DataSource, Entity, PrimaryGeneratedColumn } from 'typeorm';
import { BackstopModule, type BackstopModuleOptions, BackstopService } from '../../../src/binlog/index.js';
import {
  checkpointTableSql,
  Consistency,
  defineConsistentRepository,
  reindexTableSql,
  verificationTableSql,
} from '../../../src/index.js';
import { serviceOf, Stores } from '../../support/application.js';
import { runCli } from '../../support/cli.run.js';
import { until } from '../../support/faulty.js';
import { expireDeadlines, LostAnswers } from '../../support/lost.answers.js';
import { mysqlUrl } from '../../support/servers.js';
import { CertificateAuthority } from './certificate.authority.js';
import { documentedGrants } from './documented.grants.js';

@Entity('film')
class Film {
  @PrimaryGeneratedColumn() id!: number;
  @Column() title!: string;
  @Column(() => Consistency) consistency!: Consistency;
}

const PASSWORD = 'a-password-of-mysql';

/** The server makes its own authority when it is first started, and shows it to whoever connects. */
async function authorityOfServer(): Promise<string> {
  const connection = await createConnection({ uri: mysqlUrl(), ssl: { rejectUnauthorized: false } });
  try {
    const socket = (connection as unknown as { connection: { stream: TLSSocket } }).connection.stream;
    const { issuerCertificate } = socket.getPeerCertificate(true);
    return new X509Certificate(issuerCertificate.raw).toString();
  } finally {
    await connection.end();
  }
}

/** A user who must come with TLS, and who was granted what docs/operations.md says: no more. */
describe('MySQL over TLS, as a user with few privileges', () => {
  let stores: Stores;
  let answers: LostAnswers;
  let ca: string;
  let folder: string;
  const wrongCa = new CertificateAuthority().certificate;
  const users: string[] = [];
  const films = () => defineConsistentRepository(Film, { index: stores.index('films') });

  beforeAll(async () => {
    stores = await Stores.create('mysql-access');
    answers = await LostAnswers.start();
    ca = await authorityOfServer();
    folder = await mkdtemp(join(tmpdir(), 'nest-consistent-ca-'));
    await Promise.all([writeFile(join(folder, 'ca.pem'), ca), writeFile(join(folder, 'wrong.pem'), wrongCa)]);
    // The tables are made by migrations, which another user runs.
    await stores.start({ entities: [Film], repositories: [films()] });
    for (const sql of [verificationTableSql(), reindexTableSql(), checkpointTableSql()])
      await stores.database.query(sql);
  });
  afterAll(async () => {
    await answers.stop();
    await stores.close();
    for (const user of users) await dropUser(user);
    await rm(folder, { recursive: true });
  });

  async function dropUser(user: string): Promise<void> {
    const root = await createConnection({ uri: mysqlUrl() });
    await root.query(`DROP USER '${user}'@'%'`);
    await root.end();
  }

  async function userWith(grants: (user: string) => readonly string[]): Promise<string> {
    const user = `nc_tls_${process.pid}_${users.length}`;
    await stores.database.query(`CREATE USER '${user}'@'%' IDENTIFIED BY '${PASSWORD}' REQUIRE SSL`);
    users.push(user);
    for (const grant of grants(user)) await stores.database.query(grant);
    return user;
  }
  const documented = (user: string): string[] => documentedGrants(stores.database.name, user);

  async function start(user: string, ssl: object | undefined, imports: DynamicModule[] = []) {
    const repository = films();
    const application = await stores.start({
      entities: [Film],
      repositories: [repository],
      elasticsearchNode: answers.url,
      module: { bypassGuard: 'off' },
      dataSource: { username: user, password: PASSWORD, synchronize: false, ...(ssl ? { ssl } : {}) },
      imports,
    });
    return { application, films: application.get(repository), service: serviceOf(application) };
  }
  const backstopOf = (options: BackstopModuleOptions = {}) =>
    BackstopModule.forRoot({ checkpointIntervalMs: 50, ...options });
  const ownConnection = (user: string, ssl?: object) => {
    const { host, port } = stores.database.connection;
    return { host, port, user, password: PASSWORD, ...(ssl ? { ssl } : {}) };
  };

  it.each([
    ['as the application', () => ({})],
    ['with a connection of its own', (user: string) => ({ connection: ownConnection(user, { ca }) })],
  ])('the whole cycle under the grants that the page prints; the backstop reads %s', async (name, backstopOptions) => {
    const user = await userWith(documented);
    const { application, films, service } = await start(user, { ca }, [
      backstopOf({ name, startFrom: 'now', ...backstopOptions(user) }),
    ]);
    const [cipher] = await application.get(DataSource).query(`SHOW SESSION STATUS LIKE 'Ssl_cipher'`);
    expect(cipher.Value).not.toBe('');
    const backstop = application.get(BackstopService);
    await until('it leads', () => backstop.status().state === 'leading');

    const film = (await films.save({ title: 'one' })) as Film;
    await films.saveMany([{ title: 'many' }, { title: 'more' }]);
    await answers.vanished(() => films.update({ id: film.id, title: 'lost' }));
    await expireDeadlines(stores, 'film');
    expect(await service.sweep()).toMatchObject({ claimed: 1, settled: 1 });
    expect(await films.findOneBy({ id: film.id })).toMatchObject({ title: 'one' });
    await service.transaction(async (unit) => {
      await unit.getRepository(films.constructor as ReturnType<typeof defineConsistentRepository<Film>>).remove(film);
    });
    expect(await films.count()).toBeGreaterThanOrEqual(2);

    await stores.database.query(`UPDATE film SET title = 'by SQL' WHERE title = 'many'`);
    await backstop.drained();
    expect(await service.verify(Film, { graceMs: 10, repair: true })).toMatchObject({ consistent: true, unchecked: 0 });
    expect(await service.lastVerification(Film)).toMatchObject({ state: 'complete' });
    expect(await service.parked.list()).toEqual([]);
    await stores.client.indices.refresh({ index: films.index });
    const { hits } = await stores.client.search<Film>({ index: films.index });
    expect(hits.hits.map(({ _source }) => _source!.title)).toContain('by SQL');
    await backstop.stop();
    await stores.database.query('DELETE FROM consistent_checkpoint');
  });

  it('an authority that did not sign the certificate is refused', async () => {
    const user = await userWith(documented);
    await expect(start(user, { ca: wrongCa })).rejects.toMatchObject({
      code: 'HANDSHAKE_SSL_ERROR',
      message: expect.stringMatching(/certificate/),
    });
    await expect(start(user, undefined)).rejects.toThrow(/Access denied/);
  });

  it.each([
    ['the wrong authority', () => ({ ca: wrongCa }), /certificate is not trusted.*`ssl\.ca`/s],
    ['no TLS', () => undefined, /Access denied.*`ssl` of the connection/s],
  ])("the backstop's own connection with %s: it says what to mend", async (_name, ssl, said) => {
    const user = await userWith(documented);
    const backstopOptions = { name: _name, connection: ownConnection(user, ssl()) };
    const { application } = await start(user, { ca }, [backstopOf(backstopOptions)]);
    const backstop = application.get(BackstopService);
    await until('it says why', () => backstop.status().state === 'failed');
    expect(backstop.status().reason).toMatch(said);
    expect(backstop.status().reason).not.toContain(PASSWORD);
    await backstop.stop();
  });

  describe('the command line with URLs', () => {
    async function status(user: string, ...args: string[]) {
      const url = new URL(stores.database.url);
      url.username = user;
      const env = { NEST_CONSISTENT_MYSQL_PASSWORD: PASSWORD };
      return runCli(['status', '--mysql', url.href, '--table', 'film', '--verbose', ...args], { env });
    }

    it('uses TLS with --mysql-ca, and says what to do without, or with the wrong one', async () => {
      const user = await userWith(documented);
      const well = await status(user, '--mysql-ca', join(folder, 'ca.pem'), '--json');
      // 1: there is a table of checkpoints, and nobody leads. It is no error, and no problem of access.
      expect([well.code, well.stderr]).toEqual([1, expect.not.stringContaining('nest-consistent:')]);
      expect(JSON.parse(well.stdout)).toMatchObject({ tables: [{ table: 'film', parked: 0 }] });

      const wrong = await status(user, '--mysql-ca', join(folder, 'wrong.pem'));
      expect([wrong.code, wrong.stdout]).toEqual([3, '']);
      expect(wrong.stderr).toContain("The server's certificate is not trusted. Give the CA that signed it: --mysql-ca");

      const plain = await status(user);
      expect([plain.code, plain.stdout]).toEqual([3, '']);
      expect(plain.stderr).toContain('Access denied');

      const missing = await status(user, '--mysql-ca', join(folder, 'none.pem'));
      expect([missing.code, missing.stdout]).toEqual([2, '']);
      expect(missing.stderr).toContain('--mysql-ca');
      for (const { stderr } of [well, wrong, plain, missing]) expect(stderr).not.toContain(PASSWORD);
    }, 120_000);
  });
});
