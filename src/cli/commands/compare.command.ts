import { Option } from 'nest-commander';
import type { EntityContext } from '../../entity/entity.context.js';
import type { VerifyOptions, VerifyResult } from '../../verify/verify.types.js';
import { attachApplication } from '../application/attached.application.js';
import { ExitCode } from '../exit.codes.js';
import { printable } from '../output/printable.text.js';
import { ProgressLine } from '../output/progress.line.js';
import { BaseCommand, type CliOptions, type CommandTask, wholeNumber } from './base.command.js';

export interface CompareOptions extends CliOptions {
  depth?: 'version' | 'content';
  maxRowsPerSecond?: number;
  graceMs?: number;
  resume?: boolean;
  details?: boolean;
}

/** What `verify` and `repair` share. */
export abstract class CompareCommand extends BaseCommand<CompareOptions> {
  protected abstract readonly repair: boolean;

  protected override async work({ target, options, logger, signal }: CommandTask<CompareOptions>): Promise<number> {
    const application = await attachApplication(target, options.dataSource, logger);
    try {
      const results: VerifyResult[] = [];
      for (const context of application.contexts) {
        const verify = (given: VerifyOptions) => application.registry.verifier.verify(context, given);
        results.push(await this.compare(context, verify, options, signal));
      }
      if (options.json) this.output.json(sumOf(results, this.repair, options.details ?? false));
      else this.tell(results);
      for (const { entity, reasons, unchecked } of results) {
        if (unchecked > 0) logger.warn(`${entity}: ${unchecked} could not be compared: ${reasons.join('; ')}`);
      }
      return results.every(({ consistent }) => consistent) ? ExitCode.fine : ExitCode.found;
    } finally {
      await application.close();
    }
  }

  private async compare(
    { binding }: EntityContext,
    verify: (options: VerifyOptions) => Promise<VerifyResult>,
    { depth, maxRowsPerSecond, graceMs, resume, json }: CompareOptions,
    signal: AbortSignal,
  ): Promise<VerifyResult> {
    const line = new ProgressLine(binding.name, !json);
    try {
      return await verify({
        repair: this.repair,
        signal,
        onProgress: (progress) => line.update(progress),
        ...(depth ? { depth } : {}),
        ...(maxRowsPerSecond ? { maxRowsPerSecond } : {}),
        ...(graceMs === undefined ? {} : { graceMs }),
        ...(resume ? { resume } : {}),
      });
    } finally {
      line.stop();
    }
  }

  private tell(results: readonly VerifyResult[]): void {
    const { output } = this;
    const head = ['entity', 'rows', 'documents', 'missing', 'stale', 'foreign', 'orphaned'];
    if (this.repair) head.push('repaired', 'failed');
    head.push('unchecked', 'seconds');
    output.table(
      head,
      results.map((one) => [
        one.entity,
        one.rows,
        one.documents,
        one.missing,
        one.stale,
        one.foreign,
        one.orphaned,
        ...(this.repair ? [one.repaired, one.failed] : []),
        one.unchecked,
        one.seconds.toFixed(1),
      ]),
    );
    for (const { examples, entity } of results) {
      for (const { kind, documentId, rowVersion, documentVersion, repair } of examples.slice(0, 20)) {
        const versions = `row ${rowVersion ?? '-'}, document ${documentVersion ?? '-'}`;
        output.line(printable(`${entity} ${documentId}: ${kind} (${versions})${repair ? `: ${repair}` : ''}`));
      }
      if (examples.length > 20) output.line(`${entity}: … and more; --json --details lists the first 100`);
    }
    if (results.every(({ consistent }) => consistent)) output.line(output.paint('green', 'Both stores agree.'));
    else
      output.line(
        output.paint('red', this.repair ? 'Not everything could be mended.' : 'They differ: nest-consistent repair'),
      );
  }

  @Option({
    flags: '--depth <depth>',
    description: 'content (default), or version: cheaper',
    choices: ['content', 'version'],
  })
  readDepth(value: string): string {
    return value;
  }

  @Option({ flags: '--max-rows-per-second <n>', description: 'throttle; without a limit by default' })
  readMaxRows(value: string): number {
    return wholeNumber('--max-rows-per-second', value);
  }

  @Option({
    flags: '--grace-ms <ms>',
    description: "how long a difference must last; more than the backstop's lag (250)",
  })
  readGrace(value: string): number {
    return wholeNumber('--grace-ms', value);
  }

  @Option({ flags: '--resume', description: 'go on where the last run stopped' })
  readResume(): boolean {
    return true;
  }

  @Option({ flags: '--details', description: 'with --json: each entity with its differences, under "entities"' })
  readDetails(): boolean {
    return true;
  }
}

const COUNTS = ['rows', 'documents', 'missing', 'stale', 'foreign', 'orphaned'] as const;

/** All tables together; the same keys whatever was found. */
function sumOf(results: readonly VerifyResult[], repair: boolean, details: boolean): Record<string, unknown> {
  const keys = repair ? ([...COUNTS, 'repaired', 'failed', 'seconds'] as const) : ([...COUNTS, 'seconds'] as const);
  const total = keys.map((key) => [key, results.reduce((sum, one) => sum + one[key], 0)]);
  return { ...Object.fromEntries(total), ...(details ? { entities: results } : {}) };
}
