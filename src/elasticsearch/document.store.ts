import type { Client } from '@elastic/elasticsearch';
import type { IndexOutcome } from '../protocol/outcome.js';
import type { SlotView } from '../protocol/row.js';
import { encodeItem, refusalBeforeSending } from './bulk.codec.js';
import type { BulkItem, BulkWrite } from './bulk.codec.js';
import { BulkSender } from './bulk.sender.js';
import { FollowerWriter } from './follower.writer.js';
import type { IndexRoute, IndexRoutes } from './index.route.js';
import { LookFailedError } from './look.failure.js';
import type { FetchedDocument } from './mget.reader.js';
import { orThrow, ReadSender } from './read.sender.js';
import { RequestSender } from './request.sender.js';
import type { SendOptions } from './request.sender.js';
import { tombstoneText } from './tombstone.codec.js';
import { MAX_PURGE, PURGE_ANSWER, purgeItems, purgeSearch } from './tombstone.purge.js';
import type { PurgeResult } from './tombstone.purge.js';

export type { FetchedDocument } from './mget.reader.js';

export interface DocumentStoreOptions {
  /** A request's time limit in ms, where a call names none. Covers the answer's body too. */
  readonly requestTimeoutMs: number;
  /** Largest body of one bulk request, in bytes. Default 8 MiB. A single larger document still goes, alone. */
  readonly maxBulkBytes?: number;
  /** Most items in one bulk request. Default 500. */
  readonly maxBulkItems?: number;
  /** How many bulk requests of one `write` call run at the same time. Default 2. */
  readonly maxParallelBulks?: number;
  /**
   * Empties the answers to bulks once they are read. The client holds its last ones for a while, long enough for V8 to take them for old:
   * 20 MB more in a drain of 200,000 rows. Whoever listens to the client's `response` events sees them without items later. Default false.
   */
  readonly emptiesAnswers?: boolean;
  /** The aliases where a delete is a put of a tombstone's document. Asked at every write. Default none. */
  readonly durableTombstones?: ReadonlySet<string>;
  /** Where the documents of an alias are, while its index is being exchanged. Default: what the alias leads to. */
  readonly routes?: IndexRoutes;
}

export interface StoreCallOptions {
  /** Time limit of the whole call in ms. Default `requestTimeoutMs`. */
  readonly timeoutMs?: number;
  /** Gives the call up: what was sent becomes `unknown`, what was not sent becomes `unavailable`. */
  readonly signal?: AbortSignal;
}

export interface WriteOptions extends StoreCallOptions {
  /** Elasticsearch's `refresh`: `'wait_for'` answers once searches see the documents. Default false. */
  readonly refresh?: boolean | 'wait_for';
  /** The writes are this process's own, prepared before: not to be sent where the index was exchanged meanwhile. Default false. */
  readonly prepared?: boolean;
}

const OUTDATED: IndexOutcome = {
  kind: 'unavailable',
  certain: true,
  reason: 'not sent: it was prepared before the index was exchanged',
};
/**
 * Versioned requests to Elasticsearch: puts, deletes and realtime looks by id. `index` is always the alias.
 *
 * Every write goes through `_bulk` with `require_alias`, so that a deleted index never comes back by auto-creation (for
 * deletes that takes more: see `encodeBulk`). The client's own retries are off, because a retry whose first try timed out is unknown even when the
 * second was refused.
 */
export class DocumentStore {
  private readonly reads: ReadSender;
  private readonly bulks: BulkSender;
  private readonly follower: FollowerWriter | null;

  constructor(
    client: Client,
    private readonly options: DocumentStoreOptions,
  ) {
    const { maxBulkBytes = 8 * 1024 * 1024, maxBulkItems = 500, maxParallelBulks = 2, routes } = options;
    const { emptiesAnswers = false } = options;
    const sender = new RequestSender(client);
    this.reads = new ReadSender(sender);
    this.bulks = new BulkSender(sender, { maxBulkBytes, maxBulkItems, maxParallelBulks, emptiesAnswers });
    const look = (index: string, ids: readonly string[], timeoutMs: number) =>
      this.reads.slots(index, ids, this.limits({ timeoutMs })).then(orThrow);
    this.follower = routes ? new FollowerWriter(this.bulks, routes, look) : null;
  }

