import type { Logger } from '@nestjs/common';
import type { ConnectionOptions } from 'mysql2';
import { createConnection } from 'mysql2/promise';
import { requirePreflight } from './binlog.preflight.js';

const CONNECT_TIMEOUT_MS = 10_000;

/**
 * Looks whether this server's log can be followed by the user that will read it. Throws `BinlogPreflightError` with what
 * mends it; warnings are logged.
 */
export async function checkServer(
  connection: ConnectionOptions,
  serverId: number,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  const session = await createConnection({
    connectTimeout: CONNECT_TIMEOUT_MS,
    ...connection,
    supportBigNumbers: true,
  });
  const stop = (): void => session.destroy();
  session.on('error', () => undefined);
  signal.addEventListener('abort', stop);
  try {
    const query = async (sql: string, values?: unknown[]): Promise<any[]> =>
      (await session.query<any[]>(sql, values))[0];
    for (const { setting, found, wanted, fix } of await requirePreflight(query, { serverId })) {
      logger.warn(`${setting} is ${found}, wanted: ${wanted}. ${fix}`);
    }
  } finally {
    signal.removeEventListener('abort', stop);
    session.destroy();
  }
}
