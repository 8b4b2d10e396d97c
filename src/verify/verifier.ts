import type { Client } from '@elastic/elasticsearch';
import type { EntityContext } from '../entity/entity.context.js';
import { VerificationRunningError } from '../errors.js';
import { NamedLock } from '../mysql/named.lock.js';
import { logTextOf } from '../observe/log.text.js';
import type { Redriver } from '../settle/redriver.js';
import { ClosableRuns } from '../walk/closable.runs.js';
import { DifferenceHandler } from './difference.handler.js';
import { DifferenceRecheck } from './difference.recheck.js';
import { DocumentReader } from './document.reader.js';
import { RowExpectation } from './row.expectation.js';
import { SharedIndex } from './shared.index.js';
import { VerificationRun } from './verification.run.js';
import { type KeptVerification, VerificationStore } from './verification.store.js';
import { parseCursor } from './verify.cursor.js';
import { resolveVerifyOptions, type ResolvedVerifyOptions } from './verify.options.js';
import type { VerifyOptions, VerifyResult } from './verify.types.js';

const SAVE_EVERY_MS = 1_000;

/**
 * Compares a table and its index while both are in use, and mends what differs where that is wished. Reads without locks and
 * without a snapshot: what does not agree at the first look is looked at again until it agrees or stands.
 */
export class Verifier {
  private readonly runs = new ClosableRuns();

  constructor(
    private readonly redriver: Redriver,
    private readonly client: Client,
    /** Every table of the application: some may share an index. */
    private readonly all: () => readonly EntityContext[],
  ) {}

  /**
   * @throws VerificationRunningError, IndexMissingError, InvalidOptionsError
   * @throws VerificationInterruptedError when the signal is aborted, or a store does not answer for too long
   */
  async verify(context: EntityContext, given: VerifyOptions = {}): Promise<VerifyResult> {
    return (await this.locked(context, given, null))!;
  }

  /** As `verify`; null where one of this table has ended within that time, in any instance. */
  verifyUnlessRecent(
    context: EntityContext,
    { unlessWithinMs, ...given }: VerifyOptions & { unlessWithinMs: number },
  ): Promise<VerifyResult | null> {
    return this.locked(context, given, unlessWithinMs);
  }

  /** Gives runs under way up, at places that later ones can go on from, and waits for their end. */
  close(): Promise<void> {
    return this.runs.close();
  }

  private locked(
    context: EntityContext,
    given: VerifyOptions,
    unlessWithinMs: number | null,
  ): Promise<VerifyResult | null> {
    return this.runs.add(this.lockedRun(context, given, unlessWithinMs));
  }

  private async lockedRun(
    context: EntityContext,
    given: VerifyOptions,
    unlessWithinMs: number | null,
  ): Promise<VerifyResult | null> {
    const options = resolveVerifyOptions(given);
    options.signal = this.runs.signal(options.signal);
    const lock = await takeLock(context);
    try {
      const store = await this.storeOf(context);
      if (unlessWithinMs !== null && (await store?.endedWithin(context.binding, unlessWithinMs))) return null;
      if (options.resume && !options.from) await resumeFrom(context, store, options);
      const reader = new DocumentReader(this.client, context.binding.alias);
      await reader.expectIndex(options);
      return await this.run(context, reader, store, options);
    } finally {
      await lock.release();
    }
  }

  /** The last verification of this entity, or null where there was none, or none could be kept. */
  async last(context: EntityContext): Promise<KeptVerification | null> {
    const store = await this.storeOf(context);
    return store ? store.last(context.binding) : null;
  }

  private async run(
    context: EntityContext,
    reader: DocumentReader,
    store: VerificationStore | null,
    options: ResolvedVerifyOptions,
  ): Promise<VerifyResult> {
    const recheck = new DifferenceRecheck(context, reader, new RowExpectation(context.binding), options);
    const shared = new SharedIndex(context, this.all());
    const handler = new DifferenceHandler(context, recheck, this.redriver, shared, options);
    let savedAt = performance.now();
    const run = new VerificationRun({ context, reader, handler, shared, options }, async (cursor) => {
      if (!store || performance.now() - savedAt < SAVE_EVERY_MS) return;
      savedAt = performance.now();
      await keep(context, store.save(context.binding, 'running', cursor));
    });
    if (store) await keep(context, store.begin(context.binding, run.cursor));
    try {
      const result = await run.run();
      if (store) await keep(context, store.end(context.binding, result));
      const { examples: _, reasons: _reasons, ...facts } = result;
      context.events.emit('verified', facts);
      return result;
    } catch (error) {
      if (store) await keep(context, store.save(context.binding, 'interrupted', run.cursor));
      throw error;
    }
  }

  /** Null where the table is missing and may not be made: a verification needs no record of itself. */
  private async storeOf({ binding, logger }: EntityContext): Promise<VerificationStore | null> {
    const store = new VerificationStore(binding.dataSource);
    try {
      await store.ensureTable();
      return store;
    } catch (error) {
      logger.warn(`${binding.name}: verifications are not kept: ${logTextOf(error)}`);
      return null;
    }
  }
}

/** One verification of a table at a time, in all instances. */
async function takeLock({ binding: { dataSource, metadata, name } }: EntityContext): Promise<NamedLock> {
  const lock = await NamedLock.take(dataSource, 'verify', metadata.tablePath);
  if (lock) return lock;
  throw new VerificationRunningError(`${name} is being verified already; wait for that run.`, { entity: name });
}

async function resumeFrom(
  { binding }: EntityContext,
  store: VerificationStore | null,
  options: ResolvedVerifyOptions,
): Promise<void> {
  const kept = await store?.last(binding);
  if (kept?.cursor) options.from = parseCursor(kept.cursor);
}

/** The record must not end the run. */
async function keep({ binding, logger }: EntityContext, writing: Promise<void>): Promise<void> {
  await writing.catch((error: Error) =>
    logger.warn(`${binding.name}: its verification was not kept: ${logTextOf(error)}`),
  );
}
