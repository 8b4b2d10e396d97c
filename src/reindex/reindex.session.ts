import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@elastic/elasticsearch';
import { DocumentStore } from '../elasticsearch/document.store.js';
import type { EntityContext } from '../entity/entity.context.js';
import { ReindexInterruptedError, ReindexStateError } from '../errors.js';
import type { Redriver } from '../settle/redriver.js';
import { estimateTable } from '../walk/row.estimate.js';
import type { IndexSeats } from './index.seats.js';
import { type LeasedRoutes, withMargin } from './index.routes.js';
import { ProblemList } from './problem.list.js';
import type { ResolvedReindexOptions } from './reindex.options.js';
import type { KeptReindex } from './reindex.state.js';
import type { ReindexChange, ReindexStore } from './reindex.store.js';
import type { ReindexProgress } from './reindex.types.js';
import { WriteDrain } from './write.drain.js';

export interface SessionParts {
  readonly alias: string;
  /** Every table whose documents are in this index. */
  readonly contexts: readonly EntityContext[];
  readonly client: Client;
  readonly redriver: Pick<Redriver, 'redrive'>;
  readonly routes: LeasedRoutes;
  readonly store: ReindexStore;
  readonly seats: IndexSeats;
  readonly hidesTombstones: boolean;
  readonly signal: AbortSignal;
  readonly options: ResolvedReindexOptions;
}

/** One call that works on the index of an alias, under its lock: what its steps share. */
export class ReindexSession {
  readonly drain: WriteDrain;
  readonly problems: ProblemList;
  /** Documents that verifications brought. */
  mended = 0;
  untold = 0;
  /** How long the barrier was closed. */
  closedForMs = 0;
  private readonly begunAt = performance.now();
  private readonly estimates = new Map<EntityContext, number>();

  private constructor(
    readonly parts: SessionParts,
    private kept: KeptReindex,
  ) {
    this.drain = new WriteDrain(parts.contexts);
    this.problems = new ProblemList(parts.options.maxExamples);
  }

  static async open(parts: SessionParts): Promise<ReindexSession> {
    await parts.store.ensureTable();
    await parts.store.ensureRow(parts.alias);
    const session = new ReindexSession(parts, (await parts.store.load(parts.alias))!);
    // Whoever closed the barrier had the lock that is ours now: he is gone, and his epoch with this.
    if (session.state.isClosing) await session.advance({ closesForMs: null });
    return session;
  }

  get state(): KeptReindex {
    return this.kept;
  }

  get seconds(): number {
    return (performance.now() - this.begunAt) / 1_000;
  }

  /** Writes to a seat as it is, whoever decides. */
  documentsFor(seat: string): DocumentStore {
    const { client, options, hidesTombstones, contexts } = this.parts;
    const isDurable = hidesTombstones && contexts.some(({ binding }) => binding.tombstones === 'durable');
    return new DocumentStore(client, {
      requestTimeoutMs: options.timeoutMs,
      maxBulkItems: 1_000,
      ...(isDurable ? { durableTombstones: new Set([seat]) } : {}),
    });
  }

  /** The next epoch. @throws ReindexInterruptedError where somebody else has moved the state */
  async advance(change: ReindexChange): Promise<void> {
    const { store, alias } = this.parts;
    if (!(await store.advance(alias, this.state.epoch, change))) throw this.overtaken();
    await this.reload();
  }

  /** Within the epoch. */
  async keep(change: Parameters<ReindexStore['keep']>[2]): Promise<void> {
    const { store, alias } = this.parts;
    if (!(await store.keep(alias, this.state.epoch, change))) throw this.overtaken();
    this.kept = (await store.load(alias))!;
  }

  async reload(): Promise<void> {
    const { store, alias, routes } = this.parts;
    this.kept = (await store.load(alias))!;
    await routes.refresh(alias);
  }

  /** Waits until no process goes by the state before the last change. */
  async waitForAll(leaseMs: number): Promise<void> {
    await this.pause(withMargin(leaseMs));
  }

  async pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.parts.signal });
  }

  tell(step: ReindexProgress['step'], context: EntityContext | null = null, rows = 0): void {
    const estimatedRows = context ? (this.estimates.get(context) ?? 0) : 0;
    const { count: refused } = this.problems;
    const entity = context?.binding.name ?? null;
    this.parts.options.onProgress?.({ step, entity, rows, estimatedRows, refused, seconds: this.seconds });
  }

  async estimate(context: EntityContext): Promise<void> {
    this.estimates.set(context, await estimateTable(context.binding));
  }

  /** The index that would decide after an exchange. */
  get followingIndex(): string {
    const { phase, formerIndex, nextIndex } = this.state;
    return this.required(phase === 'swapped' ? formerIndex : nextIndex);
  }

  get decidingIndex(): string {
    const { phase, formerIndex, nextIndex } = this.state;
    return this.required(phase === 'swapped' ? nextIndex : formerIndex);
  }

  private required(index: string | null): string {
    if (index !== null) return index;
    throw new ReindexStateError(`No reindex of "${this.parts.alias}" is under way.`, { alias: this.parts.alias });
  }

  private overtaken(): ReindexInterruptedError {
    const { alias } = this.parts;
    return new ReindexInterruptedError(
      `Somebody else has gone on with the reindex of "${alias}", or its barrier was open again before all was done. Look at reindexStatus().`,
      { alias },
    );
  }
}
