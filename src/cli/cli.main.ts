#!/usr/bin/env node
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { applicationsProgram } from './application/application.locator.js';
import { ExitCode } from './exit.codes.js';

/*
 * The command `nest-consistent`. Nothing is imported before the optional peer is known to be there. The answer alone goes
 * to stdout; whatever else is printed, also by the application that is looked at, goes to stderr.
 */
async function main(args: readonly string[]): Promise<void> {
  try {
    createRequire(import.meta.url).resolve('nest-commander');
  } catch {
    process.stderr.write('nest-consistent: the command line needs nest-commander: npm install nest-commander\n');
    process.exit(ExitCode.usage);
  }
  // Classes are told apart by identity: the application must be read by the copy of this package that it imports itself.
  const other = await applicationsProgram(args, import.meta.url);
  const program = (await (other ? import(pathToFileURL(other).href) : import('./cli.program.js'))) as {
    runCli(args: readonly string[]): Promise<void>;
  };
  await program.runCli(args);
}

void main(process.argv.slice(2));
