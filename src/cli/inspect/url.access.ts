import { readFileSync } from 'node:fs';
import type { ClientOptions } from '../../consistent.options.js';
import { InvalidOptionsError } from '../../errors.js';

/** Secrets that need not be on a command line, where every user of the machine can read them. */
const API_KEY = 'NEST_CONSISTENT_ELASTICSEARCH_API_KEY';
const ELASTICSEARCH_PASSWORD = 'NEST_CONSISTENT_ELASTICSEARCH_PASSWORD';
const MYSQL_PASSWORD = 'NEST_CONSISTENT_MYSQL_PASSWORD';

type Environment = Readonly<Record<string, string | undefined>>;

/** `auth` and `tls` of the client for a server that is named by a URL. @throws InvalidOptionsError */
export function elasticsearchAccess(
  url: string,
  caFile: string | undefined,
  env: Environment = process.env,
): Pick<ClientOptions, 'node' | 'auth' | 'tls'> {
  const node = parsed('--elasticsearch', url);
  const tls = caFile === undefined ? {} : { tls: { ca: readCa('--elasticsearch-ca', caFile) } };
  if (caFile !== undefined && node.protocol !== 'https:') {
    throw new InvalidOptionsError('--elasticsearch-ca is for https: give --elasticsearch https://host:9200');
  }
  const [apiKey, password] = [env[API_KEY], env[ELASTICSEARCH_PASSWORD]];
  if (apiKey) return { node: withoutLogin(node).href, auth: { apiKey }, ...tls };
  if (!node.username) return { node: node.href, ...tls };
  const login = {
    username: decodeURIComponent(node.username),
    password: decodeURIComponent(node.password) || (password ?? ''),
  };
  return { node: withoutLogin(node).href, auth: login, ...tls };
}

/** What TypeORM's `DataSource` takes. Not the URL itself: of that it would take a name with blanks or quotes in it as it is encoded. */
export interface MysqlAccess {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  readonly database: string;
  readonly ssl?: { readonly ca: string };
}

/** @throws InvalidOptionsError */
export function mysqlAccess(url: string, caFile: string | undefined, env: Environment = process.env): MysqlAccess {
  const { protocol, hostname, port, username, password, pathname } = parsed('--mysql', url);
  if (protocol !== 'mysql:' || pathname.length < 2) {
    throw new InvalidOptionsError('--mysql must name a database: mysql://user:password@host:3306/database');
  }
  return {
    host: hostname.replaceAll(/^\[|\]$/g, ''),
    port: Number(port) || 3306,
    username: decodeURIComponent(username),
    password: decodeURIComponent(password) || (env[MYSQL_PASSWORD] ?? ''),
    database: decodeURIComponent(pathname.slice(1)),
    ...(caFile === undefined ? {} : { ssl: { ca: readCa('--mysql-ca', caFile) } }),
  };
}

/** Of the message the URL is no part: it may hold a password. */
function parsed(option: string, url: string): URL {
  if (URL.canParse(url)) return new URL(url);
  const example = option === '--mysql' ? 'mysql://user:password@host:3306/database' : 'https://user:password@host:9200';
  throw new InvalidOptionsError(`${option} is no URL: ${example}`);
}

function withoutLogin(node: URL): URL {
  const bare = new URL(node);
  bare.username = bare.password = '';
  return bare;
}

function readCa(option: string, file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new InvalidOptionsError(`${option}: ${(error as Error).message}`, { file }, error);
  }
  if (text.includes('-----BEGIN CERTIFICATE-----')) return text;
  throw new InvalidOptionsError(`${option}: ${file} holds no certificate in PEM form.`, { file });
}
