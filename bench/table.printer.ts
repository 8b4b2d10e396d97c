import { type CellSummary, findCell, type Spread } from './cell.summary.js';
import type { Ratio } from './ratio.list.js';

/** A Markdown table: it reads as well in a terminal as in the docs. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((cell, at) => Math.max(cell.length, ...rows.map((row) => row[at]!.length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, at) => (at < 2 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!))).join(' | ')} |`;
  const rule = `| ${widths.map((width, at) => (at < 2 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  return [line(head), rule, ...rows.map(line)].join('\n');
}

export function cellTable(cells: readonly CellSummary[]): string {
  const order = new Map([...cells.keys()].map((at) => [cells[at]!, at]));
  const groups = [...new Set(cells.map(({ operation }) => operation))];
  const sorted = [...cells].sort(
    (a, b) =>
      groups.indexOf(a.operation) - groups.indexOf(b.operation) ||
      a.concurrency - b.concurrency ||
      order.get(a)! - order.get(b)!,
  );
  const head = [
    'what',
    'operation',
    'callers',
    'ops/s',
    'x dual',
    'p50 ms',
    'p95 ms',
    'p99 ms',
    'node',
    'mysqld',
    'es',
  ];
  const rows = sorted.map((cell) => [
    cell.peer,
    cell.operation,
    String(cell.concurrency),
    withSpread(cell.opsPerSecond, 0),
    overDual(cells, cell),
    withSpread(cell.p50Ms, 2),
    withSpread(cell.p95Ms, 1),
    withSpread(cell.p99Ms, 1),
    withSpread(cell.nodeCpu, 3, false),
    withSpread(cell.mysqldCpu, 3, false),
    withSpread(cell.elasticsearchCpu, 3, false),
  ]);
  return markdownTable(head, rows);
}

export function ratioTable(ratios: readonly Ratio[]): string {
  const rows = ratios.map(({ name, value, goal, reached }) => [name, value.toFixed(3), goal, reached ? 'yes' : 'NO']);
  return markdownTable(['ours over the peer', 'ratio', 'goal', 'reached'], rows);
}

/** What only some cells have. */
export function remarks(cells: readonly CellSummary[]): string[] {
  const lines: string[] = [];
  for (const cell of cells) {
    const name = `${cell.peer} ${cell.operation} at ${cell.concurrency}`;
    if (cell.visibleP99Ms && cell.visibleP50Ms) {
      const times = `p50 ${withSpread(cell.visibleP50Ms, 0)} ms, p99 ${withSpread(cell.visibleP99Ms, 0)} ms`;
      lines.push(`${name}: commit to index ${times}; sustained ${withSpread(cell.sustainedPerSecond ?? null, 0)}/s`);
    }
    if (cell.overTypeorm) lines.push(`${name}: time over TypeORM's ${withSpread(cell.overTypeorm, 3)}`);
    if (cell.peer === 'ours-many') {
      const steps = findCell(cells, 'floor-steps-500', cell.operation, cell.concurrency);
      if (steps)
        lines.push(`${name}: ${(cell.opsPerSecond.median / steps.opsPerSecond.median).toFixed(2)} of the bare steps`);
    }
    if (cell.failed > 0) lines.push(`${name}: ${cell.failed} operations failed`);
  }
  return lines;
}

function overDual(cells: readonly CellSummary[], cell: CellSummary): string {
  const dual = findCell(cells, 'dual-write', cell.operation, cell.concurrency);
  if (!dual || cell.peer.startsWith('floor')) return '';
  return (cell.opsPerSecond.median / dual.opsPerSecond.median).toFixed(2);
}

function withSpread(spread: Spread | null, digits: number, range = true): string {
  if (!spread) return '-';
  const { median, min, max } = spread;
  if (!range || min === max) return median.toFixed(digits);
  return `${median.toFixed(digits)} (${min.toFixed(digits)}–${max.toFixed(digits)})`;
}