  /**
   * Sends versioned puts and deletes. One outcome for each write, in the same order. Never throws because of
   * Elasticsearch or the network: whatever happens is an outcome. Writes that cannot be sent (empty or over-long id, a
   * version that is no safe integer, a body that is no JSON object) are `refused` without harm to their neighbours.
   */
  async write(index: string, writes: readonly BulkWrite[], options: WriteOptions = {}): Promise<IndexOutcome[]> {
    const outcomes: IndexOutcome[] = Array.from({ length: writes.length });
    const endsAtMs = performance.now() + this.timeoutMs(options);
    let route: IndexRoute;
    try {
      const given = this.routeOf(index, options.prepared ? writes : undefined);
      route = given instanceof Promise ? await given : given;
    } catch (error) {
      const reason = `not sent: ${(error as Error).message}`;
      return outcomes.fill({ kind: 'unavailable', certain: true, reason, cause: error });
    }
    const items = this.itemsOf(index, writes, outcomes, options.prepared ? route.sinceVersion : 0);
    await this.bulks.send(route.decider, items, outcomes, { ...options, timeoutMs: endsAtMs - performance.now() });
    if (route.follower !== null) await this.followTaken(index, route.follower, items, outcomes, endsAtMs);
    return outcomes;
  }

  /**
   * Brings writes that the index holds already, by somebody else's doing, to the follower, where there is one.
   * Rejects where they could not be brought there, and that could not be remembered.
   */
  async follow(index: string, writes: readonly BulkWrite[], options: StoreCallOptions = {}): Promise<void> {
    const given = this.routeOf(index);
    const { follower } = given instanceof Promise ? await given : given;
    if (follower === null || !this.follower) return;
    const endsAtMs = performance.now() + this.timeoutMs(options);
    await this.follower.follow({ alias: index, follower, endsAtMs }, this.itemsOf(index, writes, [], 0));
  }

  /** Whether what the index takes goes to a second one as well. */
  async isFollowed(index: string): Promise<boolean> {
    const given = this.routeOf(index);
    return (given instanceof Promise ? await given : given).follower !== null;
  }

  private async followTaken(
    alias: string,
    follower: string,
    items: readonly BulkItem[],
    outcomes: IndexOutcome[],
    endsAtMs: number,
  ): Promise<void> {
    const taken = items.filter(({ position }) => outcomes[position]!.kind === 'applied');
    try {
      await this.follower?.follow({ alias, follower, endsAtMs }, taken);
    } catch (error) {
      // Were these flipped now, nobody would know that the follower lacks them. Whoever settles them tries again.
      const reason = `taken by the index, but not by the one that is to follow it: ${(error as Error).message}`;
      for (const { position } of taken) outcomes[position] = { kind: 'unknown', reason, cause: error };
    }
  }

  /** At once where nothing has to be asked: an ordinary write must not wait for a promise. `writes`: those of this process. */
  private routeOf(alias: string, writes?: readonly BulkWrite[]): IndexRoute | Promise<IndexRoute> {
    const { routes } = this.options;
    if (!routes) return { decider: alias, follower: null, sinceVersion: 0 };
    if (!writes) return routes.route(alias, 'settling');
    const version = writes.reduce((most, write) => Math.max(most, write.version), 0);
    return routes.route(alias, 'prepared', version);
  }

  private itemsOf(
    index: string,
    writes: readonly BulkWrite[],
    outcomes: IndexOutcome[],
    sinceVersion: number,
  ): BulkItem[] {
    const items: BulkItem[] = [];
    for (let position = 0; position < writes.length; position++) {
      const write = writes[position]!;
      const refusal = write.version < sinceVersion ? OUTDATED : refusalBeforeSending(write);
      if (refusal) outcomes[position] = refusal;
      else items.push(this.itemOf(index, write, position));
    }
    return items;
  }

