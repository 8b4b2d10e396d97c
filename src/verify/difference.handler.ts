import type { EntityContext } from '../entity/entity.context.js';
import type { Redriver, RedriveKey } from '../settle/redriver.js';
import type { Confirmed, DifferenceRecheck, Suspect } from './difference.recheck.js';
import type { ResolvedVerifyOptions } from './verify.options.js';
import type { VerifyTally } from './verify.tally.js';

/** What is done with suspects: looked at again, counted, and repaired where that is wished. */
export class DifferenceHandler {
  constructor(
    private readonly context: EntityContext,
    private readonly recheck: DifferenceRecheck,
    private readonly redriver: Redriver,
    private readonly options: ResolvedVerifyOptions,
  ) {}

  async handle(suspects: readonly Suspect[], tally: VerifyTally): Promise<void> {
    if (suspects.length === 0) return;
    const { confirmed, unchecked } = await this.recheck.recheck(suspects);
    for (const reason of unchecked) tally.notChecked(reason);
    const repairs = this.options.repair ? await this.repair(confirmed, tally) : undefined;
    confirmed.forEach(({ kind, documentId, rowVersion, documentVersion }, at) => {
      const repair = repairs?.[at];
      tally.difference({ kind, documentId, rowVersion, documentVersion, ...(repair ? { repair } : {}) });
    });
  }

  /** What became of each. */
  private async repair(confirmed: readonly Confirmed[], tally: VerifyTally): Promise<string[]> {
    const keys = confirmed.map(({ key, documentId }): RedriveKey => {
      // By the document's id: two spellings of one key are two documents.
      return { id: documentId, parameters: key?.parameters ?? [], documentId };
    });
    const results = await this.redriver.redrive(this.context, keys, { timeoutMs: this.options.timeoutMs });
    return keys.map(({ id }) => {
      const result = results.get(id)!;
      tally.count(result instanceof Error ? 'failed' : 'repaired');
      return result instanceof Error ? result.message : 'repaired';
    });
  }
}
