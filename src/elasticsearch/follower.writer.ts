import type { IndexOutcome } from '../protocol/outcome.js';
import type { SlotView } from '../protocol/row.js';
import type { BulkItem } from './bulk.codec.js';
import type { BulkOptions, BulkSender } from './bulk.sender.js';
import type { IndexRoutes, MissedDocuments } from './index.route.js';

/** What the decider took comes to the follower even where the call's time is nearly over. In milliseconds. */
const MIN_FOLLOW_MS = 500;

export interface FollowCall {
  readonly alias: string;
  readonly follower: string;
  readonly endsAtMs: number;
}

/**
 * Brings to the second index what the first one has taken, at the same versions. What cannot be brought there is remembered in
 * MySQL before anybody goes on, so that whoever exchanges the indices knows that they must be compared once more.
 */
export class FollowerWriter {
  constructor(
    private readonly bulks: BulkSender,
    private readonly routes: IndexRoutes,
    private readonly look: (index: string, ids: readonly string[], timeoutMs: number) => Promise<SlotView[]>,
  ) {}

  /** Rejects where something is missing and that could not be remembered either: then it must not count as done. */
  async follow({ alias, follower, endsAtMs }: FollowCall, items: readonly BulkItem[]): Promise<void> {
    if (items.length === 0) return;
    const timeoutMs = Math.max(MIN_FOLLOW_MS, Math.floor(endsAtMs - performance.now()));
    const options: BulkOptions = { timeoutMs };
    const outcomes: IndexOutcome[] = [];
    await this.bulks.send(follower, items, outcomes, options);
    const missed = await this.missed(follower, items, outcomes, timeoutMs);
    if (missed) await this.routes.missed(alias, missed);
  }

  private async missed(
    follower: string,
    items: readonly BulkItem[],
    outcomes: readonly IndexOutcome[],
    timeoutMs: number,
  ): Promise<MissedDocuments | null> {
    let count = 0;
    let reason = '';
    const note = (item: BulkItem, why: string): void => {
      count += 1;
      reason ||= `document ${item.write.id}: ${why}`;
    };
    const taken: BulkItem[] = [];
    for (const item of items) {
      const outcome = outcomes[item.position]!;
      if (outcome.kind === 'applied') continue;
      // A newer version is there already, or a tombstone from outside is: only the former is as it should be.
      if (outcome.kind === 'conflict') {
        if (item.write.body !== null) taken.push(item);
      } else note(item, outcome.kind === 'refused' ? `${outcome.type}: ${outcome.reason}` : outcome.reason);
    }
    if (taken.length > 0) {
      const ids = taken.map(({ write }) => write.id);
      const slots = await this.look(follower, ids, timeoutMs).catch(() => null);
      taken.forEach((item, at) => {
        if (!slots?.[at]?.found) note(item, 'its version was taken, and no document is there');
      });
    }
    return count > 0 ? { count, reason } : null;
  }
}
