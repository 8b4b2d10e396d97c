import { Command, Help, Option, SubCommand } from 'nest-commander';
import { InvalidOptionsError } from '../../errors.js';
import { ExitCode } from '../exit.codes.js';
import { type BackstopFacts, readBackstops, rewindBackstop } from '../inspect/backstop.reader.js';
import { BaseCommand, type CliOptions, type CommandTask } from './base.command.js';
import { GroupCommand } from './group.command.js';

interface RewindOptions extends CliOptions {
  gtidSet?: string;
  now?: boolean;
}

@SubCommand({ name: 'status', description: 'who leads, and how far it is' })
export class BackstopStatusCommand extends BaseCommand {
  protected override work(task: CommandTask): Promise<number> {
    return this.inspecting(task, async (inspection) => {
      const all = await readBackstops(inspection, task.options.dataSource);
      if (task.options.json) this.output.json(all);
      else if (all.length === 0) this.output.line('There is no backstop, or it was never started.');
      else for (const facts of all) this.tell(facts, inspection.backstops.length > 1);
      const isWell = all.every(({ leading, toVerify }) => leading && Object.keys(toVerify).length === 0);
      return isWell && all.length > 0 ? ExitCode.fine : ExitCode.found;
    });
  }

  private tell(facts: BackstopFacts, severalThere: boolean): void {
    const verify = Object.entries(facts.toVerify).map(([table, reason]) => `${table}: ${reason}`);
    const { gtidSet, file, position } = facts.checkpoint ?? {};
    this.output.table(
      ['fact', 'value'],
      [
        ...(severalThere ? [['DataSource', facts.dataSource]] : []),
        ['leader', facts.leading ? `${facts.leader} (MySQL connection ${facts.connectionId})` : 'nobody'],
        ['checkpoint', facts.checkpoint ? gtidSet || `${file}:${position}` : null],
        ['saved', facts.savedSecondsAgo === null ? null : `${facts.savedSecondsAgo} s ago`],
        ['transactions after it', facts.transactionsBehind],
        ['to verify', verify.join('; ') || 'nothing'],
      ],
    );
  }
}

@SubCommand({ name: 'rewind', description: 'work again from another place of the log: harmless' })
export class BackstopRewindCommand extends BaseCommand<RewindOptions> {
  protected override work(task: CommandTask<RewindOptions>): Promise<number> {
    const { gtidSet, now, json, dataSource } = task.options;
    if ((gtidSet === undefined) === !now) throw new InvalidOptionsError('Give --gtid-set <set> or --now.');
    return this.inspecting(task, async (inspection) => {
      const to = gtidSet === undefined ? ('now' as const) : { gtidSet };
      const at = await rewindBackstop(inspection, to, dataSource, task.signal);
      if (json) this.output.json(at);
      else this.output.line(`The backstop goes on from ${at.gtidSet || `${at.file}:${at.position}`}.`);
      return ExitCode.fine;
    });
  }

  @Option({ flags: '--gtid-set <set>', description: "after these transactions, as MySQL's gtid_executed writes them" })
  readGtidSet(value: string): string {
    return value;
  }

  @Option({ flags: '--now', description: "at the log's end; every table is verified" })
  readNow(): boolean {
    return true;
  }
}

@Command({
  name: 'backstop',
  description: 'the reader of the binary log: status, rewind',
  subCommands: [BackstopStatusCommand, BackstopRewindCommand],
})
export class BackstopCommand extends GroupCommand {
  @Help('after')
  examples(): string {
    return `
Examples:
  $ nest-consistent backstop status --app dist/app.module.js
  $ nest-consistent backstop rewind --gtid-set 3e11fa47-71ca-11e1-9e33-c80aa9429562:1-90210
  $ nest-consistent backstop rewind --now --data-source films`;
  }
}
