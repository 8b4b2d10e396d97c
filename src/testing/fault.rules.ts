import type { Fault, Injection, RecordedRequest, RequestMatch } from './fault.types.js';

const MAX_RECORDED = 10_000;
const MAX_BODY_CHARACTERS = 64 * 1024;

interface Rule {
  readonly fault: Fault;
  readonly match: RequestMatch;
  hits: number;
  readonly waiting: { readonly hits: number; readonly resolve: () => void; readonly reject: (error: Error) => void }[];
}

/** A request as the rules see it. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly body: Buffer;
}

/** The faults that are switched on, in the order they were, and the record of what they met. */
export class FaultRules {
  readonly requests: RecordedRequest[] = [];
  private rules: Rule[] = [];

  add(fault: Fault, match: RequestMatch): Injection {
    const rule: Rule = { fault, match, hits: 0, waiting: [] };
    this.rules.push(rule);
    return {
      get hits() {
        return rule.hits;
      },
      reached: (hits = 1) =>
        rule.hits >= hits
          ? Promise.resolve()
          : new Promise((resolve, reject) => rule.waiting.push({ hits, resolve, reject })),
      remove: () => {
        this.rules = this.rules.filter((other) => other !== rule);
      },
    };
  }

  clear(): void {
    this.rules = [];
  }

  /** Ends every `reached()` that nothing can fulfil any more. */
  abandon(reason: string): void {
    for (const rule of this.rules) for (const waiter of rule.waiting.splice(0)) waiter.reject(new Error(reason));
  }

  /** The first rule that matches decides; the request is recorded either way. */
  decide(request: SeenRequest): { fault: Fault; record: RecordedRequest } {
    const body = request.body.toString('utf8');
    const rule = this.rules.find((one) => isFor(one, request, body));
    const fault: Fault = rule?.fault ?? { kind: 'pass' };
    const record: RecordedRequest = {
      method: request.method,
      path: request.path,
      body: body.slice(0, MAX_BODY_CHARACTERS),
      fault: fault.kind,
      forwarded: false,
    };
    this.requests.push(record);
    if (this.requests.length > MAX_RECORDED) this.requests.shift();
    if (rule) hit(rule);
    return { fault, record };
  }
}

function hit(rule: Rule): void {
  rule.hits += 1;
  for (const waiter of rule.waiting) if (rule.hits >= waiter.hits) waiter.resolve();
}

function isFor({ match, hits }: Rule, request: SeenRequest, body: string): boolean {
  if (match.times !== undefined && hits >= match.times) return false;
  if (match.method !== undefined && match.method !== request.method) return false;
  return matches(match.path, request.path) && matches(match.body, body);
}

function matches(match: RequestMatch['path'], text: string): boolean {
  if (match === undefined) return true;
  if (typeof match === 'string') return text.includes(match);
  // `search` and not `test`: a regular expression with the flag `g` would remember where it stopped.
  return match instanceof RegExp ? text.search(match) >= 0 : match(text);
}
