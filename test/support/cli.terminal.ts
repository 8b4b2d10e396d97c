import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { CLI_COMMAND } from './cli.run.js';

export interface TerminalEnd {
  readonly code: number | null;
  /** All that was written to the terminal, escape sequences included. */
  readonly screen: string;
  /** Without colours; what a carriage return went over counts as a line of its own. */
  readonly lines: string[];
}

export interface TerminalOptions {
  env: Record<string, string>;
  /** Default 80. */
  columns?: number;
}

// oxlint-disable-next-line no-control-regex
const ESCAPES = /\u001b\[[0-9;?]*[a-zA-Z]|\u001b[78]/g;
// oxlint-disable-next-line no-control-regex
const TO_LINE_START = /\u001b\[[01]?G/g;
const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

/** `nest-consistent …` as a person sees it: stdout and stderr on a pseudo-terminal of this width (`script` of util-linux makes it). */
export async function runInTerminal(args: readonly string[], options: TerminalOptions): Promise<TerminalEnd> {
  const command = [...CLI_COMMAND, ...args].map(quoted).join(' ');
  const { FORCE_COLOR: _force, NO_COLOR: _no, CI: _ci, ...env } = process.env;
  const child = spawn('script', ['-qec', `stty cols ${options.columns ?? 80} rows 24; exec ${command}`, '/dev/null'], {
    env: { ...env, TERM: 'xterm-256color', ...options.env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let screen = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (screen += text));
  const [code] = (await once(child, 'close')) as [number | null];
  const lines = screen
    .replaceAll(TO_LINE_START, '\r')
    .replaceAll(ESCAPES, '')
    .split(/\r?\n|\r/);
  return { code, screen, lines };
}
