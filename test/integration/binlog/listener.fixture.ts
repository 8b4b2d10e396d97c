import type { ConnectionOptions } from 'mysql2';
import type { BinlogEvent, BinlogStart, RowsEvent } from '../../../src/binlog/binlog.types.js';
import { ZongjiSource, type ZongjiSourceOptions } from '../../../src/binlog/zongji.source.js';
import { mysqlUrl } from '../../support/servers.js';

let lastServerId = 3_000_000_000 + (process.pid % 100_000) * 100;

/** What mysql2 wants to know of a server. */
export function connectionOf(url: string = mysqlUrl()): ConnectionOptions {
  const { hostname, port, username, password } = new URL(url);
  return {
    host: hostname,
    port: Number(port),
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
  };
}

export function sourceOf(options: Partial<ZongjiSourceOptions> = {}): ZongjiSource {
  return new ZongjiSource({
    connection: connectionOf(),
    serverId: (lastServerId += 1),
    reconnectDelayMs: 20,
    maxReconnectDelayMs: 100,
    ...options,
  });
}

/** Reads a source, and lets a test wait for what it is to bring. */
export class Listener {
  readonly events: BinlogEvent[] = [];
  private readonly iterator: AsyncIterator<BinlogEvent>;

  constructor(
    readonly source: ZongjiSource,
    start: BinlogStart,
  ) {
    this.iterator = source.read(start)[Symbol.asyncIterator]();
  }

  async next(): Promise<BinlogEvent> {
    const { value, done } = await this.iterator.next();
    if (done) throw new Error('the source ended');
    this.events.push(value);
    return value;
  }

  /** Reads on up to the first event that fits, which it returns. */
  async until<Event extends BinlogEvent>(fits: (event: BinlogEvent) => event is Event): Promise<Event>;
  async until(fits: (event: BinlogEvent) => boolean): Promise<BinlogEvent>;
  async until(fits: (event: BinlogEvent) => boolean): Promise<BinlogEvent> {
    for (;;) {
      const event = await this.next();
      if (fits(event)) return event;
      // Else a test would wait for rows that never come.
      if (event.kind === 'undecodable' && event.table) throw new Error(`${event.table}: ${event.reason}`);
    }
  }

  /** Reads on to the end of the transaction that has rows of the table; all its events. */
  async transactionOf(schema: string, table: string): Promise<BinlogEvent[]> {
    let begun = this.events.length;
    let found = false;
    for (;;) {
      const event = await this.next();
      if (event.kind === 'transaction') begun = this.events.length - 1;
      found ||= 'table' in event && event.schema === schema && event.table === table;
      if (found && event.kind === 'commit') return this.events.slice(begun);
    }
  }

  stop(): Promise<void> {
    return this.source.stop();
  }
}

export const isRows =
  (table?: string) =>
  (event: BinlogEvent): event is RowsEvent =>
    event.kind === 'rows' && (table === undefined || event.table === table);
