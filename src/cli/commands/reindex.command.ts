import { Command, Help, Option, SubCommand } from 'nest-commander';
import type { EntityContext } from '../../entity/entity.context.js';
import { InvalidOptionsError, ReindexRefusedError } from '../../errors.js';
import type { Reindexer } from '../../reindex/reindexer.js';
import type { ReindexProblem, ReindexStatus } from '../../reindex/reindex.types.js';
import { StoreStartup } from '../../store.startup.js';
import { attachApplication } from '../application/attached.application.js';
import { ExitCode } from '../exit.codes.js';
import { ReindexLine } from '../output/reindex.line.js';
import { BaseCommand, type CliOptions, type CommandTask, wholeNumber } from './base.command.js';
import { GroupCommand } from './group.command.js';

interface ReindexCliOptions extends CliOptions {
  fill?: boolean;
  maxRowsPerSecond?: number;
  barrierMs?: number;
  lateRequestMs?: number;
  keepIndex?: boolean;
  deleteFormer?: boolean;
}

/** What the subcommands share: one index of the application, and how its state is told. */
abstract class ReindexBaseCommand extends BaseCommand<ReindexCliOptions> {
  protected async onIndex(
    { target, options, logger }: CommandTask<ReindexCliOptions>,
    work: (reindexer: Reindexer, context: EntityContext) => Promise<number>,
  ): Promise<number> {
    StoreStartup.acceptsMappingConflicts = true;
    const application = await attachApplication(target, options.dataSource, logger);
    try {
      const aliases = new Set(application.contexts.map(({ binding }) => `${binding.dataSourceName} ${binding.alias}`));
      if (aliases.size > 1) {
        throw new InvalidOptionsError(
          `Which index? Give --table or --index (${[...aliases].map((one) => one.split(' ')[1]).join(', ')}).`,
        );
      }
      return await work(application.registry.reindexer, application.contexts[0]!);
    } catch (error) {
      if (!(error instanceof ReindexRefusedError)) throw error;
      this.tellRefused(error, options);
      return ExitCode.found;
    } finally {
      await application.close();
    }
  }

  protected tellStatus(status: ReindexStatus | null, { json }: ReindexCliOptions): void {
    if (json) this.output.json(status);
    else if (!status) this.output.line('This index was never reindexed.');
    else {
      const facts = Object.entries(status).map(([name, value]): [string, string | number | null] => [name, value]);
      this.output.table(['fact', 'value'], facts);
    }
  }

  private tellRefused({ message, code, data }: ReindexRefusedError, { json }: ReindexCliOptions): void {
    const problems = (data['problems'] ?? []) as ReindexProblem[];
    if (json) {
      this.output.json({ code, message, problems });
      return;
    }
    this.output.table(
      ['entity', 'document', 'reason'],
      problems.map(({ entity, documentId, reason }) => [entity, documentId, reason]),
    );
    this.output.line(this.output.paint('red', message));
  }

  @Option({ flags: '--max-rows-per-second <n>', description: 'throttle; without a limit by default' })
  readMaxRows(value: string): number {
    return wholeNumber('--max-rows-per-second', value);
  }

  @Option({ flags: '--barrier-ms <ms>', description: 'how long writers may be held back at most (5000)' })
  readBarrier(value: string): number {
    return wholeNumber('--barrier-ms', value);
  }
}

