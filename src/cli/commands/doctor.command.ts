import { Command, Help, Option } from 'nest-commander';
import { examine } from '../doctor/doctor.js';
import type { Finding } from '../doctor/finding.js';
import { ExitCode } from '../exit.codes.js';
import { BaseCommand, type CliOptions, type CommandTask } from './base.command.js';

interface DoctorOptions extends CliOptions {
  backstop?: boolean;
  strict?: boolean;
}

@Command({ name: 'doctor', description: 'look for what keeps the library from working, each with what mends it' })
export class DoctorCommand extends BaseCommand<DoctorOptions> {
  protected override work(task: CommandTask<DoctorOptions>): Promise<number> {
    const { options, target, signal } = task;
    return this.inspecting(task, async (inspection) => {
      const wantsBackstop = options.backstop ?? (target.app ? inspection.backstops.length > 0 : false);
      const findings = await examine(inspection, wantsBackstop, signal);
      if (options.json) this.output.json({ findings });
      else this.tell(findings);
      const counted = findings.filter(({ severity }) => options.strict || severity === 'error');
      return counted.length > 0 ? ExitCode.found : ExitCode.fine;
    });
  }

  private tell(findings: readonly Finding[]): void {
    const { output } = this;
    for (const { severity, subject, problem, fix } of findings) {
      output.line(`${output.paint(severity === 'error' ? 'red' : 'yellow', severity)}  ${subject}: ${problem}`);
      output.line(`  ${fix}`);
    }
    if (findings.length === 0) output.line(output.paint('green', 'Nothing was found.'));
  }

  @Option({
    flags: '--backstop',
    description: 'look at the binary log too; default: where the application has a backstop',
  })
  readBackstop(): boolean {
    return true;
  }

  @Option({ flags: '--strict', description: 'exit with 1 on warnings as well' })
  readStrict(): boolean {
    return true;
  }

  @Help('after')
  examples(): string {
    return `
Changes nothing, and works where the application cannot start. Exits with 1 on errors.

Examples:
  $ nest-consistent doctor --app dist/app.module.js
  $ nest-consistent doctor --mysql mysql://app@db/shop --elasticsearch http://es:9200 --table film --index films --backstop`;
  }
}
