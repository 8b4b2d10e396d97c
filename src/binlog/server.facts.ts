import type { ServerFacts } from './failover.decision.js';

/** One statement, its rows as objects. */
export type RowQuery = (sql: string) => Promise<Record<string, unknown>[]>;

/** Asks the server where its log stands. Needs REPLICATION CLIENT. All on one connection: behind an address there may be several servers. */
export async function readServerFacts(query: RowQuery): Promise<ServerFacts> {
  const [variables] = await query(
    'SELECT @@server_uuid AS uuid, @@GLOBAL.gtid_mode AS mode, @@GLOBAL.gtid_executed AS executed, @@GLOBAL.gtid_purged AS purged',
  );
  const logs = await query('SHOW BINARY LOGS');
  return {
    serverUuid: String(variables!['uuid']),
    gtidMode: String(variables!['mode']),
    gtidExecuted: String(variables!['executed']),
    gtidPurged: String(variables!['purged']),
    binlogs: logs.map((log) => ({ file: String(log['Log_name']), size: Number(log['File_size']) })),
  };
}
