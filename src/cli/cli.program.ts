import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import { Logger } from '@nestjs/common';
import { CommandFactory } from 'nest-commander';
import { InvalidOptionsError } from '../errors.js';
import { adviceFor } from './access.advice.js';
import { CliModule } from './cli.module.js';
import { commandFirst } from './cli.arguments.js';
import { ExitCode, exitCodeOf } from './exit.codes.js';
import { printable } from './output/printable.text.js';
import { Output } from './output/output.js';
import { StderrLogger } from './output/stderr.logger.js';

const DONE = new Set(['commander.helpDisplayed', 'commander.help', 'commander.version']);

const HELP = `
The application is that of --app, or of nest-consistent.config.{js,mjs,json} in the working directory: { "app": "dist/app.module.js" }.
Nothing of it is started: no port, no cron, no migration. doctor, migrate, status and backstop also work on URLs.

Exit codes: 0 fine, 1 something was found, 2 usage, 3 cannot connect or access denied, 4 not possible now, 70 internal error,
130 Ctrl-C, 143 SIGTERM.

Examples:
  $ nest-consistent doctor --app dist/app.module.js
  $ nest-consistent verify --json
  $ nest-consistent status --mysql mysql://app@db/shop --elasticsearch http://es:9200 --table film --index films
`;

/** Runs one command and ends the process with its code. */
export async function runCli(given: readonly string[]): Promise<void> {
  const output = Output.take();
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const logger = new StderrLogger(given.includes('--verbose'));
  Logger.overrideLogger(logger);
  const args = commandFirst(given);
  let exitCode: number = ExitCode.internal;
  try {
    const context = await CommandFactory.createWithoutRunning(CliModule, {
      logger,
      abortOnError: false,
      version,
      outputConfiguration: {
        writeOut: (text) => output.answer(text),
        writeErr: (text) => void process.stderr.write(text),
      },
      errorHandler: rethrow,
      serviceErrorHandler: rethrow,
    });
    // commander reads them from here, and takes the first two for Node and the script.
    process.argv = [process.argv[0]!, 'nest-consistent', ...(args.length === 0 ? ['--help'] : args)];
    await CommandFactory.runApplication(context);
    exitCode = Number(process.exitCode ?? ExitCode.fine);
  } catch (error) {
    exitCode = codeOf(error);
    if (isCommanders(error) && error.code === 'commander.helpDisplayed' && isForAll(args)) output.answer(HELP);
    if (!isCommanders(error)) tell(error, given.includes('--verbose'));
  }
  await output.flush();
  process.exit(exitCode);
}

function isForAll([first]: readonly string[]): boolean {
  return first === undefined || first === '--help' || first === '-h' || first === 'help';
}

function rethrow(error: Error): never {
  throw error;
}

/** commander has told those itself. */
function isCommanders(error: unknown): error is { code: string } {
  return String((error as { code?: unknown }).code).startsWith('commander.');
}

function codeOf(error: unknown): number {
  if (!isCommanders(error)) return exitCodeOf(error);
  return DONE.has(error.code) ? ExitCode.fine : ExitCode.usage;
}

function tell(error: unknown, verbose: boolean): void {
  const { name, message, stack } = error as Error;
  const known = exitCodeOf(error) !== ExitCode.internal;
  // What Node says of a refused connection can be a code alone.
  const text = message || ((error as { code?: string }).code ?? name);
  process.stderr.write(`nest-consistent: ${printable(String(verbose || !known ? stack : text))}\n`);
  const advice = adviceFor(error);
  if (advice && !text.includes(advice)) process.stderr.write(`${advice}\n`);
  if (error instanceof InvalidOptionsError && !verbose) process.stderr.write('See nest-consistent --help.\n');
}
