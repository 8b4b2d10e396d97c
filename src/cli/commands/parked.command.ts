import { Command, Help, Option, SubCommand } from 'nest-commander';
import { InvalidOptionsError } from '../../errors.js';
import type { ParkedRow } from '../../mysql/parked.store.js';
import type { ParkedRows } from '../../settle/parked.rows.js';
import { attachApplication } from '../application/attached.application.js';
import { ExitCode } from '../exit.codes.js';
import { BaseCommand, type CliOptions, type CommandTask } from './base.command.js';
import { GroupCommand } from './group.command.js';

interface ParkedCliOptions extends CliOptions {
  all?: boolean;
}

interface Placed extends ParkedRow {
  readonly dataSource: string;
}

const MOST = 1_000;

/** Opens the application and hands over its parked rows. */
async function withParked(
  { target, options, logger }: CommandTask<ParkedCliOptions>,
  work: (parked: ParkedRows, dataSources: readonly string[]) => Promise<number>,
): Promise<number> {
  const application = await attachApplication(target, options.dataSource, logger);
  try {
    const names = new Set(application.contexts.map(({ binding }) => binding.dataSourceName));
    return await work(application.service.parked, [...names]);
  } finally {
    await application.close();
  }
}

async function listed(parked: ParkedRows, dataSources: readonly string[]): Promise<Placed[]> {
  const rows: Placed[] = [];
  for (const dataSource of dataSources) {
    for (const row of await parked.list({ dataSource, limit: MOST })) rows.push({ ...row, dataSource });
  }
  return rows;
}

@SubCommand({ name: 'list', description: 'the rows that wait for a person, the oldest first' })
export class ParkedListCommand extends BaseCommand {
  protected override work(task: CommandTask): Promise<number> {
    return withParked(task, async (parked, dataSources) => {
      const rows = await listed(parked, dataSources);
      if (task.options.json) this.output.json(rows);
      else {
        this.output.table(
          ['id', 'entity', 'key', 'reason', 'attempts', 'since (UTC)', 'last error'],
          rows.map((row) => [
            row.id,
            row.entity,
            Object.values(row.key).join(','),
            row.reason,
            row.attempts,
            row.parkedAt.slice(0, 19),
            row.lastError,
          ]),
        );
      }
      return rows.length > 0 ? ExitCode.found : ExitCode.fine;
    });
  }
}

/** `retry` and `discard`: on the rows that are named, or on all. */
abstract class ParkedActionCommand extends BaseCommand<ParkedCliOptions> {
  protected abstract act(parked: ParkedRows, id: string, dataSource: string): Promise<string>;

  protected override work(task: CommandTask<ParkedCliOptions>): Promise<number> {
    const { params, options, signal } = task;
    if ((params.length === 0) === !options.all)
      throw new InvalidOptionsError('Name ids of `parked list`, or give --all.');
    return withParked(task, async (parked, dataSources) => {
      if (params.length > 0 && dataSources.length > 1) {
        throw new InvalidOptionsError(
          `Ids are those of one DataSource: give --data-source (${dataSources.join(', ')}).`,
        );
      }
      const chosen = options.all
        ? (await listed(parked, dataSources)).map(({ id, dataSource }) => ({ id, dataSource }))
        : params.map((id) => ({ id, dataSource: dataSources[0]! }));
      const results: { id: string; result: string }[] = [];
      for (const { id, dataSource } of chosen) {
        signal.throwIfAborted();
        const result = await this.act(parked, id, dataSource).catch((error: Error) => error.message);
        results.push({ id, result });
      }
      if (options.json) this.output.json(results);
      else
        this.output.table(
          ['id', 'result'],
          results.map(({ id, result }) => [id, result]),
        );
      return results.every(({ result }) => DONE.has(result)) ? ExitCode.fine : ExitCode.found;
    });
  }

  @Option({ flags: '--all', description: 'every parked row' })
  readAll(): boolean {
    return true;
  }
}

const DONE = new Set(['settled', 'gone', 'discarded']);

@SubCommand({
  name: 'retry',
  arguments: '[ids...]',
  description: 'settle parked rows again, after the cause was removed',
})
export class ParkedRetryCommand extends ParkedActionCommand {
  protected override act(parked: ParkedRows, id: string, dataSource: string): Promise<string> {
    return parked.retry(id, { dataSource });
  }
}

@SubCommand({
  name: 'discard',
  arguments: '[ids...]',
  description: 'give up undoing: the row stays as MySQL holds it, and the index follows it',
})
export class ParkedDiscardCommand extends ParkedActionCommand {
  protected override async act(parked: ParkedRows, id: string, dataSource: string): Promise<string> {
    await parked.discard(id, { dataSource });
    return 'discarded';
  }
}

@Command({
  name: 'parked',
  description: 'rows whose pending write could be neither committed nor undone: list, retry, discard',
  subCommands: [ParkedListCommand, ParkedRetryCommand, ParkedDiscardCommand],
})
export class ParkedCommand extends GroupCommand {
  @Help('after')
  examples(): string {
    return `
Examples:
  $ nest-consistent parked list --app dist/app.module.js
  $ nest-consistent parked retry 17 --app dist/app.module.js
  $ nest-consistent parked discard --all --json`;
  }
}
