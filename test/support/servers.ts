import { randomBytes } from 'node:crypto';
import { createConnection } from 'mysql2/promise';
import type { RowDataPacket } from 'mysql2/promise';

/** A test never skips for want of a server: it says how to get one. */
function required(variable: 'MYSQL_URL' | 'ELASTICSEARCH_URL'): string {
  const url = process.env[variable];
  if (!url) {
    throw new Error(
      `${variable} is not set, and this test needs a real server. Run it as: npm test -- <file> ` +
        '(or keep servers running with `npm run servers -- up` and set the two variables that it prints)',
    );
  }
  return url;
}

/** Address of the run's MySQL, with a user that may do everything and no database. Throws when there is none. */
export function mysqlUrl(): string {
  return required('MYSQL_URL');
}

/** Address of the run's Elasticsearch, without a slash at the end. Throws when there is none. */
export function elasticsearchUrl(): string {
  return required('ELASTICSEARCH_URL').replace(/\/$/, '');
}

/** A database that belongs to one test file. */
export interface TestDatabase {
  readonly name: string;
  /** With the database's name in it. */
  readonly url: string;
  /** The same in parts, as `TypeOrmModule.forRoot({ type: 'mysql', ...database.connection })` wants it. */
  readonly connection: { host: string; port: number; username: string; password: string; database: string };
  /** Runs one statement on a connection of its own: for set-up and for looking past the library. */
  query<Row = Record<string, unknown>>(sql: string, values?: unknown[]): Promise<Row[]>;
  /** Removes the database. Call it in `afterAll`. */
  drop(): Promise<void>;
}

function uniqueSuffix(): string {
  return `${process.pid}_${randomBytes(4).toString('hex')}`;
}

function plain(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .slice(0, 30);
}

async function run(url: string, sql: string, values?: unknown[]): Promise<unknown> {
  const connection = await createConnection({ uri: url, supportBigNumbers: true, dateStrings: true });
  try {
    const [rows] = await connection.query<RowDataPacket[]>(sql, values);
    return rows;
  } finally {
    await connection.end();
  }
}

/** Creates an empty database (utf8mb4) with a name of its own, so that test files do not see each other. */
export async function createTestDatabase(name: string): Promise<TestDatabase> {
  const database = `nc_${plain(name)}_${uniqueSuffix()}`;
  const server = new URL(mysqlUrl());
  await run(server.href, `CREATE DATABASE \`${database}\` CHARACTER SET utf8mb4`);
  const url = new URL(server);
  url.pathname = `/${database}`;
  return {
    name: database,
    url: url.href,
    connection: {
      host: server.hostname,
      port: Number(server.port) || 3306,
      username: decodeURIComponent(server.username),
      password: decodeURIComponent(server.password),
      database,
    },
    query: async <Row>(sql: string, values?: unknown[]) => (await run(url.href, sql, values)) as Row[],
    drop: async () => {
      await run(server.href, `DROP DATABASE IF EXISTS \`${database}\``);
    },
  };
}

/** The start of every index and alias name of one test file. Remove them at the end with `deleteIndices(prefix)`. */
export function indexPrefix(name: string): string {
  return `nc-${plain(name)}-${uniqueSuffix()}-`.replaceAll('_', '-');
}

/** Deletes the indices (and with them their aliases) whose names start with the prefix. */
export async function deleteIndices(prefix: string): Promise<void> {
  const base = elasticsearchUrl();
  const listed = await fetch(`${base}/_cat/indices/${prefix}*?format=json&h=index&expand_wildcards=all`);
  const found = (await listed.json()) as { index: string }[];
  for (const { index } of found) await fetch(`${base}/${index}`, { method: 'DELETE' });
}
