import { pbkdf2Sync, randomBytes } from 'node:crypto';
import { cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { Client } from '@elastic/elasticsearch';
import { serverUser } from '../../../tools/servers/cache.folder.mjs';
import { runToEnd } from '../../../tools/servers/child.process.mjs';
import { createDataFolder } from '../../../tools/servers/data.folder.mjs';
import { installElasticsearch } from '../../../tools/servers/elasticsearch.install.mjs';
import { elasticsearchSettings } from '../../../tools/servers/elasticsearch.native.mjs';
import { NativeServer, startOrRemove } from '../../../tools/servers/native.server.mjs';
import { silentReporter } from '../../../tools/servers/progress.reporter.mjs';
import { until } from '../../support/faulty.js';
import { CertificateAuthority } from './certificate.authority.js';

/** What a user may do with the indices of these names. */
export interface UserRights {
  readonly names: readonly string[];
  readonly privileges: readonly string[];
}

interface KnownUser extends UserRights {
  readonly password: string;
  readonly hash: string;
}

/** These tell every set of rights that the tests give from every other. */
const TOLD_APART = ['read', 'write', 'manage'];

/** Elasticsearch's own way to keep a password: its users' file takes this form. */
function hashOf(password: string): string {
  const [cost, salt] = [10_000, randomBytes(32)];
  const hash = pbkdf2Sync(password, salt, cost, 32, 'sha512');
  return `{PBKDF2}${cost}$${salt.toString('base64')}$${hash.toString('base64')}`;
}

/**
 * A real Elasticsearch with its security switched on: HTTPS with a certificate of an authority of our own, and users. Native always: its
 * configuration is a folder of files, and so are its users and their rights, which it notices when they change. (This build lacks what the index needs
 * in which others keep users and API keys.)
 */
export class SecuredElasticsearch {
  readonly authority = new CertificateAuthority();
  readonly password = `p-${randomBytes(12).toString('hex')}`;
  /** May do everything: for looks past the library. */
  client!: Client;
  private server!: NativeServer;
  private config = '';
  private readonly users = new Map<string, KnownUser>();
  private readonly rootHash = hashOf(this.password);

  static async start(): Promise<SecuredElasticsearch> {
    const secured = new SecuredElasticsearch();
    secured.server = await startOrRemove(await secured.plan());
    secured.client = secured.clientWith({ auth: { username: 'root', password: secured.password } });
    return secured;
  }

  get url(): string {
    return this.server.url;
  }

  get port(): number {
    return this.server.port;
  }

  /** Options of a client that trusts it; further ones as the module's `elasticsearch` takes them. */
  options(more: ConstructorParameters<typeof Client>[0] = {}): ConstructorParameters<typeof Client>[0] {
    return { node: this.url, tls: { ca: this.authority.certificate }, ...more };
  }

  clientWith(more: ConstructorParameters<typeof Client>[0]): Client {
    return new Client(this.options(more));
  }

  /** Makes a user, or changes his rights; returns once Elasticsearch knows. */
  async user(name: string, password: string, rights: UserRights): Promise<void> {
    this.users.set(name, { ...rights, password, hash: hashOf(password) });
    await this.changed();
    const client = this.clientWith({ auth: { username: name, password } });
    const index = [{ names: [...rights.names], privileges: TOLD_APART as never[] }];
    const wanted = JSON.stringify(TOLD_APART.map((one) => rights.privileges.includes(one)));
    const isKnown = async (): Promise<boolean> => {
      const answer = await client.security.hasPrivileges({ index }).catch(() => null);
      const held = Object.values(answer?.index ?? {})[0] ?? {};
      return JSON.stringify(TOLD_APART.map((one) => held[one])) === wanted;
    };
    try {
      await until(`Elasticsearch knows what ${name} may do`, isKnown);
    } finally {
      await client.close();
    }
  }

  /** Returns once Elasticsearch does not let him in. */
  async removeUser(name: string): Promise<void> {
    const { password } = this.users.get(name)!;
    this.users.delete(name);
    await this.changed();
    const client = this.clientWith({ auth: { username: name, password } });
    const isGone = () =>
      client.security.authenticate().then(
        () => false,
        () => true,
      );
    await until(`${name} is gone`, isGone).finally(() => client.close());
  }

  async remove(): Promise<void> {
    await this.client?.close();
    await this.server?.remove();
  }

  /** Each file as a whole: it may be read at any time. */
  private async changed(): Promise<void> {
    for (const [name, text] of Object.entries(this.userFiles())) {
      const file = join(this.config, name);
      await writeFile(`${file}.new`, text);
      await rename(`${file}.new`, file);
    }
  }

  private userFiles(): Record<string, string> {
    const users = [...this.users];
    // One role a line: the file is split by its lines before it is read as YAML.
    const roles = users.map(([name, { names, privileges }]) => {
      return `${name}: ${JSON.stringify({ indices: [{ names, privileges }] })}\n`;
    });
    return {
      'roles.yml': roles.join(''),
      users: [`root:${this.rootHash}`, ...users.map(([name, { hash }]) => `${name}:${hash}`), ''].join('\n'),
      users_roles: ['superuser:root', ...users.map(([name]) => `${name}:${name}`), ''].join('\n'),
    };
  }

  private async plan(): Promise<NativeServer> {
    const { home, jdk } = await installElasticsearch(process.env['ELASTICSEARCH_VERSION'] || undefined, silentReporter);
    const folder = createDataFolder('elasticsearch');
    const [config, pidFile] = [join(folder, 'config'), join(folder, 'server.pid')];
    this.config = config;
    return new NativeServer({
      kind: 'elasticsearch',
      folder,
      logFile: join(folder, 'server.log'),
      urlOf: (port: number) => `https://127.0.0.1:${port}`,
      probe: (url: string) => this.probe(url),
      readPid: async () => Number(await readFile(pidFile, 'utf8')),
      prepare: async (port: number) => {
        await rm(pidFile, { force: true });
        await cp(join(home, 'config'), config, { recursive: true });
        await mkdir(join(folder, 'tmp'), { recursive: true });
        await this.configure(folder, config, port);
        const user = serverUser();
        if (user) await runToEnd('chown', ['-R', `${user.uid}:${user.gid}`, folder]);
        const env = {
          PATH: process.env['PATH'],
          HOME: folder,
          ES_JAVA_HOME: jdk.home,
          ES_PATH_CONF: config,
          ES_TMPDIR: join(folder, 'tmp'),
          ES_JAVA_OPTS: '-Xms384m -Xmx384m',
        };
        return { program: join(home, 'bin/elasticsearch'), args: ['-p', pidFile], env };
      },
    });
  }

  private async configure(folder: string, config: string, port: number): Promise<void> {
    const { certificate, key } = this.authority.issue();
    const settings = elasticsearchSettings(folder, port, {
      'xpack.security.enabled': true,
      'xpack.security.http.ssl.enabled': true,
      'xpack.security.http.ssl.key': 'http.key',
      'xpack.security.http.ssl.certificate': 'http.crt',
      'resource.reload.interval.high': '100ms',
    });
    const files = {
      'elasticsearch.yml': `${settings.join('\n')}\n`,
      'http.key': key,
      'http.crt': certificate,
      ...this.userFiles(),
    };
    for (const [name, text] of Object.entries(files)) await writeFile(join(config, name), text);
  }

  /** Its version, once its users are known and its indices are there. */
  private async probe(url: string): Promise<string> {
    const path = '/_cluster/health?wait_for_status=yellow&timeout=3s';
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const asking = request(
        url + path,
        { ca: this.authority.certificate, auth: `root:${this.password}`, timeout: 5_000 },
        (answer) => {
          answer.resume();
          resolve(answer.statusCode);
        },
      );
      asking.on('timeout', () => asking.destroy(new Error('no answer')));
      asking.on('error', reject);
      asking.end();
    });
    if (status !== 200) throw new Error(`its health answered ${status}`);
    return 'secured';
  }
}
