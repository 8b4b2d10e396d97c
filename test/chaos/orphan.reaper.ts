import { createConnection, type RowDataPacket } from 'mysql2/promise';

/** A transaction whose client has sent nothing for so long has lost it: the longest fault lasts 2.5 s. */
const ORPHAN_AFTER_S = 4;
const EVERY_MS = 1_000;
const ER_NO_SUCH_THREAD = 1094;

/**
 * Ends transactions whose client a black hole has swallowed. They keep their row locks until the server notices, which
 * takes MySQL itself hours (`wait_timeout`, or TCP keep-alive); here somebody looks every second.
 */
export class OrphanReaper {
  reaped = 0;
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();

  constructor(private readonly mysqlUrl: string) {}

  start(): void {
    this.timer = setInterval(() => {
      // While the server is down there is nothing to end.
      this.running = this.running.then(() => this.reap()).catch(() => undefined);
    }, EVERY_MS);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.running;
  }

  private async reap(): Promise<void> {
    const connection = await createConnection({ uri: this.mysqlUrl, connectTimeout: EVERY_MS });
    try {
      const [orphans] = await connection.query<RowDataPacket[]>(
        `SELECT p.ID AS id FROM information_schema.INNODB_TRX t JOIN information_schema.PROCESSLIST p
         ON p.ID = t.trx_mysql_thread_id WHERE p.COMMAND = 'Sleep' AND p.TIME >= ${ORPHAN_AFTER_S}`,
      );
      for (const { id } of orphans) {
        await connection.query(`KILL ${Number(id)}`).catch((error: unknown) => {
          if ((error as { errno?: number }).errno !== ER_NO_SUCH_THREAD) throw error;
        });
        this.reaped++;
      }
    } finally {
      connection.destroy();
    }
  }
}
