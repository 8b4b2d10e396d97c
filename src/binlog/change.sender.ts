import type { BulkWrite } from '../elasticsearch/bulk.codec.js';
import type { DocumentStore } from '../elasticsearch/document.store.js';
import { decideCheck, decideGone } from '../protocol/adopt.decision.js';
import type { IndexOutcome } from '../protocol/outcome.js';
import type { ChangeOutcomes } from './change.outcome.js';
import type { ChangeWork } from './change.work.js';

const MISSING = new Set(['index_not_found_exception', 'alias_not_found_exception']);

/** True where the answer says that there is no index behind the alias. */
export function saysIndexMissing(outcome: IndexOutcome): outcome is IndexOutcome & { kind: 'refused' } {
  return outcome.kind === 'refused' && MISSING.has(outcome.type);
}

/** The quick way of one table's changes: bulks of versioned requests, and looks at many versions at once. */
export class ChangeSender {
  constructor(
    private readonly alias: string,
    private readonly documents: DocumentStore,
    private readonly outcomes: ChangeOutcomes,
    private readonly timeoutMs: number,
    private readonly signal: AbortSignal,
  ) {}

  /** Sends changed rows. A request that is sent again has the same version: the same request, not another. */
  async send(works: readonly ChangeWork[]): Promise<void> {
    const { timeoutMs, signal } = this;
    // A work has what a write has: another object for each would be one more to collect.
    const writes = works as readonly BulkWrite[];
    const outcomes = await this.documents.write(this.alias, writes, { timeoutMs, signal });
    for (let at = 0; at < works.length; at++) this.sent(works[at]!, outcomes[at]!);
  }

  private sent(work: ChangeWork, outcome: IndexOutcome): void {
    if (outcome.kind === 'applied' || outcome.kind === 'conflict') work.answered();
    if (outcome.kind === 'applied') {
      this.outcomes.finished(work, true);
    } else if (outcome.kind === 'conflict') {
      work.becomes('compare');
      this.outcomes.onwards(work);
    } else if (saysIndexMissing(outcome)) this.outcomes.indexMissing(outcome.reason);
    else if (outcome.kind === 'refused') this.outcomes.refused(work, `${outcome.type}: ${outcome.reason}`);
    else this.outcomes.again(work, outcome.kind === 'unknown' || !outcome.certain, outcome.reason);
  }

  /** Looks at the slots of rows that the protocol has decided, or that are gone. */
  async look(works: readonly ChangeWork[]): Promise<void> {
    const ids = works.map(({ id }) => id);
    const { timeoutMs, signal } = this;
    const slots = await this.documents.lookEach(this.alias, ids, { timeoutMs, signal }).catch((error: Error) => error);
    works.forEach((work, at) => {
      const slot = slots instanceof Error ? slots : slots[at]!;
      if (slot instanceof Error) {
        if (/index_not_found_exception/.test(slot.message)) this.outcomes.indexMissing(slot.message);
        else this.outcomes.again(work, false, slot.message);
      } else if (work.kind === 'gone') {
        if (decideGone(work.mark, slot, undefined, work.conflicted).kind === 'fine') {
          this.outcomes.finished(work, false);
          return;
        }
        work.slot = slot;
        this.outcomes.onwards(work);
      } else if (work.kind === 'check-absent' ? !slot.found : decideCheck(work.mark, slot, undefined) === 'fine') {
        this.outcomes.finished(work, false);
      } else {
        work.becomes('compare');
        this.outcomes.onwards(work);
      }
    });
  }
}
