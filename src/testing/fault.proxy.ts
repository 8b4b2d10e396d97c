import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { FaultRules } from './fault.rules.js';
import type { Fault, Injection, RecordedRequest, RequestMatch } from './fault.types.js';
import { cut, HttpFront } from './http.front.js';
import type { Front } from './http.front.js';
import { TcpFront } from './tcp.front.js';

const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'mysql:': 3306 };

/**
 * A proxy on 127.0.0.1 in front of a real server, with faults that can be switched on at any moment.
 *
 * ```ts
 * const proxy = new FaultProxy('http://127.0.0.1:9200');
 * await proxy.start();
 * const client = new Client({ node: proxy.url });
 * proxy.inject({ kind: 'cut-after' }, { path: '/_bulk', times: 1 });  // it landed, but nobody tells the client
 * const held = proxy.inject({ kind: 'hold' }, { path: '/_bulk', times: 1 });
 * await held.reached();                                               // the client waits, and gives up
 * await proxy.release();                                              // now the server gets it
 * await proxy.stop();
 * ```
 *
 * `http:` URLs are understood request by request. Any other URL (`mysql:`, `https:`, `tcp:`) is passed on as bytes; the
 * faults that need HTTP are refused there.
 */
export class FaultProxy {
  private readonly target: URL;
  private readonly rules = new FaultRules();
  private readonly front: Front;
  private readonly clients = new Set<Socket>();
  private lastPort = 0;
  private listening: Promise<void> | null = null;

  /**
   * @param target URL of the server, for instance `http://127.0.0.1:9200` or `mysql://root@127.0.0.1:3306/shop`.
   * @throws TypeError when the URL has no host, or no port and no usual one.
   */
  constructor(target: string) {
    this.target = new URL(target);
    const port = Number(this.target.port) || DEFAULT_PORTS[this.target.protocol];
    if (!this.target.hostname || !port) throw new TypeError(`FaultProxy needs a URL with host and port, not ${target}`);
    const address = { host: this.target.hostname.replace(/^\[|\]$/g, ''), port };
    this.front =
      this.target.protocol === 'http:' ? new HttpFront(address, this.rules) : new TcpFront(address, this.rules);
    this.front.server.on('connection', (socket: Socket) => {
      this.clients.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => this.clients.delete(socket));
    });
  }

  /** Listens on a free port of 127.0.0.1; after `refuse()` or `stop()`, on the same port as before. Idempotent. */
  start(): Promise<void> {
    this.listening ??= this.listen();
    return this.listening;
  }

  /** Ends every connection and forgets all faults. What is held is never delivered. Idempotent. */
  async stop(): Promise<void> {
    this.rules.abandon('the FaultProxy was stopped');
    this.rules.clear();
    this.front.destroy();
    await this.refuse();
  }

  /** The port, once started. It stays the same for the proxy's life. */
  get port(): number {
    return this.lastPort;
  }

  /** The target's URL with host and port replaced by the proxy's; user, password and path stay. */
  get url(): string {
    const url = new URL(this.target);
    url.hostname = '127.0.0.1';
    url.port = String(this.lastPort);
    return url.href.replace(/\/$/, '');
  }

  /**
   * Switches a fault on for the requests that match, from the next one on. Where several match, the one that was
   * injected first decides.
   * @throws TypeError for a fault that needs HTTP, when the proxy does not speak it.
   * @throws RangeError for a time or a number of times that is negative or no number.
   */
  inject(fault: Fault, match: RequestMatch = {}): Injection {
    if (fault.kind === 'delay') requireFigures({ requestMs: fault.requestMs, answerMs: fault.answerMs });
    requireFigures({ times: match.times });
    const needsHttp = fault.kind === 'answer' || fault.kind === 'garbage' || fault.kind === 'stall-answer';
    if (needsHttp && !(this.front instanceof HttpFront)) {
      throw new TypeError(`the fault "${fault.kind}" needs an http: URL`);
    }
    return this.rules.add(fault, match);
  }

  /** Switches all faults off. What is held stays held until `release()`. */
  clear(): void {
    this.rules.clear();
  }

  /** Requests (HTTP) or connections (TCP) that are being held. */
  get held(): number {
    return this.front.held;
  }

  /** Delivers what is held, whether or not its client is still there. Resolves, once answered, with how many. */
  release(): Promise<number> {
    return this.front.release();
  }

  /** Cuts every client's connection now. New ones are accepted. */
  cutAll(): void {
    for (const socket of this.clients) cut(socket);
  }

  /** Closes the listener and every connection: the next client gets ECONNREFUSED. `start()` brings it back. Idempotent. */
  async refuse(): Promise<void> {
    if (!this.listening) return;
    await this.listening;
    this.listening = null;
    const closed = once(this.front.server, 'close');
    this.front.server.close();
    this.cutAll();
    await closed;
  }

  /** What came in, oldest first (at most the last 10,000). */
  get requests(): readonly RecordedRequest[] {
    return this.rules.requests;
  }

  private async listen(): Promise<void> {
    const { server } = this.front;
    server.listen(this.lastPort, '127.0.0.1');
    await once(server, 'listening');
    this.lastPort = (server.address() as AddressInfo).port;
  }
}

/** A fault that silently does nothing makes a test that passes for the wrong reason. */
function requireFigures(figures: Readonly<Record<string, number | undefined>>): void {
  for (const [name, value] of Object.entries(figures)) {
    if (value !== undefined && !(value >= 0)) throw new RangeError(`${name} must be 0 or more, not ${value}.`);
  }
}
