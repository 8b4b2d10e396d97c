import { Agent, createServer, request as httpRequest } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultRules } from './fault.rules.js';
import type { CutStyle, Fault, RecordedRequest } from './fault.types.js';

/** What both kinds of proxy have in common. */
export interface Front {
  readonly server: Server | import('node:net').Server;
  /** Delivers what is held, in order, and resolves with their number once the server has answered. */
  release(): Promise<number>;
  readonly held: number;
  /** Cuts what it has open towards the server. */
  destroy(): void;
}

interface Answer {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: Buffer;
}

type Deliver = () => Promise<unknown>;

const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'transfer-encoding', 'content-length']);

/** HTTP/1.1: each request is read whole, judged by the rules, and forwarded over its own keep-alive connections. */
export class HttpFront implements Front {
  readonly server: Server;
  private readonly agent = new Agent({ keepAlive: true });
  private holding: Deliver[] = [];
  private life = 0;

  constructor(
    private readonly target: { readonly host: string; readonly port: number },
    private readonly rules: FaultRules,
  ) {
    this.server = createServer((incoming, response) => {
      // Whatever breaks on the way to the server breaks the client's connection: a proxy that is not there.
      this.handle(incoming, response).catch(() => incoming.socket.destroy());
    });
    // A proxy has no opinion on how long anything may take.
    Object.assign(this.server, { keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0, timeout: 0 });
  }

  get held(): number {
    return this.holding.length;
  }

  async release(): Promise<number> {
    const holding = this.holding.splice(0);
    for (const deliver of holding) await deliver();
    return holding.length;
  }

  destroy(): void {
    this.holding = [];
    this.life += 1;
    this.agent.destroy();
  }

  private async handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url: path = '' } = incoming;
    const body = await readAll(incoming);
    const { fault, record } = this.rules.decide({ method, path, body });
    const forward = (): Promise<Answer> => this.forward(incoming, body, record);
    const { socket } = incoming;
    const { life } = this;
    if (fault.kind === 'black-hole') return;
    if (fault.kind === 'cut-before') return cut(socket, fault.style);
    if (fault.kind === 'hold') {
      const deliver = async (): Promise<void> => respond(response, await forward());
      this.holding.push(() => deliver().catch(() => undefined));
      return;
    }
    if (fault.kind === 'delay' && fault.requestMs) await sleep(fault.requestMs, undefined, { ref: false });
    // Stopped meanwhile: nothing may reach the server after the test that wanted it.
    if (life !== this.life) return;
    const skipsServer =
      (fault.kind === 'answer' && !fault.forward) || (fault.kind === 'garbage' && fault.forward === false);
    const answer = skipsServer ? null : await forward();
    if (fault.kind === 'delay' && fault.answerMs) await sleep(fault.answerMs, undefined, { ref: false });
    giveAnswer(fault, answer, socket, response);
  }

  private forward(incoming: IncomingMessage, body: Buffer, record: RecordedRequest): Promise<Answer> {
    const headers = withoutHopByHop(incoming.rawHeaders);
    if (body.length > 0 || incoming.headers['content-length']) headers.push('content-length', String(body.length));
    return new Promise((resolve, reject) => {
      const { method, url: path } = incoming;
      const outgoing = httpRequest({ ...this.target, method, path, headers, agent: this.agent }, (answer) => {
        readAll(answer).then((answerBody) => {
          record.status = answer.statusCode ?? 0;
          resolve({ status: record.status, headers: withoutHopByHop(answer.rawHeaders), body: answerBody });
        }, reject);
      });
      outgoing.on('error', reject);
      outgoing.end(body);
      record.forwarded = true;
    });
  }
}

function giveAnswer(fault: Fault, answer: Answer | null, socket: Socket, response: ServerResponse): void {
  switch (fault.kind) {
    case 'cut-after':
      return cut(socket, fault.style);
    case 'garbage':
      socket.end(fault.bytes ?? '\u0000\u0001 this is not HTTP\r\n\r\n');
      return;
    case 'answer': {
      const headers = Object.entries({ 'content-type': 'text/html', ...fault.headers }).flat();
      return respond(response, { status: fault.status ?? 200, headers, body: Buffer.from(fault.body ?? '') });
    }
    default:
      if (answer) respond(response, answer, fault.kind === 'stall-answer');
  }
}

function respond(response: ServerResponse, answer: Answer, stall = false): void {
  if (response.destroyed) return;
  response.sendDate = false;
  const length = response.req.method === 'HEAD' ? [] : ['content-length', String(answer.body.length)];
  response.writeHead(answer.status, [...answer.headers, ...length]);
  if (stall) response.write(answer.body.subarray(0, answer.body.length >> 1));
  else response.end(answer.body);
}

export function cut(socket: Socket, style: CutStyle = 'reset'): void {
  // Node never closes a socket that is reset while its FIN is under way: the process would spin at its end.
  if (style === 'reset' && !socket.writableEnded) socket.resetAndDestroy();
  else socket.destroy();
}

function withoutHopByHop(rawHeaders: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const [name = '', value = ''] = rawHeaders.slice(i, i + 2);
    if (!HOP_BY_HOP.has(name.toLowerCase())) kept.push(name, value);
  }
  return kept;
}

async function readAll(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
