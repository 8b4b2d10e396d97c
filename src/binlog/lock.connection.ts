import { createConnection, type Connection, type ConnectionOptions } from 'mysql2';

/**
 * One connection whose end is noticed at once: what is bound to it (a lock) is gone then. Every question has a limit, for a
 * half-open connection says nothing; one that is over it ends the connection.
 */
export class LockConnection {
  private broken: Error | null = null;
  private readonly breakListeners = new Set<(error: Error) => void>();
  private readonly connection: Connection;

  /** Connecting goes on behind; the first question waits for it. */
  constructor(options: ConnectionOptions) {
    this.connection = createConnection({ ...options, rowsAsArray: true, multipleStatements: false });
    this.connection.on('error', (error: Error) => this.break(error));
    this.connection.on('end', () => this.break(new Error('MySQL closed the connection')));
  }

  /** The first value of the answer. Rejects when the connection breaks, or has not answered within the limit. */
  ask(sql: string, values: readonly unknown[], limitMs: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.broken) {
        reject(this.broken);
        return;
      }
      const timer = setTimeout(() => this.break(new Error(`MySQL did not answer within ${limitMs} ms`)), limitMs);
      const ended = (): void => {
        clearTimeout(timer);
        this.breakListeners.delete(failed);
      };
      const failed = (error: Error): void => {
        ended();
        reject(error);
      };
      this.breakListeners.add(failed);
      this.connection.query(sql, values as any[], (error, rows) => {
        if (error) {
          failed(error);
          return;
        }
        ended();
        resolve(Array.isArray(rows) ? (rows as unknown[][])[0]?.[0] : undefined);
      });
    });
  }

  /** Called once, when the connection is no more; at once when it is so already. */
  onBreak(listener: (error: Error) => void): void {
    if (this.broken) listener(this.broken);
    else this.breakListeners.add(listener);
  }

  /** Closes the socket: MySQL frees what is bound to the connection. Idempotent. */
  destroy(): void {
    this.break(new Error('the connection was closed here'));
  }

  private break(error: Error): void {
    if (this.broken) return;
    this.broken = error;
    this.connection.destroy();
    for (const listener of this.breakListeners) listener(error);
    this.breakListeners.clear();
  }
}
