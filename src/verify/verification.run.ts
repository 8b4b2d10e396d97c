import { setTimeout as sleep } from 'node:timers/promises';
import type { EntityContext } from '../entity/entity.context.js';
import { VerificationInterruptedError } from '../errors.js';
import { classifyMysqlError, driverErrorOf, isServerAnswer } from '../mysql/mysql.errors.js';
import { RowPace } from '../walk/row.pace.js';
import { estimateTable } from '../walk/row.estimate.js';
import { DocumentPhase } from './document.phase.js';
import type { DocumentReader } from './document.reader.js';
import { RowPhase } from './row.phase.js';
import type { SharedIndex } from './shared.index.js';
import { printCursor, type VerifyCursor } from './verify.cursor.js';
import type { ResolvedVerifyOptions } from './verify.options.js';
import { VerifyTally } from './verify.tally.js';
import type { VerifyProgress, VerifyResult } from './verify.types.js';
import type { DifferenceHandler } from './difference.handler.js';

const MAX_TRIES = 4;
const FIRST_PAUSE_MS = 250;

/** What the parts of one run share. */
export interface RunParts {
  readonly context: EntityContext;
  readonly reader: DocumentReader;
  readonly handler: DifferenceHandler;
  readonly shared: SharedIndex;
  readonly options: ResolvedVerifyOptions;
}

/** One verification: from every row to its document, then from every document to its row. */
export class VerificationRun {
  readonly tally: VerifyTally;
  /** Of rows, then of documents. */
  readonly pace: RowPace;
  private readonly begunAt = performance.now();
  private phase: VerifyCursor['phase'];
  private after: readonly string[] | null;
  private estimatedRows = 0;

  constructor(
    readonly parts: RunParts,
    /** Called whenever the cursor has moved. */
    private readonly moved: (cursor: string) => Promise<void>,
  ) {
    const { options, context } = parts;
    const from = options.from?.entity === context.binding.name ? options.from : undefined;
    this.tally = new VerifyTally(options.maxExamples, from?.counts);
    this.pace = new RowPace(options.maxRowsPerSecond, options.signal);
    this.phase = from?.phase ?? 'rows';
    this.after = from?.after ?? null;
  }

  get cursor(): string {
    const { context } = this.parts;
    return printCursor({
      entity: context.binding.name,
      phase: this.phase,
      after: this.after,
      counts: this.tally.counts,
    });
  }

  /** @throws VerificationInterruptedError when the signal is aborted, or a store does not answer for too long */
  async run(): Promise<VerifyResult> {
    const { context } = this.parts;
    try {
      this.estimatedRows = await this.persistently(() => estimateTable(context.binding));
      if (this.phase === 'rows') {
        const rows = new RowPhase(this);
        await rows.walk(this.after);
        this.phase = 'documents';
        this.after = null;
        await this.advance();
      }
      await new DocumentPhase(this).walk();
    } catch (error) {
      throw this.interrupted(error as Error);
    }
    const { counts, differences, examples, reasons } = this.tally;
    return {
      entity: context.binding.name,
      ...counts,
      consistent: differences === counts.repaired && counts.unchecked === 0,
      seconds: this.seconds,
      examples,
      reasons,
    };
  }

  /** What a phase has done up to here is counted; a later run goes on behind it. `besides`: found, but not behind the cursor. */
  async advance(after: readonly string[] | null = null, besides = new VerifyTally(0)): Promise<void> {
    this.after = after;
    const cursor = this.cursor;
    this.parts.options.onProgress?.(this.progress(cursor, besides));
    await this.moved(cursor);
  }

  /** Tries again what a store did not answer. */
  async persistently<T>(work: () => Promise<T>): Promise<T> {
    const { signal } = this.parts.options;
    for (let attempt = 1; ; attempt++) {
      signal?.throwIfAborted();
      try {
        return await work();
      } catch (error) {
        if (attempt >= MAX_TRIES || !mayPass(error) || signal?.aborted) throw error;
        await sleep(FIRST_PAUSE_MS * 2 ** attempt, undefined, signal ? { signal } : {});
      }
    }
  }

  private get seconds(): number {
    return (performance.now() - this.begunAt) / 1_000;
  }

  private progress(cursor: string, besides: VerifyTally): VerifyProgress {
    const total = new VerifyTally(0, this.tally.counts);
    total.merge(besides);
    return {
      ...total.counts,
      phase: this.phase,
      estimatedRows: this.estimatedRows,
      seconds: this.seconds,
      cursor,
    };
  }

  private interrupted(cause: Error): Error {
    const { name } = this.parts.context.binding;
    const { signal } = this.parts.options;
    if (!signal?.aborted && !mayPass(cause)) return cause;
    const why = signal?.aborted ? 'its signal was aborted' : cause.message;
    return new VerificationInterruptedError(
      `The verification of ${name} stopped after ${this.tally.counts.rows} rows: ${why}. Go on with \`from: error.data.cursor\`.`,
      { entity: name, ...this.tally.counts, cursor: this.cursor },
      cause,
    );
  }
}

const NETWORK_CODE = /^(?:E[A-Z]+|PROTOCOL_\w+)$/;
/** SQLSTATE class: syntax error, or access denied. */
const WRONG_STATEMENT = '42';

/** Whether the same may succeed later. */
function mayPass(error: unknown): boolean {
  const { retryable } = error as { retryable?: boolean };
  if (retryable !== undefined) return retryable;
  const { code, sqlState } = driverErrorOf(error);
  if (isServerAnswer(error))
    return classifyMysqlError(error) !== 'refused' && sqlState?.slice(0, 2) !== WRONG_STATEMENT;
  return typeof code === 'string' && NETWORK_CODE.test(code);
}
