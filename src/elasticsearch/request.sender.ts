import type { Client } from '@elastic/elasticsearch';
import { startTrace, TRACE_HEADER } from './request.trace.js';
import type { TraceSource } from './request.trace.js';
import { SendFailure } from './send.failure.js';

export interface SendOptions {
  /** Time limit for the answer's headers, in ms. The body gets `BODY_GRACE_MS` more. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

type RequestParams = Parameters<Client['transport']['request']>[0];

/**
 * The client clears its timer once the headers are there, so a body that stalls would hang for ever (client 9 has no
 * other limit). A second timer covers it. It comes a little later so that, on an ordinary timeout, the client's own timer
 * wins: that one also marks the node as dead, and the next request goes to another.
 */
const BODY_GRACE_MS = 50;

/** Sends one request through the user's client: no retries, a hard deadline, and proof of what was never sent. */
export class RequestSender {
  private readonly source: TraceSource = { announces: false };

  constructor(private readonly client: Client) {}

  /**
   * The answer's body.
   * @throws SendFailure whatever goes wrong.
   */
  send(params: RequestParams, { timeoutMs, signal }: SendOptions): Promise<unknown> {
    const trace = startTrace(this.source);
    const controller = new AbortController();
    return new Promise((resolve, reject) => {
      const fail = (message: string, cause?: unknown): void => {
        const progress = trace.progress();
        finish();
        reject(new SendFailure(message, progress, cause));
      };
      const giveUp = (message: string): void => {
        // Abort first: after it, what has not been sent never will be, so the proof below stays true.
        controller.abort();
        fail(message);
      };
      const onAbort = (): void => giveUp('the call was given up');
      const timer = setTimeout(() => giveUp(`no answer within ${timeoutMs} ms`), timeoutMs + BODY_GRACE_MS);
      const finish = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        trace.end();
      };
      if (signal?.aborted) return onAbort();
      signal?.addEventListener('abort', onAbort, { once: true });
      const options = {
        signal: controller.signal,
        requestTimeout: timeoutMs,
        maxRetries: 0,
        headers: { [TRACE_HEADER]: trace.id },
      };
      this.client.transport.request(params, options).then(
        (body) => {
          finish();
          resolve(body);
        },
        (error: unknown) => fail(error instanceof Error ? error.message : String(error), error),
      );
    });
  }
}
