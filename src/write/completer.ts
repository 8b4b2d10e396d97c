import { setTimeout as sleep } from 'node:timers/promises';
import type { EntityContext, Lane } from '../entity/entity.context.js';
import { within } from '../mysql/time.watch.js';
import { factsOf, logTextOf } from '../observe/log.text.js';
import type { IndexOutcome } from '../protocol/outcome.js';
import { decideAfterIndex, isDoubtful } from '../protocol/write.decision.js';
import {
  COMMITTED,
  type Completion,
  DEFERRED,
  failed,
  type FirstTry,
  type Indexed,
  notSent,
  requestOf,
} from './completion.js';
import { lookForTaker, raceForSlot } from './contest.steps.js';
import type { IndexRequest } from './index.group.js';
import { addFlips, indexObserved, sendMany } from './lane.steps.js';
import type { PreparedWrite } from './prepared.write.js';
import { parkRefused, restoreRefused } from './refusal.steps.js';
import { outcomeUnknown } from './write.errors.js';

export type { Completion } from './completion.js';

/**
 * Steps two and three of the write: index, then commit. Works on any number of prepared writes at once; each has its
 * own outcome, and none is harmed by its neighbour.
 *
 * ```
 *             prepared ──index──┬─ applied ────────────────► flip ─► committed
 *                               ├─ 409 ──look──┬─ ours ─────► flip ─► committed
 *                               │              ├─ lost ─────────────► WriteAborted (the row is restored)
 *                               │              └─ cannot tell ──────► OutcomeUnknown
 *                               ├─ not now: try again, then as below
 *                               ├─ no try was applied, for certain: restore ─► IndexRejected / IndexUnavailable
 *                               ├─ one may have been ───race for the slot──► as after a 409, or the same errors
 *                               └─ unknown ───────── stays prepare ────────► OutcomeUnknown
 * ```
 */
export class Completer {
  private readonly flipping = new Set<Promise<void>>();

  /** One completion for each write, in order. Those of one entity share the first try of the index, and the flip. */
  async complete(writes: readonly PreparedWrite[]): Promise<Completion[]> {
    const places = new Map<EntityContext, number[]>();
    writes.forEach(({ context }, at) => {
      const alike = places.get(context);
      if (alike) alike.push(at);
      else places.set(context, [at]);
    });
    const completions = Array.from<Completion>({ length: writes.length });
    const groups = [...places].map(async ([context, alike]) => {
      const done = await this.completeMany(
        context,
        alike.map((at) => writes[at]!),
      );
      alike.forEach((at, place) => {
        completions[at] = done[place]!;
      });
    });
    await Promise.all(groups);
    return completions;
  }

  /** What most rows need, without a promise and a timer for each; the others go on one by one from the answer they got. */
  private async completeMany(context: EntityContext, writes: readonly PreparedWrite[]): Promise<Completion[]> {
    const lane = context.many;
    const endsAt = performance.now() + context.options.writeTimeoutMs;
    const completions: Completion[] = writes.map(() => COMMITTED);
    const sent = [...writes.keys()].filter((at) => !writes[at]!.complete);
    const requests = sent.map((at) => requestOf(writes[at]!, endsAt));
    const outcomes = await sendMany(context, requests);
    const landed: PreparedWrite[] = [];
    const others: Promise<void>[] = [];
    sent.forEach((at, place) => {
      const [write, outcome] = [writes[at]!, outcomes[place]!];
      if (decideAfterIndex(outcome, write.pending.decider, false, false) === 'commit') landed.push(write);
      else {
        const ended = this.index(lane, write, { endsAt, outcome }).then((indexed) =>
          this.afterIndex(lane, write, indexed),
        );
        others.push(
          ended.then((completion) => {
            completions[at] = completion;
          }),
        );
      }
    });
    await Promise.all([this.flip(lane, landed), ...others]);
    writes.forEach((write, at) => this.report(write, completions[at]!));
    return completions;
  }

  async completeOne(write: PreparedWrite, lane: Lane = write.context.single): Promise<Completion> {
    const completion = write.complete
      ? COMMITTED
      : await this.afterIndex(lane, write, await this.indexFirst(lane, write));
    this.report(write, completion);
    return completion;
  }