  /**
   * Removes durable tombstones that were written before `deletedBeforeMs` (milliseconds since 1970): at most `limit` of them,
   * and at most 10,000. A key that has a document again is not touched.
   * @throws LookFailedError when Elasticsearch cannot be searched.
   */
  async purgeTombstones(
    index: string,
    deletedBeforeMs: number,
    limit = MAX_PURGE,
    options: StoreCallOptions = {},
  ): Promise<PurgeResult> {
    // The alias hides them, so the search goes to the index behind it.
    const { decider } = await this.addressOf(index);
    const limits = this.limits(options);
    const aliased = await this.reads.read('GET', `/_alias/${encodeURIComponent(decider)}`, {}, undefined, limits);
    const names = Object.keys(aliased ?? {}).map(encodeURIComponent);
    const size = Math.min(limit, MAX_PURGE);
    const path = `/${names.join(',')}/_search`;
    if (names.length === 0) throw new LookFailedError(`the alias "${index}" leads to no index`, { index });
    const search = purgeSearch(deletedBeforeMs, size);
    const items = purgeItems(await this.reads.read('POST', path, { filter_path: PURGE_ANSWER }, search, limits));
    const outcomes: IndexOutcome[] = Array.from({ length: items.length });
    await this.bulks.send(decider, items, outcomes, { ...options, timeoutMs: limits.timeoutMs });
    return { purged: outcomes.filter(({ kind }) => kind === 'applied').length, full: items.length >= size };
  }

  private itemOf(index: string, write: BulkWrite, position: number): BulkItem {
    const { id, version, body } = write;
    const tombstone = body === null && this.options.durableTombstones?.has(index) === true;
    if (!tombstone) return encodeItem(write, position);
    // Member by member: a caller's write may be an object whose members are getters.
    return encodeItem({ id, version, body: tombstoneText(version, Date.now()) }, position, true);
  }

  /**
   * What the slots of these ids hold now (realtime, not as of the last refresh). Same order as `ids`.
   * @throws LookFailedError when Elasticsearch cannot say, a missing alias included.
   */
  async look(index: string, ids: readonly string[], options: StoreCallOptions = {}): Promise<SlotView[]> {
    return orThrow(await this.lookEach(index, ids, options));
  }

  /**
   * As `look`, but what is wrong with one document alone (an unreadable version, a shard that is away) stands in its place:
   * its neighbours can do without it.
   * @throws LookFailedError when nothing at all was answered.
   */
  async lookEach(
    index: string,
    ids: readonly string[],
    options: StoreCallOptions = {},
  ): Promise<(SlotView | LookFailedError)[]> {
    return this.reads.slots((await this.addressOf(index)).decider, ids, this.limits(options));
  }

  /** @throws LookFailedError where it cannot be told which index decides */
  private async addressOf(alias: string): Promise<IndexRoute> {
    try {
      return await this.routeOf(alias);
    } catch (error) {
      throw new LookFailedError(
        `which index "${alias}" means now is not known: ${(error as Error).message}`,
        {},
        error,
      );
    }
  }

  /**
   * Whole documents, for comparison (realtime). Same order as `ids`. Numbers arrive as JavaScript numbers, so digits
   * beyond double precision are lost; this library's own documents carry such values as strings.
   * @throws LookFailedError as `look` does.
   */
  async fetch(index: string, ids: readonly string[], options: StoreCallOptions = {}): Promise<FetchedDocument[]> {
    const { decider } = await this.addressOf(index);
    return orThrow(await this.reads.documents(decider, ids, this.limits(options)));
  }

  /**
   * Asks the cluster for its health, once.
   * @throws LookFailedError when it cannot be reached in time.
   */
  async check(options: StoreCallOptions = {}): Promise<{ status: 'green' | 'yellow' | 'red' }> {
    const query = { filter_path: 'status' };
    const answer = await this.reads.read('GET', '/_cluster/health', query, undefined, this.limits(options));
    const { status } = (answer ?? {}) as { status?: unknown };
    if (status === 'green' || status === 'yellow' || status === 'red') return { status };
    throw new LookFailedError('Elasticsearch did not answer a health request; is the URL that of Elasticsearch?');
  }

  private timeoutMs(options: StoreCallOptions): number {
    return Math.max(1, options.timeoutMs ?? this.options.requestTimeoutMs);
  }

  private limits(options: StoreCallOptions): SendOptions {
    const timeoutMs = this.timeoutMs(options);
    return options.signal ? { timeoutMs, signal: options.signal } : { timeoutMs };
  }
}
