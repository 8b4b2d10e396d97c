import { Command, Help } from 'nest-commander';
import { CompareCommand } from './compare.command.js';

@Command({ name: 'verify', description: 'compare every row with its document, and every document with its row' })
export class VerifyCommand extends CompareCommand {
  protected override readonly repair = false;

  @Help('after')
  examples(): string {
    return `
Exits with 1 on any difference, and where something could not be compared.

Examples:
  $ nest-consistent verify --app dist/app.module.js
  $ nest-consistent verify --json                      # {"rows","documents","missing","stale","foreign","orphaned","seconds"}
  $ nest-consistent verify --table film --max-rows-per-second 2000`;
  }
}
