import { type CellSummary, findCell } from './cell.summary.js';
import type { Operation, Peer } from './cell.types.js';

const SHOWN: readonly (readonly [peer: Peer, label: string, color: string])[] = [
  ['dual-write', 'dual write', '#9aa0a6'],
  ['held-transaction', 'transaction held open', '#c8ccd0'],
  ['outbox', 'outbox with relay', '#e0a458'],
  ['ours-committed', 'nest-consistent, committed', '#1a73b8'],
  ['ours-indexed', 'nest-consistent, indexed', '#7ab8e6'],
];
const CONCURRENCIES = [1, 16, 64, 256];
const [WIDTH, PANEL, HEIGHT, TOP, LEFT] = [900, 450, 380, 70, 60];
const PLOT_HEIGHT = 250;
const BAR = 14;
const STEPS = 4;

/** Operations a second by number of callers, inserts on the left and updates on the right; whiskers show min and max. */
export function throughputChart(cells: readonly CellSummary[]): string {
  const most = Math.max(
    1,
    ...cells
      .filter(({ peer, concurrency }) => SHOWN.some(([shown]) => shown === peer) && CONCURRENCIES.includes(concurrency))
      .map(({ opsPerSecond }) => opsPerSecond.max),
  );
  const top = Math.ceil(most / 2_000) * 2_000;
  const panels = (['insert', 'update'] as const).map((operation, at) => panel(cells, operation, at * PANEL, top));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="12" role="img">`,
    '<title>Operations a second by number of concurrent callers</title>',
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    ...legend(),
    ...panels.flat(),
    '</svg>',
    '',
  ].join('\n');
}

function legend(): string[] {
  return SHOWN.flatMap(([, label, color], at) => {
    const x = 16 + at * 176;
    return [
      `<rect x="${x}" y="12" width="12" height="12" fill="${color}"/>`,
      `<text x="${x + 18}" y="22" fill="#202124">${label}</text>`,
    ];
  });
}

function panel(cells: readonly CellSummary[], operation: Operation, left: number, top: number): string[] {
  const parts = [`<text x="${left + LEFT}" y="52" font-weight="600" fill="#202124">${operation}s a second</text>`];
  const bottom = TOP + PLOT_HEIGHT;
  const y = (value: number) => bottom - (value / top) * PLOT_HEIGHT;
  for (let step = 0; step <= STEPS; step++) {
    const value = (top / STEPS) * step;
    parts.push(
      `<line x1="${left + LEFT}" x2="${left + PANEL - 10}" y1="${y(value)}" y2="${y(value)}" stroke="#e3e6e8"/>`,
      `<text x="${left + LEFT - 6}" y="${y(value) + 4}" text-anchor="end" fill="#5f6368">${value.toLocaleString('en')}</text>`,
    );
  }
  CONCURRENCIES.forEach((concurrency, group) => {
    const start = left + LEFT + 12 + group * ((PANEL - LEFT - 20) / CONCURRENCIES.length);
    parts.push(
      `<text x="${start + (SHOWN.length * BAR) / 2}" y="${bottom + 18}" text-anchor="middle" fill="#202124">${concurrency}</text>`,
    );
    SHOWN.forEach(([peer, , color], at) => {
      const rate = findCell(cells, peer, operation, concurrency)?.opsPerSecond;
      if (!rate) return;
      const x = start + at * BAR;
      const middle = x + BAR / 2 - 1;
      parts.push(
        `<rect x="${x}" y="${y(rate.median).toFixed(1)}" width="${BAR - 2}" height="${(bottom - y(rate.median)).toFixed(1)}" fill="${color}"/>`,
        `<line x1="${middle}" x2="${middle}" y1="${y(rate.min).toFixed(1)}" y2="${y(rate.max).toFixed(1)}" stroke="#202124"/>`,
      );
    });
  });
  parts.push(
    `<text x="${left + LEFT + (PANEL - LEFT) / 2}" y="${bottom + 38}" text-anchor="middle" fill="#5f6368">concurrent callers</text>`,
  );
  return parts;
}