  private indexFirst(lane: Lane, write: PreparedWrite): Promise<Indexed> {
    return write.context.instruments.active ? this.indexObserved(lane, write) : this.index(lane, write);
  }

  private indexObserved(lane: Lane, write: PreparedWrite): Promise<Indexed> {
    return indexObserved(write, () => this.index(lane, write));
  }

  /**
   * Sends the document; repeats, within the time limit, what was not served and may do better soon. `first`: the answer
   * to a first try that was made already.
   */
  private async index(lane: Lane, write: PreparedWrite, first?: FirstTry): Promise<Indexed> {
    const { context, pending } = write;
    const { writeTimeoutMs, retry } = context.options;
    const endsAt = first?.endsAt ?? performance.now() + writeTimeoutMs;
    let doubtful = false;
    for (let attempt = 0; ; attempt++) {
      const outcome = (attempt === 0 && first?.outcome) || (await this.send(lane, requestOf(write, endsAt)));
      const pauseMs = retry.backoffMs * 2 ** attempt;
      const mayRetry = attempt < retry.attempts && performance.now() + pauseMs < endsAt;
      if (decideAfterIndex(outcome, pending.decider, mayRetry, doubtful) !== 'retry') return { outcome, doubtful };
      doubtful ||= isDoubtful(outcome);
      await sleep(pauseMs);
    }
  }

  /** A full queue has sent nothing. */
  private async send({ index }: Lane, request: IndexRequest): Promise<IndexOutcome> {
    try {
      return await index.add(request);
    } catch (error) {
      return notSent(error);
    }
  }

  private async afterIndex(lane: Lane, write: PreparedWrite, { outcome, doubtful }: Indexed): Promise<Completion> {
    switch (decideAfterIndex(outcome, write.pending.decider, false, doubtful)) {
      case 'commit':
        return this.flip(lane, [write]).then(() => COMMITTED);
      case 'look':
        return lookForTaker(write);
      case 'race':
        return raceForSlot(write, outcome);
      case 'park':
        return parkRefused(write, outcome);
      case 'restore':
        return restoreRefused(write, outcome);
      default: {
        if (write.pending.decider === 'mysql') return DEFERRED;
        const { reason, cause } = outcome as Extract<IndexOutcome, { kind: 'unknown' }>;
        return failed(outcomeUnknown(write, reason, cause));
      }
    }
  }

  /**
   * Flips what landed. The write is decided: whatever goes wrong here is settled later and nobody's error. With
   * `acknowledge: 'indexed'` the caller does not wait for it.
   */
  private async flip(lane: Lane, writes: readonly PreparedWrite[]): Promise<void> {
    const [first] = writes;
    if (!first) return;
    const { context } = first;
    const given = addFlips(context, lane, writes);
    const flipped: Promise<void> = given.then(
      (errors) => {
        this.flipping.delete(flipped);
        for (const error of Array.isArray(errors) ? errors : [errors]) if (error) this.notFlipped(context, error);
      },
      (error: unknown) => {
        this.flipping.delete(flipped);
        this.notFlipped(context, error);
      },
    );
    this.flipping.add(flipped);
    if (context.options.acknowledge === 'indexed') return;
    await within(flipped, context.options.writeTimeoutMs, () => undefined);
  }

  /** Waits for flips that callers no longer wait for. */
  async drain(): Promise<void> {
    await Promise.all(this.flipping);
  }

  private notFlipped(context: EntityContext, error: unknown): void {
    context.logger.warn(
      `${context.binding.name}: a decided write could not be flipped to commit and will be settled later: ${logTextOf(error)}`,
      factsOf(context),
    );
  }

  private report(write: PreparedWrite, completion: Completion): void {
    const outcome = completion.status === 'failed' ? completion.error.code : completion.status;
    write.context.events.emit('written', {
      entity: write.context.binding.name,
      dataSource: write.context.binding.dataSourceName,
      operation: write.pending.operation,
      outcome,
    });
  }
}
