import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { silentReporter } from '../../tools/servers/progress.reporter.mjs';
import type { Server } from '../../tools/servers/server.types.mjs';
import { startMysql } from '../../tools/servers/servers.mjs';

const REPLICATION_USER = `CREATE USER replication@'%' IDENTIFIED BY 'replication'`;

/** A primary and a real asynchronous replica, of one test file alone. `MYSQL_URL` is the primary's until `remove()`. */
export class ReplicaServers {
  private constructor(
    readonly primary: Server,
    readonly replica: Server,
    private readonly givenUrl: string | undefined,
  ) {}

  static async start(): Promise<ReplicaServers> {
    const [primary, replica] = await Promise.all(
      [1, 2].map((id) => startMysql({ settings: [`--server-id=${id}`], reporter: silentReporter })),
    );
    const servers = new ReplicaServers(primary!, replica!, process.env['MYSQL_URL']);
    process.env['MYSQL_URL'] = primary!.url;
    // Each has set itself up with transactions of its own, which the other is not to wait for, or to repeat.
    await Promise.all([
      servers.onPrimary('RESET BINARY LOGS AND GTIDS'),
      servers.onReplica('RESET BINARY LOGS AND GTIDS'),
    ]);
    await servers.onPrimary(REPLICATION_USER);
    await servers.onPrimary(`GRANT REPLICATION SLAVE ON *.* TO replication@'%'`);
    await servers.onReplica(
      `CHANGE REPLICATION SOURCE TO SOURCE_HOST = '${hostSeenFrom(replica!)}', SOURCE_PORT = ${primary!.port},
       SOURCE_USER = 'replication', SOURCE_PASSWORD = 'replication', SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1`,
    );
    await servers.onReplica('START REPLICA');
    return servers;
  }

  onPrimary(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]> {
    return run(this.primary, sql, values);
  }

  onReplica(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]> {
    return run(this.replica, sql, values);
  }

  /** From now on the replica is this far behind. */
  async delay(seconds: number): Promise<void> {
    await this.onReplica('STOP REPLICA SQL_THREAD');
    await this.onReplica(`CHANGE REPLICATION SOURCE TO SOURCE_DELAY = ${seconds}`);
    await this.onReplica('START REPLICA SQL_THREAD');
  }

  /** The replica stays as it is, until `resume()`. */
  async pause(): Promise<void> {
    await this.onReplica('STOP REPLICA SQL_THREAD');
  }

  async resume(): Promise<void> {
    await this.onReplica('START REPLICA SQL_THREAD');
  }

  /** Waits until the replica has everything that the primary has now. */
  async caughtUp(): Promise<void> {
    const [primary] = await this.onPrimary('SELECT @@GLOBAL.gtid_executed AS executed');
    const [replica] = await this.onReplica('SELECT WAIT_FOR_EXECUTED_GTID_SET(?, 60) AS late', [primary!['executed']]);
    if (Number(replica!['late']) !== 0) throw new Error('the replica did not catch up within a minute');
  }

  /** Changes a row on the replica alone: whoever sees the change was answered by the replica. */
  async mark(database: string, id: string, title: string): Promise<void> {
    await this.onReplica(`UPDATE \`${database}\`.product SET title = ?, updatedAt = updatedAt WHERE id = ?`, [
      title,
      id,
    ]);
  }

  async remove(): Promise<void> {
    if (this.givenUrl === undefined) delete process.env['MYSQL_URL'];
    else process.env['MYSQL_URL'] = this.givenUrl;
    await Promise.all([this.primary.remove(), this.replica.remove()]);
  }
}

/** The primary's host, as the replica reaches it: containers see the host's ports at another address. */
function hostSeenFrom(replica: Server): string {
  if (replica.source !== 'docker') return '127.0.0.1';
  return process.platform === 'linux' ? '172.17.0.1' : 'host.docker.internal';
}

async function run(server: Server, sql: string, values?: unknown[]): Promise<Record<string, unknown>[]> {
  const connection = await createConnection(server.url);
  try {
    const [rows] = await connection.query<RowDataPacket[]>(sql, values);
    return rows;
  } finally {
    await connection.end();
  }
}
