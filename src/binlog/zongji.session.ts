import type { Connection, ConnectionOptions } from 'mysql2';
import { BinlogConnectionError, InvalidOptionsError } from '../errors.js';

export interface SessionOptions {
  /** As for mysql2. `dateStrings` and the like have no meaning: values are decoded here. */
  readonly connection: ConnectionOptions;
  readonly serverId: number;
  /** Names this reader to the server: a connection of it that still hangs there is ended when a new one comes. */
  readonly replicaUuid: string;
  readonly heartbeatMs: number;
}

/** Where the server begins to send. */
export type DumpFrom = { readonly gtidSet: string } | { readonly file: string; readonly position: number };

export interface SessionHandlers {
  /** One event with its header, from `start` to before `end`. The bytes are only valid during the call, or until its promise resolves. */
  onEvent(buffer: Buffer, start: number, end: number): void | Promise<void>;
  /** Once: the connection is of no more use. Not called after `close()`. */
  onLost(error: Error): void;
}

/** A packet and the connection as mysql2 has them inside. */
interface Packet {
  readonly buffer: Buffer;
  readonly offset: number;
  readonly end: number;
}
type Step = (this: unknown, packet: Packet, connection: unknown) => Step | null;
interface DumpCommand {
  start: Step;
  on(event: 'error' | 'eof', listener: (error?: Error) => void): void;
  binlogData: Step;
}
type DumpCommandClass = new (callback: unknown) => DumpCommand;

/** What is used of the client, with two things that its types leave out. */
interface Client {
  connection: (Connection & { stream: { bytesRead: number } }) | null;
  ctrlConnection: Connection | null;
  useChecksum: boolean;
  BinlogClass: DumpCommandClass;
  on(event: 'error', listener: (error: Error) => void): void;
  once(event: 'ready' | 'stopped', listener: () => void): void;
  start(options: Record<string, unknown>): void;
  stop(): void;
}

const NANOS_PER_MS = 1_000_000;
const CLOSE_TIMEOUT_MS = 900;
/** While the consumer is slow the server cannot write; by default it gives up after a minute. */
const WRITE_TIMEOUT_SECONDS = 3600;
const A_YEAR_IN_SECONDS = 31_536_000;
const END_OF_STREAM = 0xfe;
/** So many heartbeats may fail to come. */
const SILENT_BEATS = 3;

/**
 * One connection that reads the binary log. The client makes the connections, agrees on checksums and asks for the log;
 * the events themselves are taken from it before it decodes them, as it leaves out commit timestamps, compressed
 * transactions and partial images, and rounds some values.
 */
export class ZongjiSession {
  /** Whether events end with a checksum, as far as the client knows; each file's first event says it again. */
  hasChecksums = true;
  private closed = false;
  private wantsPause = false;
  private busy = false;
  private paused = false;
  private watch: NodeJS.Timeout | null = null;
  private closing: Promise<void> | null = null;

  private constructor(
    private readonly client: Client,
    private readonly options: SessionOptions,
    private readonly handlers: SessionHandlers,
  ) {}

  /** Throws `InvalidOptionsError` when the client is not installed. Everything else comes by `onLost`. */
  static async open(options: SessionOptions, from: DumpFrom, handlers: SessionHandlers): Promise<ZongjiSession> {
    const Zongji = await loadClient();
    const session = new ZongjiSession(new Zongji({ ...options.connection }), options, handlers);
    session.start(from);
    return session;
  }

  /** Holds events back, and with them the server. Takes effect at once. */
  pause(): void {
    this.wantsPause = true;
    this.updateFlow();
  }

  resume(): void {
    this.wantsPause = false;
    this.updateFlow();
  }

  /** Idempotent; within a second. */
  close(): Promise<void> {
    this.closing ??= this.stop();
    return this.closing;
  }

  private start(from: DumpFrom): void {
    const { client, options } = this;
    client.on('error', (error) => this.lost(error));
    client.once('ready', () => this.prepare());
    const place = 'gtidSet' in from ? { gtidSet: from.gtidSet } : { filename: from.file, position: from.position };
    this.watchSilence();
    client.start({ serverId: options.serverId, includeEvents: [], ...place });
  }