@SubCommand({ name: 'start', description: 'make the new index, fill it, compare it, exchange; or go on with it' })
export class ReindexStartCommand extends ReindexBaseCommand {
  protected override work(task: CommandTask<ReindexCliOptions>): Promise<number> {
    const { fill, maxRowsPerSecond, barrierMs, lateRequestMs, json } = task.options;
    return this.onIndex(task, async (reindexer, context) => {
      const line = new ReindexLine(!json);
      try {
        const result = await reindexer.reindex(context, {
          into: fill ? 'current' : 'new',
          signal: task.signal,
          onProgress: (progress) => line.update(progress),
          ...(maxRowsPerSecond ? { maxRowsPerSecond } : {}),
          ...(barrierMs === undefined ? {} : { barrierMs }),
          ...(lateRequestMs === undefined ? {} : { lateRequestMs }),
        });
        line.stop();
        if (json) this.output.json(result);
        else {
          const { rows, copied, mended, index, seconds, barrierMs: heldMs } = result;
          this.output.table(
            ['index', 'rows', 'copied', 'mended', 'writers held back (ms)', 'seconds'],
            [[index, rows, copied, mended, heldMs, seconds.toFixed(1)]],
          );
          const next = 'The former index follows: nest-consistent reindex finish, or rollback.';
          if (!fill) this.output.line(this.output.paint('green', next));
        }
        return ExitCode.fine;
      } finally {
        line.stop();
      }
    });
  }

  @Option({ flags: '--fill', description: 'into the index that is there: for rows that have no documents yet' })
  readFill(): boolean {
    return true;
  }

  @Option({
    flags: '--late-request-ms <ms>',
    description: 'how late a request from before may be; the exchange waits for it (10 x deadlineMs)',
  })
  readLateRequest(value: string): number {
    return wholeNumber('--late-request-ms', value);
  }
}

@SubCommand({ name: 'status', description: 'how far it is' })
export class ReindexStatusCommand extends ReindexBaseCommand {
  protected override work(task: CommandTask<ReindexCliOptions>): Promise<number> {
    return this.onIndex(task, async (reindexer, context) => {
      const status = await reindexer.status(context);
      this.tellStatus(status, task.options);
      return status === null || status.phase === 'idle' ? ExitCode.fine : ExitCode.found;
    });
  }
}

@SubCommand({ name: 'rollback', description: 'give the new index up, and go back to the former one' })
export class ReindexRollbackCommand extends ReindexBaseCommand {
  protected override work(task: CommandTask<ReindexCliOptions>): Promise<number> {
    const { keepIndex = false, maxRowsPerSecond, barrierMs, json } = task.options;
    return this.onIndex(task, async (reindexer, context) => {
      const line = new ReindexLine(!json);
      try {
        const status = await reindexer.rollback(context, {
          keepIndex,
          signal: task.signal,
          onProgress: (progress) => line.update(progress),
          ...(maxRowsPerSecond ? { maxRowsPerSecond } : {}),
          ...(barrierMs === undefined ? {} : { barrierMs }),
        });
        line.stop();
        this.tellStatus(status, task.options);
        return ExitCode.fine;
      } finally {
        line.stop();
      }
    });
  }

  @Option({ flags: '--keep-index', description: 'do not delete the new index' })
  readKeepIndex(): boolean {
    return true;
  }
}

@SubCommand({ name: 'finish', description: 'no more writes to the former index' })
export class ReindexFinishCommand extends ReindexBaseCommand {
  protected override work(task: CommandTask<ReindexCliOptions>): Promise<number> {
    const { deleteFormer = false } = task.options;
    return this.onIndex(task, async (reindexer, context) => {
      this.tellStatus(await reindexer.finish(context, { deleteFormer }), task.options);
      return ExitCode.fine;
    });
  }

  @Option({ flags: '--delete-former', description: 'delete the former index' })
  readDeleteFormer(): boolean {
    return true;
  }
}

@Command({
  name: 'reindex',
  description: 'exchange an index while it is in use: start, status, rollback, finish',
  subCommands: [ReindexStartCommand, ReindexStatusCommand, ReindexRollbackCommand, ReindexFinishCommand],
})
export class ReindexCommand extends GroupCommand {
  @Help('after')
  examples(): string {
    return `
Exits with 1 where documents are refused or differ (nothing is exchanged then), and status while a reindex is not finished.

Examples:
  $ nest-consistent reindex start --app dist/app.module.js --table film
  $ nest-consistent reindex start --fill --max-rows-per-second 5000
  $ nest-consistent reindex finish --delete-former`;
  }
}
