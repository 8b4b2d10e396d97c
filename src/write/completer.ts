import { setTimeout as sleep } from 'node:timers/promises';
import type { EntityContext, Lane } from '../entity/entity.context.js';
import { classifyMysqlError } from '../mysql/mysql.errors.js';
import type { ParkReason } from '../mysql/parked.store.js';
import { factsOf, logTextOf } from '../observe/log.text.js';
import type { IndexOutcome } from '../protocol/outcome.js';
import type { SlotView } from '../protocol/row.js';
import { decideAfterConflict, decideAfterIndex, isDoubtful } from '../protocol/write.decision.js';
import type { Resolution } from '../settle/resolution.js';
import {
  COMMITTED,
  type Completion,
  DEFERRED,
  failed,
  type FirstTry,
  type Indexed,
  notSent,
  type NotTaken,
  notTaken,
  requestOf,
} from './completion.js';
import type { IndexRequest } from './index.group.js';
import { addFlips, indexObserved, sendMany } from './lane.steps.js';
import type { PreparedWrite } from './prepared.write.js';
import { outcomeUnknown, rowParked, writeAborted } from './write.errors.js';

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
    const { context } = write;
    switch (decideAfterIndex(outcome, write.pending.decider, false, doubtful)) {
      case 'commit':
        return this.flip(lane, [write]).then(() => COMMITTED);
      case 'look':
        return this.look(context, write);
      case 'race':
        return this.race(context, write, outcome);
      case 'park':
        return this.parkRefused(context, write, outcome);
      case 'restore':
        return this.restore(context, write, outcome);
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
    await new Promise<void>((resolve) => {
      const late = setTimeout(resolve, context.options.writeTimeoutMs);
      void flipped.then(() => {
        clearTimeout(late);
        resolve();
      });
    });
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

  /** 409. Settling the row by the usual table tells who took the slot. */
  private async look(context: EntityContext, write: PreparedWrite): Promise<Completion> {
    const resolution = await this.settleOwn(context, write, false);
    if (resolution instanceof Error) {
      if (write.pending.decider === 'mysql') return DEFERRED;
      return failed(
        outcomeUnknown(
          write,
          `its version was taken, and by whom could not be seen: ${resolution.message}`,
          resolution,
        ),
      );
    }
    if (write.pending.decider === 'mysql') return resolution.settled ? COMMITTED : DEFERRED;
    return this.byFate(context, write, resolution, 'its version was taken in the index, and later writes hide by whom');
  }

  /** One of the tries may have been applied. Winning the slot ourselves makes it certain that none was. */
  private async race(context: EntityContext, write: PreparedWrite, outcome: IndexOutcome): Promise<Completion> {
    const { reason, cause } = { cause: undefined, ...(outcome as NotTaken) };
    const resolution = await this.settleOwn(context, write, true);
    if (resolution instanceof Error) return failed(outcomeUnknown(write, reason, cause ?? resolution));
    const ours = resolution.actedAt === write.version;
    if (ours && resolution.acted === 'restored') return failed(notTaken(write, outcome as NotTaken));
    return this.byFate(context, write, resolution, reason);
  }

  private async byFate(
    context: EntityContext,
    write: PreparedWrite,
    resolution: Resolution,
    reason: string,
  ): Promise<Completion> {
    const acted = resolution.actedAt === write.version ? resolution.acted : null;
    const row = acted ?? (resolution.settled ? 'moved' : 'unsettled');
    // A row that somebody else has settled was not looked up in the index: its slot still tells what he found.
    const slot = resolution.slot ?? (await this.slotOf(context, write));
    const fate = decideAfterConflict(write.version, write.pending.next, slot, row);
    if (fate === 'landed') return COMMITTED;
    if (fate === 'aborted') return failed(writeAborted(write));
    return failed(resolution.parked ? rowParked(write, reason) : outcomeUnknown(write, reason));
  }

  private async slotOf({ binding, documents, options }: EntityContext, write: PreparedWrite): Promise<SlotView> {
    const slots = documents.look(binding.alias, [write.documentId], { timeoutMs: options.writeTimeoutMs });
    return slots.then(
      ([slot]) => slot!,
      () => ({ found: false }),
    );
  }

  private async settleOwn(context: EntityContext, write: PreparedWrite, race: boolean): Promise<Resolution | Error> {
    const results = await context.settler.resolve([write.key], {
      purpose: 'write',
      timeoutMs: context.options.writeTimeoutMs,
      ...(race ? { claimed: new Map([[write.key.id, write.version]]) } : { conflictedAt: write.version }),
    });
    return results.get(write.key.id)!;
  }

  /** Certainly not applied: the undo image goes back without a race, nobody else has anything to put at this version. */
  private async restore(context: EntityContext, write: PreparedWrite, outcome: IndexOutcome): Promise<Completion> {
    const { key, version, pending } = write;
    try {
      await context.store.restore({ key, version, operation: pending.operation });
    } catch (error) {
      if (classifyMysqlError(error) === 'refused') {
        await this.park(context, write, 'restore-refused', error).catch(() => undefined);
      }
      context.logger.warn(
        `${context.binding.name}: a refused write could not be undone yet: ${logTextOf(error)}`,
        factsOf(context),
      );
    }
    return failed(notTaken(write, outcome as NotTaken));
  }

  /** `decider: 'mysql'`: the write stands, its document does not; a person must look. */
  private async parkRefused(context: EntityContext, write: PreparedWrite, outcome: IndexOutcome): Promise<Completion> {
    const { reason } = outcome as Extract<IndexOutcome, { kind: 'refused' }>;
    try {
      await this.park(context, write, 'document-refused', new Error(reason));
    } catch (error) {
      context.logger.warn(
        `${context.binding.name}: a refused document could not be parked yet: ${logTextOf(error)}`,
        factsOf(context),
      );
    }
    context.logger.error(
      `${context.binding.name}: Elasticsearch refuses the document of a decided write: ${logTextOf(reason)}`,
      factsOf(context, { version: write.version }),
    );
    return DEFERRED;
  }

  private async park(context: EntityContext, write: PreparedWrite, reason: ParkReason, error: unknown): Promise<void> {
    if (!(await context.parked.park(context.store, write, reason, error))) return;
    const { key, version } = write;
    context.events.emit('parked', {
      entity: context.binding.name,
      dataSource: context.binding.dataSourceName,
      key: key.id,
      version,
      reason,
    });
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
