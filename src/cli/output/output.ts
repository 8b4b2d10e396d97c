import pico from 'picocolors';
import { printTable, type Cell } from './text.table.js';

/** Of a terminal that does not tell its own. */
const DEFAULT_WIDTH = 80;

export type Paint = 'green' | 'yellow' | 'red' | 'dim' | 'bold';

/**
 * Where the answer goes. From `take` on only this writes to stdout: the application that is looked at may print what it
 * likes, and `--json` must still be one JSON value.
 */
export class Output {
  private static taken: Output | null = null;
  private colours;
  private pending: Promise<void> = Promise.resolve();

  private constructor(
    private readonly write: (text: string, done: () => void) => void,
    readonly isTerminal: boolean,
  ) {
    this.colours = pico.createColors(isTerminal && pico.isColorSupported);
  }

  static take(): Output {
    if (Output.taken) return Output.taken;
    const { stdout, stderr } = process;
    const original = stdout.write.bind(stdout);
    const write = (text: string, done: () => void) => void original(text, () => done());
    stdout.write = stderr.write.bind(stderr);
    return (Output.taken = new Output(write, stdout.isTTY === true));
  }

  withoutColour(): void {
    this.colours = pico.createColors(false);
  }

  /** Text of the answer. */
  answer(text: string): void {
    const before = this.pending;
    this.pending = new Promise<void>((resolve) => this.write(text, resolve)).then(() => before);
  }

  line(text = ''): void {
    this.answer(`${text}\n`);
  }

  /** The whole answer, for machines. */
  json(value: unknown): void {
    this.line(JSON.stringify(value));
  }

  table(head: readonly string[], rows: readonly (readonly Cell[])[]): void {
    const width = this.isTerminal ? process.stdout.columns || DEFAULT_WIDTH : null;
    this.line(printTable(head, rows, { width, bold: (text) => this.colours.bold(text) }));
  }

  paint(paint: Paint, text: string): string {
    return this.colours[paint](text);
  }

  /** A reader at the end of a pipe may be slow, and `process.exit` waits for nobody. */
  flush(): Promise<void> {
    return this.pending;
  }
}
