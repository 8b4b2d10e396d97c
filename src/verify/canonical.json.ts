/**
 * JSON text in one spelling: members in order of their names, no white space, numbers by value. Two texts say the same
 * exactly when their canonical forms are equal. Numbers stay text: as JavaScript's they would lose digits, and two
 * different documents would look alike.
 * Throws `SyntaxError` where the text is no JSON.
 */
export function canonicalJson(text: string): string {
  const reader = new CanonicalReader(text);
  return reader.whole();
}

const SPACE = /[ \t\r\n]*/y;
const STRING = /"(?:[^"\\]|\\.)*"/y;
const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /true|false|null/y;

class CanonicalReader {
  private at = 0;

  constructor(private readonly text: string) {}

  whole(): string {
    const value = this.value();
    this.take(SPACE);
    if (this.at < this.text.length) throw new SyntaxError(`unexpected text at ${this.at}`);
    return value;
  }

  private value(): string {
    this.take(SPACE);
    switch (this.text[this.at]) {
      case '{':
        return this.object();
      case '[':
        return this.array();
      case '"':
        return this.string();
      default: {
        const number = this.take(NUMBER);
        return number === '' ? this.must(WORD) : canonicalNumber(number);
      }
    }
  }

  private object(): string {
    // The last of several members with one name counts, as for every reader of JSON that takes them at all.
    const members = new Map<string, string>();
    this.list('}', () => {
      const name = this.string();
      this.take(SPACE);
      this.expect(':');
      members.set(name, this.value());
    });
    const names = [...members.keys()].sort();
    return `{${names.map((name) => `${name}:${members.get(name)}`).join(',')}}`;
  }

  private array(): string {
    const items: string[] = [];
    this.list(']', () => items.push(this.value()));
    return `[${items.join(',')}]`;
  }

  private list(end: string, item: () => void): void {
    this.at += 1;
    this.take(SPACE);
    if (this.text[this.at] === end) {
      this.at += 1;
      return;
    }
    for (;;) {
      this.take(SPACE);
      item();
      this.take(SPACE);
      if (this.text[this.at] === end) break;
      this.expect(',');
    }
    this.at += 1;
  }

  private string(): string {
    return JSON.stringify(JSON.parse(this.must(STRING)));
  }

  private expect(character: string): void {
    if (this.text[this.at] !== character) throw new SyntaxError(`expected ${character} at ${this.at}`);
    this.at += 1;
  }

  private must(pattern: RegExp): string {
    const token = this.take(pattern);
    if (token === '') throw new SyntaxError(`unexpected text at ${this.at}`);
    return token;
  }

  private take(pattern: RegExp): string {
    pattern.lastIndex = this.at;
    const token = pattern.exec(this.text)?.[0] ?? '';
    this.at += token.length;
    return token;
  }
}

/** Digits without zeros at either end, and a power of ten. */
function canonicalNumber(text: string): string {
  const [, sign, whole, fraction = '', exponent = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text)!;
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  const significant = digits.replace(/0+$/, '');
  if (significant === '') return '0';
  const power = BigInt(exponent) - BigInt(fraction.length) + BigInt(digits.length - significant.length);
  return `${sign}${significant}e${power}`;
}
