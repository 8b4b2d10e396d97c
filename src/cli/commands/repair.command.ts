import { Command, Help } from 'nest-commander';
import { CompareCommand } from './compare.command.js';

@Command({ name: 'repair', description: 'as verify, and drive what differs through the protocol again' })
export class RepairCommand extends CompareCommand {
  protected override readonly repair = true;

  @Help('after')
  examples(): string {
    return `
MySQL is right: rows that differ are indexed again, documents without a row are deleted. Exits with 1 where not all could be mended.

Examples:
  $ nest-consistent repair --app dist/app.module.js
  $ nest-consistent repair --table film --json --details`;
  }
}
