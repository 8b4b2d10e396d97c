import { stdout } from 'node:process';
import type { DocumentView, RowView } from './store.view.js';

const WIDTH = 96;
const LABEL_WIDTH = 13;
const MAX_TITLE = 44;

type Style = 'bold' | 'dim' | 'green' | 'red' | 'yellow' | 'cyan';
const CODES: Readonly<Record<Style, number>> = { bold: 1, dim: 2, green: 32, red: 31, yellow: 33, cyan: 36 };

/** Narrow output for people; colours only on a terminal that wants them. */
export class StoryPrinter {
  /** How many checks did not hold. */
  failed = 0;
  private readonly colours = stdout.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb';

  /** @param isOver after a Ctrl-C whatever fails would only look like a result */
  constructor(private readonly isOver: () => boolean) {}

  style(style: Style, text: string): string {
    return this.colours ? `\u001B[${CODES[style]}m${text}\u001B[0m` : text;
  }

  line(text = ''): void {
    if (!this.isOver()) stdout.write(`${text}\n`);
  }

  heading(text: string): void {
    this.line(`\n${this.style('bold', `── ${text} ${'─'.repeat(Math.max(2, WIDTH - text.length - 4))}`)}`);
  }

  /** A paragraph, wrapped. */
  say(text: string): void {
    let line = ' ';
    for (const word of text.split(' ')) {
      if (line.length + word.length >= WIDTH) {
        this.line(line);
        line = ' ';
      }
      line += ` ${word}`;
    }
    this.line(line);
  }

  fact(label: string, text: string): void {
    this.line(`  ${this.style('dim', label.padEnd(LABEL_WIDTH))}${text}`);
  }

  row({ state, version, title, operation, secondsLeft }: RowView): void {
    const shown = this.style(state === 'commit' ? 'green' : 'yellow', state.padEnd(8));
    const left = Number(secondsLeft) > 0 ? `, ${secondsLeft} s left` : ', deadline passed';
    const pending = operation === null ? '' : this.style('yellow', ` pending ${operation}${left}`);
    this.fact('row', `${shown}v${version}  ${quoted(title)}`);
    if (pending) this.fact('', `        ${pending}`);
  }

  document({ version, title, marker }: DocumentView): void {
    const restored = marker === null ? '' : this.style('cyan', `restored at v${marker}`);
    this.fact('document', `        v${version}  ${quoted(title)}`);
    if (restored) this.fact('', `         ${restored}`);
  }

  reader(body: Readonly<Record<string, unknown>>): void {
    const { version } = (body.consistency ?? {}) as { version?: number };
    this.fact('a reader gets', ` ${''.padEnd(7)}v${version}  ${quoted(String(body.title))}`);
  }

  /** What must be true for the story to be told. */
  check(holds: boolean, text: string): void {
    if (!holds) this.failed += 1;
    this.line(`  ${holds ? this.style('green', '✓') : this.style('red', '✗ NOT SO:')} ${text}`);
  }
}

function quoted(title: string): string {
  return `"${title.length <= MAX_TITLE ? title : `${title.slice(0, MAX_TITLE - 1)}…`}"`;
}
