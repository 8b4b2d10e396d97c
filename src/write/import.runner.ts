import type { ObjectLiteral } from 'typeorm';
import type { EntityContext } from '../entity/entity.context.js';
import { ImportStoppedError, ShuttingDownError } from '../errors.js';
import { ChunkPipeline } from './chunk.pipeline.js';
import { ChunkWriter } from './chunk.writer.js';
import {
  type CheckedImportOptions,
  checkedImportOptions,
  type ImportOptions,
  type ImportProgress,
  type ImportResult,
  MAX_KEPT_FAILURES,
} from './import.options.js';
import { type ImportSource, ImportSourceReader } from './import.source.js';
import { rowSizer } from './row.size.js';
import type { WriteOutcome, Writer } from './writer.js';

/** Why an import ended before its source did. */
type StopReason = 'aborted' | 'source' | 'failures' | 'callback' | 'shutdown';

interface Stop {
  readonly reason: StopReason;
  readonly cause: unknown;
}

const WHY: Readonly<Record<StopReason, string>> = {
  aborted: 'its signal was aborted',
  source: 'its source threw',
  failures: 'more rows failed than maxFailures allows',
  callback: 'onProgress or onFailed threw',
  shutdown: 'the application is shutting down',
};

/**
 * One import. Rows go from the source through the same chunks as those of `saveMany`; a chunk is taken from the source
 * only when there is room for it, so that at most five are in memory: one being taken, one being prepared, three behind.
 */
export class ImportRunner<Given extends ObjectLiteral> {
  private readonly options: CheckedImportOptions<Given>;
  private readonly source: ImportSourceReader<Given>;
  private readonly pipeline: ChunkPipeline<Given>;
  private readonly counts = { committed: 0, deferred: 0, failed: 0 };
  private readonly failures: { position: number; error: Error }[] = [];
  /** Rows that have been told of, or never will be. */
  private position = 0;
  private notBegun = 0;
  private stop: Stop | undefined;

  /** Throws `InvalidOptionsError`. */
  constructor(
    writer: Writer,
    private readonly context: EntityContext,
    source: ImportSource<Given>,
    options: ImportOptions<Given>,
  ) {
    this.options = checkedImportOptions(options);
    this.source = new ImportSourceReader(source, this.options.chunkSize, rowSizer(context.binding));
    const chunks = new ChunkWriter(writer, context, 'save', { completesGiven: false });
    this.pipeline = new ChunkPipeline<Given>(chunks, (chunk, outcomes) => this.told(chunk, outcomes));
  }

  /** Throws `ImportStoppedError`. */
  async run(): Promise<ImportResult> {
    const { signal } = this.options;
    const onAbort = () => this.end('aborted', signal?.reason);
    if (signal?.aborted) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      await this.takeAll();
      await this.pipeline.drain().catch((error: unknown) => this.end('callback', error));
    } finally {
      signal?.removeEventListener('abort', onAbort);
      await this.source.close().catch((error: unknown) => this.end('source', error));
    }
    if (this.stop) throw this.stopped(this.stop);
    return { ...this.progress(), failures: this.failures };
  }

  /** The next chunk is taken while the last one is prepared: a slow source and a slow database do not wait in turns. */
  private async takeAll(): Promise<void> {
    let room = Promise.resolve();
    while (!this.stop) {
      const chunk = await this.source.take().catch((error: unknown) => {
        this.end('source', error);
        return [];
      });
      await room;
      if (chunk.length === 0) return;
      if (this.stop) {
        this.notBegun += chunk.length;
        return;
      }
      room = this.pipeline.push(chunk);
    }
    await room;
  }

  private async told(chunk: readonly Given[], outcomes: WriteOutcome<Given>[] | Error): Promise<void> {
    const first = this.position;
    this.position += chunk.length;
    if (outcomes instanceof ShuttingDownError) {
      this.notBegun += chunk.length;
      return this.end('shutdown', outcomes);
    }
    for (const [at, entity] of chunk.entries()) {
      const outcome = outcomes instanceof Error ? { status: 'failed' as const, error: outcomes } : outcomes[at]!;
      if (outcome.status === 'failed') await this.failed(entity, first + at, outcome.error);
      else this.counts[outcome.status]++;
    }
    await this.call(() => this.options.onProgress?.(this.progress()));
  }

  private async failed(entity: Given, position: number, error: Error): Promise<void> {
    this.counts.failed++;
    if (this.failures.length < MAX_KEPT_FAILURES) this.failures.push({ position, error });
    if (this.counts.failed > this.options.maxFailures) this.end('failures', error);
    await this.call(() => this.options.onFailed?.({ entity, position, error }));
  }

  /** Rows under way are still counted after a callback has thrown, and still handed on: they were written, or were not. */
  private async call(callback: () => void | Promise<void>): Promise<void> {
    try {
      await callback();
    } catch (error) {
      this.end('callback', error);
    }
  }

  private end(reason: StopReason, cause: unknown): void {
    this.stop ??= { reason, cause };
    this.source.stop();
  }

  private progress(): ImportProgress {
    return { read: this.source.read - this.notBegun, ...this.counts };
  }

  private stopped({ reason, cause }: Stop): ImportStoppedError {
    const { name } = this.context.binding;
    const { read, committed, deferred, failed } = this.progress();
    return new ImportStoppedError(
      `The import into ${name} ended early, because ${WHY[reason]}. The first ${read} rows of the source have an outcome ` +
        `(${committed + deferred} written, ${failed} failed), none after them was begun: go on from there.`,
      { entity: name, reason, read, committed, deferred, failed, failures: this.failures },
      cause,
    );
  }
}
