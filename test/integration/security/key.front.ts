import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { SecuredElasticsearch } from './secured.elasticsearch.js';

/**
 * A reverse proxy that ends TLS and knows API keys: a request with a key that it has issued goes on as that key's user, and every other as it came,
 * so that what is refused is refused by Elasticsearch itself, in its own words.
 */
export class KeyFront {
  /** Paths, in order of arrival. */
  readonly requests: string[] = [];
  private losing = false;
  private readonly keys = new Map<string, string>();
  private readonly server: Server;

  private constructor(private readonly secured: SecuredElasticsearch) {
    const { certificate: cert, key } = secured.authority.issue();
    this.server = createServer({ cert, key }, (asked, answer) => this.forward(asked, answer));
  }

  static async start(secured: SecuredElasticsearch): Promise<KeyFront> {
    const front = new KeyFront(secured);
    front.server.listen(0, '127.0.0.1');
    await once(front.server, 'listening');
    return front;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Options of a client that trusts it and has this key. */
  options(apiKey: string) {
    return {
      node: `https://127.0.0.1:${this.port}`,
      tls: { ca: this.secured.authority.certificate },
      auth: { apiKey },
    };
  }

  /** A key as Elasticsearch makes them: the base64 form of `id:secret`. */
  issue(username: string, password: string): string {
    const [id, secret] = [randomBytes(10).toString('base64url'), randomBytes(16).toString('base64url')];
    const encoded = Buffer.from(`${id}:${secret}`).toString('base64');
    this.keys.set(`ApiKey ${encoded}`, `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`);
    return encoded;
  }

  revoke(encoded: string): void {
    this.keys.delete(`ApiKey ${encoded}`);
  }

  /** The next bulk never arrives, and whoever sent it cannot know. */
  loseNextBulk(): void {
    this.losing = true;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private forward(asked: IncomingMessage, answer: ServerResponse): void {
    const { method, url = '/', headers } = asked;
    this.requests.push(new URL(url, 'https://front').pathname);
    if (this.losing && url.includes('/_bulk')) {
      this.losing = false;
      asked.resume().on('end', () => answer.destroy());
      return;
    }
    const given = headers.authorization ?? '';
    const onwards = request(new URL(url, this.secured.url), {
      method: method!,
      ca: this.secured.authority.certificate,
      headers: { ...headers, authorization: this.keys.get(given) ?? given },
    });
    onwards.on('response', (response) => {
      answer.writeHead(response.statusCode!, response.headers);
      response.pipe(answer);
    });
    onwards.on('error', () => answer.destroy());
    asked.pipe(onwards);
  }
}
