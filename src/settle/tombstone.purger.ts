import type { EntityContext } from '../entity/entity.context.js';
import { queryPrimary } from '../mysql/statement.timeout.js';

const PAUSE_MS = 60_000;
/** After a purge that did not get to the end. Long enough for a refresh, which takes what was removed out of the next search. */
const SHORT_PAUSE_MS = 10_000;
const MYSQL_MS = "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000 AS ms";

/** Removes durable tombstones that nothing can meet any more. Any number of instances may do it: the deletes name versions. */
export class TombstonePurger {
  private readonly dueAt = new WeakMap<EntityContext, number>();

  /** As `purge`, but not more often than once a minute; sooner where there was more to do. */
  async purgeWhenDue(context: EntityContext, signal?: AbortSignal): Promise<void> {
    if (performance.now() < (this.dueAt.get(context) ?? 0)) return;
    await this.purge(context, signal);
  }

  /** At most 10,000 of one table, the oldest first. Never throws: they harm nobody, and the next purge finds them again. */
  async purge(context: EntityContext, signal?: AbortSignal): Promise<void> {
    const { binding, documents, logger } = context;
    const { alias, tombstones, tombstoneRetentionMs } = binding;
    if (tombstones !== 'durable' || tombstoneRetentionMs === Infinity || signal?.aborted) return;
    let pauseMs = PAUSE_MS;
    try {
      const before = (await this.clockMs(context)) - tombstoneRetentionMs;
      const stop = signal ? { signal } : {};
      const { purged, full } = await documents.purgeTombstones(alias, before, undefined, stop);
      if (full) pauseMs = SHORT_PAUSE_MS;
      if (purged > 0) logger.debug(`${binding.name}: ${purged} old tombstones were removed from "${alias}"`);
    } catch (error) {
      logger.warn(`${binding.name}: old tombstones could not be removed, again later: ${(error as Error).message}`);
    }
    this.dueAt.set(context, performance.now() + pauseMs);
  }

  /** The earlier of two clocks: one that is ahead must not end a tombstone's life. */
  private async clockMs({ binding }: EntityContext): Promise<number> {
    const [row] = (await queryPrimary(binding.dataSource, MYSQL_MS)) as { ms: string | number }[];
    return Math.min(Number(row!.ms), Date.now());
  }
}
