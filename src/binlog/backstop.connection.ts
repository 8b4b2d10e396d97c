import type { ConnectionOptions } from 'mysql2';
import type { DataSource } from 'typeorm';

interface TypeOrmConnection {
  readonly url?: string;
  readonly host?: string;
  readonly port?: number;
  readonly username?: string;
  readonly password?: string;
  readonly database?: string;
  readonly socketPath?: string;
  readonly ssl?: unknown;
}

/** How the DataSource reaches its primary, as mysql2 wants it: for connections beside the pool. */
export function primaryConnectionOf(dataSource: DataSource): ConnectionOptions {
  const options = dataSource.options as unknown as TypeOrmConnection & {
    replication?: { master: TypeOrmConnection };
    extra?: Record<string, unknown>;
  };
  const given = { ...options, ...options.replication?.master };
  const { url } = given;
  const parsed = url === undefined ? undefined : new URL(url);
  const connection: Record<string, unknown> = {
    host: parsed?.hostname ?? given.host ?? 'localhost',
    port: Number(parsed?.port) || given.port || 3306,
    user: parsed ? decodeURIComponent(parsed.username) : given.username,
    password: parsed ? decodeURIComponent(parsed.password) : given.password,
    // As TypeORM has it: of a URL it takes the name as it stands there, while `URL` encodes blanks and quotes.
    database: dataSource.driver?.database ?? (parsed ? parsed.pathname.slice(1) : given.database),
    socketPath: given.socketPath,
    ssl: given.ssl ?? options.extra?.['ssl'],
  };
  return Object.fromEntries(Object.entries(connection).filter(([, value]) => value !== undefined)) as ConnectionOptions;
}
