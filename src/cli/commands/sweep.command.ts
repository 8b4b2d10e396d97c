import { Command, Help } from 'nest-commander';
import { attachApplication } from '../application/attached.application.js';
import { ExitCode } from '../exit.codes.js';
import { BaseCommand, type CommandTask } from './base.command.js';

@Command({ name: 'sweep', description: 'settle the rows whose deadline has passed, once' })
export class SweepCommand extends BaseCommand {
  protected override async work({ target, options, logger, signal }: CommandTask): Promise<number> {
    const application = await attachApplication(target, options.dataSource, logger);
    try {
      const result = await application.service.sweep(signal);
      const { claimed, settled, failed, parked } = result;
      if (options.json) this.output.json(result);
      else this.output.table(['claimed', 'settled', 'failed', 'parked'], [[claimed, settled, failed, parked]]);
      return failed + parked > 0 ? ExitCode.found : ExitCode.fine;
    } finally {
      await application.close();
    }
  }

  @Help('after')
  examples(): string {
    return `
For a cron job, where the application has \`sweeper: false\`, or its sweepers stand still. All tables are swept.
Exits with 1 where rows could not be settled.

Example:
  $ nest-consistent sweep --app dist/app.module.js`;
  }
}
