import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import { connect, createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Server as TcpServer, Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { FaultProxy } from '../../src/testing/index.js';

const agent = new Agent({ keepAlive: true, maxSockets: 1 });
let http: Server;
let tcp: TcpServer;
/** What really arrived, in order. */
const arrived: string[] = [];

async function listen(server: TcpServer): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** `once(socket, 'close')` would reject on the reset that is expected here. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

async function textOf(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

function send(url: string, path: string, body = '', options: { chunked?: boolean; signal?: AbortSignal } = {}) {
  return new Promise<{ status: number; body: string; port: number }>((resolve, reject) => {
    const { signal } = options;
    const call = request(`${url}${path}`, { method: 'POST', agent, ...(signal ? { signal } : {}) }, (answer) => {
      const port = answer.socket.localPort ?? 0;
      textOf(answer).then((text) => resolve({ status: answer.statusCode ?? 0, body: text, port }), reject);
    });
    call.on('error', reject);
    if (options.chunked) {
      call.write(body.slice(0, 3));
      call.end(body.slice(3));
    } else {
      call.end(body);
    }
  });
}

beforeAll(async () => {
  http = createServer((incoming, response) => {
    void textOf(incoming).then((body) => {
      arrived.push(body);
      response.setHeader('x-served', 'yes');
      response.end(`echo:${body}`);
    });
  });
  tcp = createTcpServer((socket) => {
    socket
      .on('error', () => undefined)
      .on('data', (chunk) => {
        arrived.push(chunk.toString());
        socket.write(`echo:${chunk.toString()}`);
      });
  });
  await listen(http);
  await listen(tcp);
});

afterAll(() => {
  agent.destroy();
  http.close();
  http.closeAllConnections();
  tcp.close();
});

describe('FaultProxy over HTTP', () => {
  let proxy: FaultProxy;

  beforeEach(async () => {
    arrived.length = 0;
    proxy = new FaultProxy(`http://127.0.0.1:${(http.address() as AddressInfo).port}`);
    await proxy.start();
  });
  afterEach(() => proxy.stop());

  it('passes requests on, by length or chunked, and keeps the connection', async () => {
    const first = await send(proxy.url, '/a?x=1', 'one');
    const second = await send(proxy.url, '/b', 'second', { chunked: true });
    expect(first).toMatchObject({ status: 200, body: 'echo:one' });
    expect(second).toMatchObject({ status: 200, body: 'echo:second', port: first.port });
    expect(proxy.requests).toEqual([
      { method: 'POST', path: '/a?x=1', body: 'one', fault: 'pass', forwarded: true, status: 200 },
      { method: 'POST', path: '/b', body: 'second', fault: 'pass', forwarded: true, status: 200 },
    ]);
  });

  it('picks requests by method, path, body and count', async () => {
    proxy.inject({ kind: 'answer', status: 429 }, { path: '/a', body: /^x/, method: 'POST', times: 1 });
    proxy.inject({ kind: 'answer', status: 500 }, { body: (body) => body.length > 5 });
    const ask = async (path: string, body: string) => (await send(proxy.url, path, body)).status;
    expect(await ask('/b', 'x')).toBe(200);
    expect(await ask('/a', 'yx')).toBe(200);
    expect(await ask('/a', 'x')).toBe(429);
    expect(await ask('/a', 'x')).toBe(200);
    expect(await ask('/a', 'xxxxxxx')).toBe(500);
    proxy.clear();
    expect(await ask('/a', 'xxxxxxx')).toBe(200);
    expect(arrived).toEqual(['x', 'yx', 'x', 'xxxxxxx']);
  });

  it('cuts before: the server never sees it', async () => {
    proxy.inject({ kind: 'cut-before' }, { times: 1 });
    await expect(send(proxy.url, '/', 'lost')).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(arrived).toEqual([]);
    expect(await send(proxy.url, '/', 'next')).toMatchObject({ status: 200 });
  });

  it('cuts after: the server has it', async () => {
    const cut = proxy.inject({ kind: 'cut-after', style: 'close' }, { times: 1 });
    await expect(send(proxy.url, '/', 'landed')).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(arrived).toEqual(['landed']);
    expect(cut.hits).toBe(1);
    expect(proxy.requests[0]).toMatchObject({ fault: 'cut-after', forwarded: true, status: 200 });
  });

  it('holds, and delivers after the client has gone', async () => {
    const hold = proxy.inject({ kind: 'hold' }, { times: 1 });
    const controller = new AbortController();
    const gone = expect(send(proxy.url, '/', 'late', { signal: controller.signal })).rejects.toThrow();
    await hold.reached();
    controller.abort();
    await gone;
    await send(proxy.url, '/', 'early');
    expect([proxy.held, ...arrived]).toEqual([1, 'early']);
    expect(await proxy.release()).toBe(1);
    expect(arrived).toEqual(['early', 'late']);
  });

  it('answers a held request when the client is still there', async () => {
    const hold = proxy.inject({ kind: 'hold' }, { times: 1 });
    const answer = send(proxy.url, '/', 'patient');
    await hold.reached();
    await proxy.release();
    expect(await answer).toMatchObject({ status: 200, body: 'echo:patient' });
  });

  it('delays requests and answers', async () => {
    proxy.inject({ kind: 'delay', requestMs: 20, answerMs: 20 });
    expect(await send(proxy.url, '/', 'slow')).toMatchObject({ status: 200, body: 'echo:slow' });
  });

  it('swallows requests, and stalls in the middle of an answer', async () => {
    const holes = [proxy.inject({ kind: 'black-hole' }, { path: '/hole' }), proxy.inject({ kind: 'stall-answer' }, {})];
    for (const [at, path] of ['/hole', '/stall'].entries()) {
      const controller = new AbortController();
      const stuck = expect(send(proxy.url, path, path, { signal: controller.signal })).rejects.toThrow();
      await holes[at]?.reached();
      controller.abort();
      await stuck;
    }
    expect(proxy.requests.map(({ forwarded }) => forwarded)).toEqual([false, true]);
  });

  it('replaces an answer, or writes garbage', async () => {
    proxy.inject({ kind: 'answer', status: 502, body: 'bad gateway', forward: true }, { times: 1 });
    proxy.inject({ kind: 'garbage' }, { times: 1 });
    expect(await send(proxy.url, '/', 'one')).toMatchObject({ status: 502, body: 'bad gateway' });
    await expect(send(proxy.url, '/', 'two')).rejects.toMatchObject({ code: 'HPE_INVALID_CONSTANT' });
    expect(arrived).toEqual(['one', 'two']);
  });

  it('refuses connections and comes back on the same port', async () => {
    const { port } = proxy;
    await send(proxy.url, '/', 'one');
    await proxy.refuse();
    await proxy.refuse();
    // An idle connection may not have noticed yet that it was cut.
    agent.destroy();
    await expect(send(proxy.url, '/', 'two')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await proxy.start();
    await proxy.start();
    expect(proxy.port).toBe(port);
    expect(await send(proxy.url, '/', 'three')).toMatchObject({ status: 200 });
    await proxy.stop();
    await proxy.stop();
    agent.destroy();
    await expect(send(proxy.url, '/', 'four')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('tells who waits for a fault that will never come', async () => {
    const waiting = expect(proxy.inject({ kind: 'pass' }).reached()).rejects.toThrow('stopped');
    await proxy.stop();
    await waiting;
  });

  it('refuses figures with which a fault would silently do nothing', () => {
    for (const figure of [Number.NaN, -1]) {
      expect(() => proxy.inject({ kind: 'delay', requestMs: figure })).toThrow(RangeError);
      expect(() => proxy.inject({ kind: 'delay', answerMs: figure })).toThrow(RangeError);
      expect(() => proxy.inject({ kind: 'cut-before' }, { times: figure })).toThrow(RangeError);
    }
  });
});

describe('FaultProxy over TCP', () => {
  let proxy: FaultProxy;
  let client: Socket;

  beforeEach(async () => {
    arrived.length = 0;
    proxy = new FaultProxy(`mysql://root:secret@127.0.0.1:${(tcp.address() as AddressInfo).port}/shop`);
    await proxy.start();
    client = connect(proxy.port, '127.0.0.1');
    client.on('error', () => undefined);
  });
  afterEach(async () => {
    client.destroy();
    await proxy.stop();
  });

  async function ask(text: string): Promise<string> {
    client.write(text);
    const [chunk] = (await once(client, 'data')) as [Buffer];
    return chunk.toString();
  }

  it('keeps the rest of the URL and passes bytes on', async () => {
    expect(proxy.url).toBe(`mysql://root:secret@127.0.0.1:${proxy.port}/shop`);
    expect(await ask('hello')).toBe('echo:hello');
    expect(proxy.requests).toMatchObject([{ method: '', path: '', body: 'hello', forwarded: true }]);
    expect(() => proxy.inject({ kind: 'answer', status: 503 })).toThrow('http');
    expect(() => new FaultProxy('tcp://127.0.0.1')).toThrow(TypeError);
  });

  it('delays, then cuts before or after', async () => {
    proxy.inject({ kind: 'delay', requestMs: 10, answerMs: 10 }, { body: 'slow' });
    expect(await ask('slow')).toBe('echo:slow');
    proxy.inject({ kind: 'cut-after' }, { body: 'COMMIT' });
    client.write('COMMIT');
    await closed(client);
    expect(arrived).toEqual(['slow', 'COMMIT']);
    client = connect(proxy.port, '127.0.0.1');
    client.on('error', () => undefined);
    proxy.inject({ kind: 'cut-before' }, { body: 'never' });
    client.write('never');
    await closed(client);
    expect(arrived).toEqual(['slow', 'COMMIT']);
  });

  it('holds bytes and delivers them after the client has gone', async () => {
    await ask('hello');
    const hold = proxy.inject({ kind: 'hold' }, { times: 1 });
    client.write('COMMIT');
    await hold.reached();
    client.destroy();
    await closed(client);
    expect([proxy.held, ...arrived]).toEqual([1, 'hello']);
    await proxy.release();
    expect(arrived).toEqual(['hello', 'COMMIT']);
  });

  it('swallows, cuts all and refuses', async () => {
    const hole = proxy.inject({ kind: 'black-hole' }, { times: 1 });
    client.write('lost');
    await hole.reached();
    proxy.cutAll();
    await closed(client);
    await proxy.refuse();
    client = connect(proxy.port, '127.0.0.1');
    const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException];
    expect([error.code, ...arrived]).toEqual(['ECONNREFUSED']);
  });
});
