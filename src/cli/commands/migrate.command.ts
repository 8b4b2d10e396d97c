import { Command, Help, Option } from 'nest-commander';
import { ExitCode } from '../exit.codes.js';
import { applyMigration, planMigration } from '../inspect/migration.plan.js';
import { BaseCommand, type CliOptions, type CommandTask } from './base.command.js';

interface MigrateOptions extends CliOptions {
  apply?: boolean;
}

@Command({ name: 'migrate', description: 'print, or apply, the SQL that the tables lack' })
export class MigrateCommand extends BaseCommand<MigrateOptions> {
  protected override work(task: CommandTask<MigrateOptions>): Promise<number> {
    const { options, logger } = task;
    return this.inspecting(task, async (inspection) => {
      const plans = await planMigration(inspection);
      const statements = plans.flatMap((plan) => plan.statements);
      if (options.apply) await applyMigration(inspection, plans, (statement) => logger.log(`ran: ${statement}`));
      const applied = options.apply ?? false;
      if (options.json) this.output.json({ statements, applied });
      else {
        for (const statement of statements) this.output.line(`${statement};`);
        if (statements.length === 0) logger.warn('nothing is missing');
        else if (applied) logger.warn(`${statements.length} statements were run`);
      }
      return statements.length > 0 && !applied ? ExitCode.found : ExitCode.fine;
    });
  }

  @Option({ flags: '--apply', description: 'run them; running it again goes on where it ended' })
  readApply(): boolean {
    return true;
  }

  @Help('after')
  examples(): string {
    return `
Exits with 1 while statements are to be run.

Examples:
  $ nest-consistent migrate --app dist/app.module.js > consistency.sql
  $ nest-consistent migrate --apply --mysql mysql://owner@db/shop --table film`;
  }
}