  /** Between the client's preparations and its request for the log. */
  private prepare(): void {
    const { client, options } = this;
    this.hasChecksums = client.useChecksum;
    const period = options.heartbeatMs * NANOS_PER_MS;
    const sets = [
      `@master_heartbeat_period = ${period}`,
      `@source_heartbeat_period = ${period}`,
      `@slave_uuid = '${options.replicaUuid}'`,
      `@replica_uuid = '${options.replicaUuid}'`,
      `SESSION net_write_timeout = ${WRITE_TIMEOUT_SECONDS}`,
    ];
    // Queued before the request for the log.
    client.connection!.query(`SET ${sets.join(', ')}`, (error: Error | null) => error && this.lost(error));
    // It has nothing to do until the end.
    client.ctrlConnection!.query(`SET SESSION wait_timeout = ${A_YEAR_IN_SECONDS}`, () => undefined);
    client.BinlogClass = this.takingOver(client.BinlogClass);
  }

  /** The client's request for the log, with its reading of events exchanged for ours. */
  private takingOver(Base: DumpCommandClass): DumpCommandClass {
    const take = (packet: Packet): boolean => this.take(packet);
    const lost = (error: Error): void => this.lost(error);
    return class extends (Base as new (callback: unknown) => DumpCommand) {
      constructor() {
        super(() => undefined);
        this.on('error', (error) => lost(error!));
        this.start = (packet, connection) => {
          Base.prototype.start.call(this, packet, connection);
          return events;
        };
        const events: Step = (packet) => (take(packet) ? events : null);
      }
    };
  }

  private take(packet: Packet): boolean {
    if (this.closed) return false;
    const { buffer, offset, end } = packet;
    if (buffer[offset] === END_OF_STREAM) {
      this.lost(new Error('The server ended the stream.'));
      return false;
    }
    let work: void | Promise<void>;
    try {
      // The first byte says that all is well.
      work = this.handlers.onEvent(buffer, offset + 1, end);
    } catch (error) {
      this.lost(error as Error);
      return false;
    }
    if (work) this.hold(work);
    return true;
  }

  /** Nothing else is taken until an event that takes time is done with. */
  private hold(work: Promise<void>): void {
    this.busy = true;
    this.updateFlow();
    void work
      .catch((error: Error) => this.lost(error))
      .then(() => {
        this.busy = false;
        this.updateFlow();
      });
  }

  private updateFlow(): void {
    const pause = this.wantsPause || this.busy;
    if (pause === this.paused || this.closed) return;
    this.paused = pause;
    if (pause) this.client.connection?.pause();
    // Not from within a handler: the connection hands over what it kept in one loop.
    else setImmediate(() => !this.paused && !this.closed && this.client.connection?.resume());
  }

  /** Counts beats in which not a byte came: a large event that is still arriving is no silence. */
  private watchSilence(): void {
    let beats = 0;
    let lastBytes = -1;
    this.watch = setInterval(() => {
      const bytes = this.client.connection?.stream.bytesRead ?? 0;
      beats = this.paused || bytes !== lastBytes ? 0 : beats + 1;
      lastBytes = bytes;
      if (beats >= SILENT_BEATS) {
        this.lost(new BinlogConnectionError(`Not a byte came in ${SILENT_BEATS} heartbeats.`, { reason: 'silent' }));
      }
    }, this.options.heartbeatMs);
    this.watch.unref();
  }

  private lost(error: Error): void {
    if (this.closed) return;
    void this.close();
    this.handlers.onLost(error);
  }

  private async stop(): Promise<void> {
    this.closed = true;
    if (this.watch) clearInterval(this.watch);
    const { connection, ctrlConnection } = this.client;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, CLOSE_TIMEOUT_MS);
      this.client.once('stopped', () => {
        clearTimeout(timer);
        resolve();
      });
      this.client.stop();
    });
    // Where the server does not answer, the client would wait.
    connection?.destroy();
    ctrlConnection?.destroy();
  }
}

async function loadClient(): Promise<new (connection: ConnectionOptions) => Client> {
  try {
    return (await import('@vlasky/zongji')).default as unknown as new (connection: ConnectionOptions) => Client;
  } catch (error) {
    throw new InvalidOptionsError(
      'The binlog backstop needs the package @vlasky/zongji: npm install @vlasky/zongji@^0.9.0',
      { package: '@vlasky/zongji' },
      error,
    );
  }
}
