/** How a connection ends: `reset` sends RST (the client sees ECONNRESET), `close` sends FIN ("other side closed"). */
export type CutStyle = 'reset' | 'close';

/** What the proxy does with a request. All times are in milliseconds. */
export type Fault =
  /** Nothing. Useful with a predicate, to let some requests through before a wider rule. */
  | { readonly kind: 'pass' }
  /** Delivers the request late, or the answer. A client that goes away meanwhile does not stop the delivery. */
  | { readonly kind: 'delay'; readonly requestMs?: number; readonly answerMs?: number }
  /** Cuts the client's connection; the server never sees the request. */
  | { readonly kind: 'cut-before'; readonly style?: CutStyle }
  /** The server gets the request and answers; the client's connection is cut instead of the answer. */
  | { readonly kind: 'cut-after'; readonly style?: CutStyle }
  /** Keeps the request until `release()`, even when the client has long given up: a message that arrives late. */
  | { readonly kind: 'hold' }
  /** Swallows the request. No answer, and the connection stays open. */
  | { readonly kind: 'black-hole' }
  /**
   * HTTP only. The proxy answers, as a gateway in front of the server would. `forward: true`: the server gets the
   * request first and its answer is thrown away. Default status 200, `content-type: text/html`.
   */
  | {
      readonly kind: 'answer';
      readonly status?: number;
      readonly body?: string;
      readonly headers?: Readonly<Record<string, string>>;
      readonly forward?: boolean;
    }
  /** HTTP only. Forwards, then answers these bytes instead of HTTP and closes. `forward: false`: without forwarding. */
  | { readonly kind: 'garbage'; readonly bytes?: string; readonly forward?: boolean }
  /** HTTP only. Forwards, sends the answer's headers and half its body, and then nothing. */
  | { readonly kind: 'stall-answer' };

type TextMatch = string | RegExp | ((text: string) => boolean);

/** Which requests a fault is for. Left out means any. A string must be contained. */
export interface RequestMatch {
  /** HTTP only. Upper case. */
  readonly method?: string;
  /** HTTP only. The path with its query string. */
  readonly path?: TextMatch;
  /** The request's body; for a TCP proxy the bytes of one read, as UTF-8. */
  readonly body?: TextMatch;
  /** How many requests get the fault; afterwards the rule is spent. Default: every one, until it is removed. */
  readonly times?: number;
}

/** A fault that was switched on. */
export interface Injection {
  /** How many requests got it so far. */
  readonly hits: number;
  /** Resolves when that many requests (default 1) have got it. Rejects when the proxy stops before. */
  reached(hits?: number): Promise<void>;
  /** Switches it off. */
  remove(): void;
}

/** A request that the proxy saw. For a TCP proxy each read from a client counts as one, with method and path empty. */
export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  /** UTF-8, its first 64 KiB. */
  readonly body: string;
  readonly fault: Fault['kind'];
  /** True once the server was given the request. */
  forwarded: boolean;
  /** HTTP only: the server's answer, once it is there. */
  status?: number;
}
