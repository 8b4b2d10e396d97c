import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { LOADER } from './child.program.js';

const SOURCES = fileURLToPath(new URL('../../src/cli/cli.main.ts', import.meta.url));
const BUILT = fileURLToPath(new URL('../../dist/cli/cli.main.js', import.meta.url));

/** The program and its first arguments. */
export const CLI_COMMAND = [
  process.execPath,
  '--disable-warning=ExperimentalWarning',
  '--import',
  LOADER,
  SOURCES,
] as const;

export interface CliEnd {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliRunOptions {
  env?: Record<string, string>;
  cwd?: string;
  /** The built program instead of the sources. */
  built?: boolean;
  /** Called at the start with a way to end the process. */
  onStart?: (kill: (signal: NodeJS.Signals) => void) => Promise<void>;
}

/** `nest-consistent …` as a child process. nest-commander cannot be loaded into Jest on every Node. */
export async function runCli(args: readonly string[], options: CliRunOptions = {}): Promise<CliEnd> {
  const [node, ...sources] = CLI_COMMAND;
  const child = spawn(node, [...(options.built ? [BUILT] : sources), ...args], {
    cwd: options.cwd ?? process.cwd(),
    env: { ...process.env, FORCE_COLOR: '', NO_COLOR: '', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const started = options.onStart?.((signal) => child.kill(signal));
  const [code] = (await once(child, 'close')) as [number | null];
  await started;
  return { code, stdout, stderr };
}
