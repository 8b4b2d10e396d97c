import { setTimeout as sleep } from 'node:timers/promises';
import { createConnection, type RowDataPacket } from 'mysql2/promise';

/** Makes `replica` an asynchronous replica of `primary`, which may be killed and come back. */
export async function replicate(primary: string, replica: string): Promise<void> {
  // Each has set itself up with transactions of its own, which the other is not to wait for, or to repeat.
  for (const url of [primary, replica]) await run(url, 'RESET BINARY LOGS AND GTIDS');
  await run(primary, "CREATE USER replication@'%' IDENTIFIED BY 'replication'");
  await run(primary, "GRANT REPLICATION SLAVE ON *.* TO replication@'%'");
  const { port } = new URL(primary);
  await run(
    replica,
    `CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = ${port}, SOURCE_USER = 'replication',
     SOURCE_PASSWORD = 'replication', SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1, SOURCE_CONNECT_RETRY = 1,
     SOURCE_RETRY_COUNT = 100000, SOURCE_HEARTBEAT_PERIOD = 1`,
  );
  await run(replica, 'START REPLICA');
}

const STANDS_MS = 400;
const FLOWS_MS = 1_100;

/** Lets the replica stand still now and then: late by up to so long, it must never be read as if it were not. */
export class ReplicaStalls {
  private stopping = false;
  private running: Promise<void> = Promise.resolve();

  constructor(private readonly replica: string) {}

  start(): void {
    this.running = this.stall();
  }

  async stop(): Promise<void> {
    this.stopping = true;
    await this.running;
  }

  private async stall(): Promise<void> {
    while (!this.stopping) {
      await run(this.replica, 'STOP REPLICA SQL_THREAD');
      await sleep(STANDS_MS);
      await run(this.replica, 'START REPLICA SQL_THREAD');
      await sleep(FLOWS_MS);
    }
  }
}

/** What keeps it from applying the primary's changes. */
export async function replicaTrouble(replica: string): Promise<string | null> {
  const rows = (await run(replica, 'SHOW REPLICA STATUS')) as RowDataPacket[];
  if (!rows[0]) return 'it is no replica';
  const { Last_SQL_Error: applying } = rows[0] as { Last_SQL_Error: string };
  return applying === '' ? null : applying;
}

async function run(url: string, sql: string): Promise<unknown> {
  const connection = await createConnection(url);
  try {
    return (await connection.query(sql))[0];
  } finally {
    await connection.end();
  }
}
