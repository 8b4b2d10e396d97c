import { subscribe } from 'node:diagnostics_channel';

/**
 * Proof that a request never left this process.
 *
 * The client turns every socket error into `new ConnectionError(err.message)`: code and cause are lost, and the message
 * is empty when both addresses of `localhost` refuse (an AggregateError). A message is weak proof anyway. undici, on the
 * other hand, announces each request (`undici:request:create`) and the moment before its first byte is written
 * (`undici:client:sendHeaders`). A request that was announced and then failed without the second event was never sent,
 * whatever went wrong: no connection, TLS, a full pool, our own deadline. This works for any client a user hands us.
 *
 * While all connections are busy a request waits unannounced. So a client that has announced one request before is
 * believed about the others too. No announcement ever (HttpConnection, another runtime) is no proof; the classifier then
 * falls back to strict messages.
 */
export const TRACE_HEADER = 'x-nest-consistent-request';

/** `untraced`: the client's HTTP layer tells us nothing. `sent`: at least the first byte was about to be written. */
export type SendProgress = 'never-sent' | 'sent' | 'untraced';

/** What is known of a client's HTTP layer. One for each client. */
export interface TraceSource {
  announces: boolean;
}

export interface RequestTrace {
  /** Send this as the `TRACE_HEADER` header. */
  readonly id: string;
  /** How far the request got. Read it when the request has failed. */
  progress(): SendProgress;
  /** Forgets the request. Must be called once, whatever happened. */
  end(): void;
}

interface TraceState {
  readonly source: TraceSource;
  announced: boolean;
  sent: boolean;
  http2: boolean;
}

interface UndiciRequest {
  readonly headers?: unknown;
  readonly origin?: unknown;
}

const open = new Map<string, TraceState>();
const byRequest = new WeakMap<object, TraceState>();
// undici 6 announces nothing before it writes over HTTP/2, so silence proves nothing there.
const http2Hosts = new Set<string>();
let last = 0;
let listening = false;

export function startTrace(source: TraceSource): RequestTrace {
  listen();
  const id = `${process.pid}-${(last += 1)}`;
  const state: TraceState = { source, announced: false, sent: false, http2: false };
  open.set(id, state);
  return {
    id,
    progress: () => progressOf(state),
    end: () => void open.delete(id),
  };
}

function progressOf({ source, announced, sent, http2 }: TraceState): SendProgress {
  if (sent) return 'sent';
  const believed = announced ? !http2 : source.announces && http2Hosts.size === 0;
  return believed ? 'never-sent' : 'untraced';
}

function listen(): void {
  if (listening) return;
  listening = true;
  subscribe('undici:request:create', (message) => announce((message as { request: UndiciRequest }).request));
  subscribe('undici:client:sendHeaders', (message) => {
    const state = byRequest.get((message as { request: object }).request);
    if (state) state.sent = true;
  });
  subscribe('undici:client:connected', (message) => {
    const { connectParams } = message as { connectParams?: { version?: string; host?: string } };
    if (connectParams?.version === 'h2' && connectParams.host) http2Hosts.add(connectParams.host);
  });
}

function announce(request: UndiciRequest): void {
  if (open.size === 0) return;
  const id = traceId(request.headers);
  const state = id === undefined ? undefined : open.get(id);
  if (!state) return;
  state.announced = true;
  state.source.announces = true;
  state.http2 = http2Hosts.size > 0 && http2Hosts.has(hostOf(request.origin));
  byRequest.set(request, state);
}

/** undici keeps headers as a flat list: name, value, name, value … */
function traceId(headers: unknown): string | undefined {
  if (!Array.isArray(headers)) return undefined;
  for (let i = headers.length - 2; i >= 0; i -= 2) {
    if (headers[i] === TRACE_HEADER) return String(headers[i + 1]);
  }
  return undefined;
}

function hostOf(origin: unknown): string {
  try {
    return new URL(String(origin)).host;
  } catch {
    return '';
  }
}
