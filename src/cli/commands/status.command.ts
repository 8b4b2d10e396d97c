import { Command, Help } from 'nest-commander';
import { ExitCode } from '../exit.codes.js';
import { readStatus, type StatusReport } from '../inspect/status.reader.js';
import { BaseCommand, type CommandTask } from './base.command.js';

@Command({ name: 'status', description: 'both stores at a glance: undecided and parked rows, indices, backstop' })
export class StatusCommand extends BaseCommand {
  protected override work(task: CommandTask): Promise<number> {
    return this.inspecting(task, async (inspection) => {
      const report = await readStatus(inspection);
      if (task.options.json) this.output.json(report);
      else this.tell(report);
      return report.problems.length > 0 ? ExitCode.found : ExitCode.fine;
    });
  }

  private tell({ tables, backstops, problems }: StatusReport): void {
    const { output } = this;
    output.table(
      ['table', 'rows (about)', 'undecided', 'overdue', 'parked', 'index', 'documents', 'last verified (UTC)'],
      tables.map((one) => [
        one.table,
        one.estimatedRows,
        one.undecided,
        one.overdue,
        one.parked,
        one.index,
        one.documents,
        one.verified
          ? `${one.verified.at} ${one.verified.consistent === false ? 'differs' : one.verified.state}`
          : null,
      ]),
    );
    for (const { leading, leader, transactionsBehind, savedSecondsAgo, dataSource } of backstops) {
      const which = backstops.length > 1 ? ` of ${dataSource}` : '';
      const saved = savedSecondsAgo === null ? 'no checkpoint yet' : `checkpoint saved ${savedSecondsAgo} s ago`;
      const behind = transactionsBehind === null ? '' : `, ${transactionsBehind} transactions after it`;
      output.line(
        `backstop${which}: ${leading ? `${leader ?? 'an instance'} leads` : 'nobody leads'}, ${saved}${behind}`,
      );
    }
    for (const problem of problems) output.line(output.paint('red', problem));
    if (problems.length === 0) output.line(output.paint('green', 'Nothing is wrong.'));
  }

  @Help('after')
  examples(): string {
    return `
Changes nothing. Exits with 1 where something is not as it should be.

Examples:
  $ nest-consistent status --app dist/app.module.js
  $ nest-consistent status --json | jq .problems`;
  }
}
