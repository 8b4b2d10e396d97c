import CliTable from 'cli-table3';
import { printable } from './printable.text.js';

export type Cell = string | number | null;

/** Where a table is shown. */
export interface TableStyle {
  /** Of the terminal, in characters; null where there is none. */
  readonly width: number | null;
  readonly bold: (text: string) => string;
}

/** Tried in this order: with blanks beside the texts, then without; and how narrow a column may become for it. */
const LAYOUTS = [
  { padding: 1, least: 12 },
  { padding: 0, least: 8 },
] as const;

/**
 * Lines and boxes on a terminal, no wider than that; where even that is too narrow, a list for each row. Elsewhere columns divided by
 * tabs, for `cut` and `awk`.
 */
export function printTable(
  head: readonly string[],
  rows: readonly (readonly Cell[])[],
  { width, bold }: TableStyle,
): string {
  const texts = rows.map((row) => row.map((cell) => (cell === null ? '-' : printable(String(cell)))));
  if (width === null) return [head, ...texts].map((row) => row.map(oneLine).join('\t')).join('\n');
  const fitting = LAYOUTS.map(({ padding, least }) => ({
    padding,
    widths: fittingWidths(head, texts, width - 2 * padding * head.length, least),
  })).find(({ widths }) => widths !== null);
  if (!fitting) return texts.map((row) => asList(head, row, bold)).join('\n\n');
  const { padding } = fitting;
  const widths = fitting.widths!;
  const table = new CliTable({
    head: [],
    colWidths: widths.map((one) => one + 2 * padding),
    // Colours are ours: the package does not ask whether they are wanted.
    style: { head: [], border: [], 'padding-left': padding, 'padding-right': padding },
  });
  const wrapped = (row: readonly string[]) => row.map((text, at) => wrap(text, widths[at]!));
  table.push(
    wrapped(head).map((text) => text.split('\n').map(bold).join('\n')),
    ...texts.map(wrapped),
  );
  return table.toString();
}

/** Of the texts alone. Takes from the widest column until all fit; null where they cannot. */
function fittingWidths(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  most: number,
  least: number,
): number[] | null {
  const longest = (text: string): number => Math.max(...text.split('\n').map((line) => line.length));
  const widths = head.map((name, at) => Math.max(...[name, ...rows.map((row) => row[at]!)].map(longest)));
  const borders = head.length + 1;
  let excess = widths.reduce((sum, width) => sum + width, borders) - most;
  while (excess > 0) {
    const widest = widths.indexOf(Math.max(...widths));
    if (widths[widest]! <= least) return null;
    widths[widest]!--;
    excess--;
  }
  return widths;
}

/** At blanks where there are some; nothing is left out. */
function wrap(text: string, width: number): string {
  const lines: string[] = [];
  for (const given of text.split('\n')) {
    let rest = given;
    while (rest.length > width) {
      const blank = rest.lastIndexOf(' ', width);
      const end = blank > 0 ? blank : wholeCharacters(rest, width);
      lines.push(rest.slice(0, end));
      rest = rest.slice(blank > 0 ? end + 1 : end);
    }
    lines.push(rest);
  }
  return lines.join('\n');
}

/** Not through the middle of a surrogate pair. */
function wholeCharacters(text: string, width: number): number {
  return /[\ud800-\udbff]/.test(text[width - 1]!) ? width - 1 : width;
}

function asList(head: readonly string[], row: readonly string[], bold: (text: string) => string): string {
  return row.map((text, at) => `${bold(head[at]!)}: ${oneLine(text)}`).join('\n');
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ');
}
