import CliTable from 'cli-table3';

export type Cell = string | number | null;

/** Lines and boxes on a terminal; elsewhere columns divided by tabs, for `cut` and `awk`. */
export function printTable(head: readonly string[], rows: readonly (readonly Cell[])[], isTerminal: boolean): string {
  const texts = rows.map((row) => row.map((cell) => (cell === null ? '-' : String(cell))));
  if (!isTerminal) return [head, ...texts].map((row) => row.map(oneLine).join('\t')).join('\n');
  const table = new CliTable({ head: [...head], style: { head: ['bold'], border: ['gray'] } });
  table.push(...texts);
  return table.toString();
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ');
}
