import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultRules } from './fault.rules.js';
import type { CutStyle, Fault, RecordedRequest } from './fault.types.js';
import { cut } from './http.front.js';
import type { Front } from './http.front.js';

/** One client's connection and the one to the server that belongs to it. */
interface Pair {
  readonly client: Socket;
  readonly upstream: Socket;
  /** Keep delayed bytes in order, one for each direction. */
  queue: Promise<void>;
  answers: Promise<void>;
  /** What the client sent since it was held; null while nothing is. */
  kept: { readonly chunk: Buffer; readonly record: RecordedRequest }[] | null;
  silent: boolean;
  cutOnAnswer: CutStyle | null;
  answerDelayMs: number;
}

/** Any protocol over TCP (MySQL, TLS): bytes are not understood, each read from a client counts as one request. */
export class TcpFront implements Front {
  readonly server: Server;
  private readonly pairs = new Set<Pair>();

  constructor(
    private readonly target: { readonly host: string; readonly port: number },
    private readonly rules: FaultRules,
  ) {
    this.server = createServer({ noDelay: true }, (client) => this.open(client));
  }

  get held(): number {
    return this.holding().length;
  }

  async release(): Promise<number> {
    const pairs = this.holding();
    for (const pair of pairs) await this.deliver(pair);
    return pairs.length;
  }

  destroy(): void {
    for (const pair of this.pairs) pair.upstream.destroy();
    this.pairs.clear();
  }

  private holding(): Pair[] {
    return [...this.pairs].filter((pair) => pair.kept !== null);
  }

  private async deliver(pair: Pair): Promise<void> {
    const { upstream, client } = pair;
    const kept = pair.kept ?? [];
    pair.kept = null;
    const answered = Promise.race([once(upstream, 'data'), once(upstream, 'close')]).catch(() => undefined);
    for (const { chunk, record } of kept) send(pair, chunk, record);
    await answered;
    if (client.destroyed) upstream.end();
  }

  private open(client: Socket): void {
    const upstream = connect({ ...this.target, noDelay: true });
    const pair: Pair = {
      client,
      upstream,
      queue: Promise.resolve(),
      answers: Promise.resolve(),
      kept: null,
      silent: false,
      cutOnAnswer: null,
      answerDelayMs: 0,
    };
    this.pairs.add(pair);
    client.on('error', () => undefined).on('data', (chunk) => this.fromClient(pair, chunk));
    upstream.on('error', () => undefined).on('data', (chunk) => fromServer(pair, chunk));
    // A client that gives up ends the server's side too, unless bytes of it are still to arrive, or nothing does.
    client.on('close', () => {
      void pair.queue.then(() => (pair.kept || pair.silent ? undefined : upstream.end()));
    });
    upstream.on('close', () => {
      this.pairs.delete(pair);
      // What the server said last ("too many connections") must still arrive.
      if (!pair.silent) void pair.answers.then(() => client.destroySoon());
    });
  }

  private fromClient(pair: Pair, chunk: Buffer): void {
    const { fault, record } = this.rules.decide({ method: '', path: '', body: chunk });
    if (pair.silent) return;
    if (pair.kept) {
      pair.kept.push({ chunk, record });
      return;
    }
    pair.answerDelayMs = fault.kind === 'delay' ? (fault.answerMs ?? 0) : 0;
    this.apply(pair, fault, chunk, record);
  }

  private apply(pair: Pair, fault: Fault, chunk: Buffer, record: RecordedRequest): void {
    switch (fault.kind) {
      case 'cut-before':
        pair.upstream.destroy();
        return cut(pair.client, fault.style);
      case 'hold':
        pair.kept = [{ chunk, record }];
        return;
      case 'black-hole':
        pair.silent = true;
        return;
      case 'cut-after':
        pair.cutOnAnswer = fault.style ?? 'reset';
        break;
      default:
    }
    const delayMs = fault.kind === 'delay' ? (fault.requestMs ?? 0) : 0;
    const dueMs = performance.now() + delayMs;
    pair.queue = pair.queue.then(async () => {
      if (delayMs > 0) await until(dueMs);
      send(pair, chunk, record);
    });
  }
}

/** Bytes that came together are late together. */
async function until(dueMs: number): Promise<void> {
  const waitMs = dueMs - performance.now();
  if (waitMs > 0) await sleep(waitMs, undefined, { ref: false });
}

function send(pair: Pair, chunk: Buffer, record: RecordedRequest): void {
  if (pair.upstream.destroyed) return;
  record.forwarded = true;
  if (pair.upstream.write(chunk)) return;
  pair.client.pause();
  pair.upstream.once('drain', () => pair.client.resume());
}

function fromServer(pair: Pair, chunk: Buffer): void {
  const { client, upstream, answerDelayMs } = pair;
  if (pair.silent) return;
  if (pair.cutOnAnswer) {
    upstream.destroy();
    cut(client, pair.cutOnAnswer);
    return;
  }
  const dueMs = performance.now() + answerDelayMs;
  pair.answers = pair.answers.then(async () => {
    if (answerDelayMs > 0) await until(dueMs);
    if (client.destroyed || client.write(chunk)) return;
    upstream.pause();
    client.once('drain', () => upstream.resume());
  });
}
