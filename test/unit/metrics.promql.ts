const TOKEN =
  /\s+|(?<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?<duration>\d+(?:ms|[smhdwy])|\$__rate_interval)|(?<number>\d+(?:\.\d+)?)|(?<name>[a-zA-Z_:][a-zA-Z0-9_:]*)|(?<operator>=~|!~|!=|==|<=|>=|[-+*/%^<>=(){}[\],])/y;
const AGGREGATIONS = new Set(['sum', 'max', 'min', 'avg', 'count']);
const FUNCTIONS = new Set(['rate', 'increase', 'time', 'vector', 'histogram_quantile']);
const BINARY = new Set(['+', '-', '*', '/', '%', '^', '<', '>', '==', '!=', '<=', '>=', 'or', 'and', 'unless']);

/** A metric that an expression asks for. */
export interface Selector {
  readonly name: string;
  readonly labels: readonly string[];
}

/**
 * A strict parser of the part of PromQL that the shipped rules and panels use: anything else is an error. Answers which metrics
 * are asked for, and by which labels they are matched or grouped.
 */
export class PromqlReader {
  readonly selectors: Selector[] = [];
  readonly groupings: string[] = [];
  private readonly tokens: { kind: string; text: string }[] = [];
  private at = 0;

  constructor(private readonly source: string) {
    TOKEN.lastIndex = 0;
    while (TOKEN.lastIndex < source.length) {
      const from = TOKEN.lastIndex;
      const found = TOKEN.exec(source);
      if (!found) throw new Error(`no token at ${from}: ${source.slice(from, from + 20)}`);
      const kind = Object.entries(found.groups!).find(([, text]) => text !== undefined)?.[0];
      if (kind) this.tokens.push({ kind, text: found[0] });
    }
    this.expression();
    if (this.at < this.tokens.length) this.fail('the end');
  }

  private expression(): void {
    this.operand();
    while (this.peek() !== undefined && BINARY.has(this.peek()!.text)) {
      this.at++;
      this.operand();
    }
  }

  private operand(): void {
    const token = this.peek();
    if (token?.text === '(') {
      this.at++;
      this.expression();
      this.take(')');
    } else if (token?.kind === 'number') this.at++;
    else if (token?.kind !== 'name') this.fail('an operand');
    else if (AGGREGATIONS.has(token.text)) this.aggregation();
    else if (FUNCTIONS.has(token.text)) this.call();
    else this.selector();
  }

  private aggregation(): void {
    this.at++;
    if (this.peek()?.text === 'by' || this.peek()?.text === 'without') {
      this.at++;
      this.take('(');
      do this.groupings.push(this.takeKind('name'));
      while (this.accept(','));
      this.take(')');
    }
    this.take('(');
    this.expression();
    this.take(')');
  }

  private call(): void {
    this.at++;
    this.take('(');
    if (this.accept(')')) return;
    do this.expression();
    while (this.accept(','));
    this.take(')');
  }

  private selector(): void {
    const name = this.takeKind('name');
    const labels: string[] = [];
    if (this.accept('{')) {
      do {
        labels.push(this.takeKind('name'));
        if (!['=', '!=', '=~', '!~'].includes(this.peek()?.text ?? '')) this.fail('a matcher');
        this.at++;
        this.takeKind('string');
      } while (this.accept(','));
      this.take('}');
    }
    if (this.accept('[')) {
      this.takeKind('duration');
      this.take(']');
    }
    this.selectors.push({ name, labels });
  }

  private peek() {
    return this.tokens[this.at];
  }

  private accept(text: string): boolean {
    if (this.peek()?.text !== text) return false;
    this.at++;
    return true;
  }

  private take(text: string): void {
    if (!this.accept(text)) this.fail(text);
  }

  private takeKind(kind: string): string {
    const token = this.peek();
    if (token?.kind !== kind) this.fail(kind);
    this.at++;
    return token!.text;
  }

  private fail(wanted: string): never {
    throw new Error(`${this.source}: wanted ${wanted}, not ${this.peek()?.text ?? 'the end'}`);
  }
}
