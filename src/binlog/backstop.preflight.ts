import type { Logger } from '@nestjs/common';
import type { ConnectionOptions } from 'mysql2';
import { createConnection } from 'mysql2/promise';
import { requirePreflight } from './binlog.preflight.js';
import { finalError } from './zongji.errors.js';

const CONNECT_TIMEOUT_MS = 10_000;

/**
 * Looks whether this server's log can be followed by the user that will read it. Throws `BinlogPreflightError` with what
 * mends it; warnings are logged.
 */
export async function checkServer(
  connection: ConnectionOptions,
  watch: { readonly serverId: number; readonly tables: readonly string[] },
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  const findings = await askServer(connection, signal, (query) => requirePreflight(query, watch));
  for (const { setting, found, wanted, fix } of findings) {
    logger.warn(`${setting} is ${found}, wanted: ${wanted}. ${fix}`);
  }
}

/**
 * Asks the server whose log is read, as the user that reads it: the DataSource's own may have no right to ask about the log,
 * or be at another server.
 */
export async function askServer<T>(
  connection: ConnectionOptions,
  signal: AbortSignal,
  work: (query: (sql: string, values?: unknown[]) => Promise<any[]>) => Promise<T>,
): Promise<T> {
  const session = await createConnection({
    connectTimeout: CONNECT_TIMEOUT_MS,
    ...connection,
    supportBigNumbers: true,
  }).catch((error: unknown) => Promise.reject(finalError(error) ?? (error as Error)));
  const stop = (): void => session.destroy();
  session.on('error', () => undefined);
  signal.addEventListener('abort', stop);
  try {
    return await work(async (sql, values) => (await session.query<any[]>(sql, values))[0]);
  } finally {
    signal.removeEventListener('abort', stop);
    session.destroy();
  }
}
