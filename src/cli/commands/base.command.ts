import { CommandRunner, Option } from 'nest-commander';
import { InvalidOptionsError } from '../../errors.js';
import { type CliTarget, completeTarget } from '../application/application.locator.js';
import { ExitCode } from '../exit.codes.js';
import { inspect } from '../inspect/session.opener.js';
import type { Inspection } from '../inspect/inspected.types.js';
import { Output } from '../output/output.js';
import { StderrLogger } from '../output/stderr.logger.js';

/** Options that every command has. */
export interface CliOptions extends CliTarget {
  dataSource?: string;
  json?: boolean;
  color?: boolean;
  verbose?: boolean;
}

/** What a command works with. */
export interface CommandTask<Options extends CliOptions = CliOptions> {
  readonly params: readonly string[];
  readonly options: Options;
  readonly target: CliTarget;
  readonly logger: StderrLogger;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
}

/** How long a command has to end in good order after Ctrl-C. */
const END_WITHIN_MS = 5_000;
const SIGNALS = { SIGINT: ExitCode.interrupted, SIGTERM: ExitCode.terminated } as const;

/** One command: reads its options, does its work, answers, and sets the exit code. */
export abstract class BaseCommand<Options extends CliOptions = CliOptions> extends CommandRunner {
  protected readonly output = Output.take();

  /** Does the work, answers through `output`, and resolves to the exit code. */
  protected abstract work(task: CommandTask<Options>): Promise<number>;

  override setCommand(command: Parameters<CommandRunner['setCommand']>[0]): this {
    // Usage errors end with our code, not with commander's.
    command.exitOverride();
    return super.setCommand(command) as this;
  }

  override async run(params: string[], options: Options = {} as Options): Promise<void> {
    if (options.color === false || options.json) this.output.withoutColour();
    const logger = new StderrLogger(options.verbose ?? false);
    const { app, mysql, mysqlCa, elasticsearch, elasticsearchCa, table, index } = options;
    const given = { app, mysql, mysqlCa, elasticsearch, elasticsearchCa, table, index };
    const known = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as CliTarget;
    process.exitCode = await this.interruptible(async (signal) =>
      this.work({ params, options, target: await completeTarget(known), logger, signal }),
    );
  }

  /** Looks at what was named, without starting it. */
  protected async inspecting(
    task: CommandTask<Options>,
    work: (inspection: Inspection) => Promise<number>,
  ): Promise<number> {
    const inspection = await inspect(task.target, task.logger);
    try {
      return await work(inspection);
    } finally {
      await inspection.close().catch(() => undefined);
    }
  }

  private async interruptible(work: (signal: AbortSignal) => Promise<number>): Promise<number> {
    const abort = new AbortController();
    let exitCode: number | null = null;
    const handlers = Object.entries(SIGNALS).map(([name, code]) => {
      const handler = (): void => {
        // The second time somebody is impatient.
        if (exitCode !== null) process.exit(code);
        exitCode = code;
        abort.abort();
        setTimeout(() => process.exit(code), END_WITHIN_MS).unref();
      };
      process.on(name, handler);
      return [name, handler] as const;
    });
    try {
      const code = await work(abort.signal);
      return exitCode ?? code;
    } catch (error) {
      if (exitCode === null) throw error;
      process.stderr.write(`nest-consistent: stopped. ${(error as Error).message}\n`);
      return exitCode;
    } finally {
      for (const [name, handler] of handlers) process.off(name, handler);
    }
  }

  @Option({
    flags: '--app <file>',
    description: "the application's root module: dist/app.module.js, or …js#ExportName",
  })
  readApp(value: string): string {
    return value;
  }

  @Option({
    flags: '--mysql <url>',
    description: 'instead of an application: mysql://user:password@host:3306/database',
  })
  readMysql(value: string): string {
    return value;
  }

  @Option({ flags: '--mysql-ca <file>', description: 'with --mysql: use TLS, with this CA (PEM)' })
  readMysqlCa(value: string): string {
    return value;
  }

  @Option({ flags: '--elasticsearch <url>', description: 'instead of an application: https://user:password@host:9200' })
  readElasticsearch(value: string): string {
    return value;
  }

  @Option({ flags: '--elasticsearch-ca <file>', description: 'with --elasticsearch https://…: the CA (PEM)' })
  readElasticsearchCa(value: string): string {
    return value;
  }

  @Option({ flags: '--table <name>', description: 'only this table (or entity); with --mysql: the table' })
  readTable(value: string): string {
    return value;
  }

  @Option({ flags: '--index <alias>', description: 'only the table with this alias; with --elasticsearch: the alias' })
  readIndex(value: string): string {
    return value;
  }

  @Option({ flags: '--data-source <name>', description: 'only tables of this DataSource' })
  readDataSource(value: string): string {
    return value;
  }

  @Option({ flags: '--json', description: 'answer with one JSON value on stdout' })
  readJson(): boolean {
    return true;
  }

  @Option({ flags: '--no-color', description: 'no colours, also on a terminal' })
  readNoColor(): boolean {
    return false;
  }

  @Option({ flags: '--verbose', description: 'the logs of the application, and stacks of errors, on stderr' })
  readVerbose(): boolean {
    return true;
  }
}

/** A whole number of an option. Throws `InvalidOptionsError`. */
export function wholeNumber(name: string, value: string): number {
  const number = Number(value);
  if (/^\d+$/.test(value) && Number.isSafeInteger(number)) return number;
  throw new InvalidOptionsError(`${name} takes a whole number, not "${value}".`);
}
