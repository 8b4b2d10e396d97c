import type { ServerResponse } from 'node:http';
import { type BeforeApplicationShutdown, Injectable, ServiceUnavailableException } from '@nestjs/common';
import { logTextOf } from '../observe/log.text.js';
import { StormLogger } from '../observe/storm.logger.js';

export interface StreamOptions {
  readonly maxClients: number;
  readonly intervalMs: number;
  readonly heartbeatMs: number;
}

const HEADERS = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  // `no-transform` keeps compressing middleware and proxies from holding events back.
  'Cache-Control': 'no-store, no-transform',
  'X-Accel-Buffering': 'no',
  'X-Content-Type-Options': 'nosniff',
  // Shutdown waits for connections that are kept alive.
  Connection: 'close',
};
const RETRY_MS = 3_000;
/** So many events in a row that a client did not read: it has gone, or will not. */
const MAX_SKIPPED = 30;

interface Client {
  readonly response: ServerResponse;
  skipped: number;
}

/**
 * Server-sent events to a bounded number of browsers. The report is made once for all of them, and only while somebody
 * watches. What a slow client does not read is left out for it, not kept.
 */
@Injectable()
export class StatusStream implements BeforeApplicationShutdown {
  private readonly logger = new StormLogger('ConsistentStatus');
  private readonly clients = new Set<Client>();
  private timers: NodeJS.Timeout[] = [];
  private telling = false;
  private closed = false;

  constructor(
    private readonly view: () => Promise<unknown>,
    private readonly options: StreamOptions,
  ) {}

  get size(): number {
    return this.clients.size;
  }

  /**
   * Takes a client on; `taken` is called once it is. Throws `ServiceUnavailableException` when there are too many, or the
   * application ends.
   */
  open(response: ServerResponse, taken: () => void): void {
    if (this.closed) throw new ServiceUnavailableException('the application is shutting down');
    if (this.clients.size >= this.options.maxClients) {
      throw new ServiceUnavailableException('too many browsers are watching');
    }
    taken();
    if (response.destroyed || response.writableEnded) return;
    const client: Client = { response, skipped: 0 };
    this.clients.add(client);
    response.on('close', () => this.leave(client));
    response.on('error', () => this.leave(client));
    response.writeHead(200, HEADERS);
    response.write(`retry: ${RETRY_MS}\n\n`);
    if (this.clients.size === 1) this.begin();
    void this.tell();
  }

  /** Ends every connection: an application that waits for them would never close. */
  beforeApplicationShutdown(): void {
    this.closed = true;
    for (const client of this.clients) {
      client.response.end('event: bye\ndata: the application is shutting down\n\n');
      this.leave(client);
    }
  }

  private begin(): void {
    const { intervalMs, heartbeatMs } = this.options;
    this.timers = [
      setInterval(() => void this.tell(), intervalMs),
      setInterval(() => this.send('event: heartbeat\ndata: \n\n'), heartbeatMs),
    ];
  }

  private leave(client: Client): void {
    this.clients.delete(client);
    if (this.clients.size > 0) return;
    for (const timer of this.timers.splice(0)) clearInterval(timer);
  }

  private async tell(): Promise<void> {
    if (this.telling) return;
    this.telling = true;
    try {
      this.send(`event: report\ndata: ${JSON.stringify(await this.view())}\n\n`);
    } catch (error) {
      this.logger.error(`the report could not be made: ${logTextOf(error)}`);
    } finally {
      this.telling = false;
    }
  }

  private send(event: string): void {
    for (const client of this.clients) {
      if (!client.response.writableNeedDrain) {
        client.skipped = 0;
        client.response.write(event);
      } else if (++client.skipped > MAX_SKIPPED) {
        client.response.destroy();
        this.leave(client);
      }
    }
  }
}
