import type { EntityContext } from '../entity/entity.context.js';
import type { Redriver, RedriveKey } from '../settle/redriver.js';
import type { Confirmed, DifferenceRecheck, Suspect } from './difference.recheck.js';
import type { SharedIndex } from './shared.index.js';
import type { DifferenceKind } from './verify.types.js';
import type { ResolvedVerifyOptions } from './verify.options.js';
import type { VerifyTally } from './verify.tally.js';

/** What is done with suspects: looked at again, counted, and repaired where that is wished. */
export class DifferenceHandler {
  constructor(
    private readonly context: EntityContext,
    private readonly recheck: DifferenceRecheck,
    private readonly redriver: Pick<Redriver, 'redrive'>,
    private readonly shared: SharedIndex,
    private readonly options: ResolvedVerifyOptions,
  ) {}

  async handle(suspects: readonly Suspect[], tally: VerifyTally): Promise<void> {
    if (suspects.length === 0) return;
    const { confirmed: found, unchecked } = await this.recheck.recheck(suspects);
    const confirmed = this.shared.isShared ? await this.withoutOthers(found) : found;
    for (const reason of unchecked) tally.notChecked(reason);
    const repairs = this.options.repair ? await this.repair(confirmed, tally) : undefined;
    confirmed.forEach(({ kind, documentId, rowVersion, documentVersion }, at) => {
      const repair = repairs?.[at];
      tally.difference({ kind, documentId, rowVersion, documentVersion, ...(repair ? { repair } : {}) });
    });
  }

  /** A document without a row here may have one in another table since. */
  private async withoutOthers(found: readonly Confirmed[]): Promise<Confirmed[]> {
    const nobodys = new Set(await this.shared.nobodysElse(found.filter((one) => one.rowVersion === null)));
    return found.filter((one) => one.rowVersion !== null || nobodys.has(one));
  }

  /** What became of each. */
  private async repair(confirmed: readonly Confirmed[], tally: VerifyTally): Promise<string[]> {
    const mine = confirmed.filter(({ rowVersion, kind }) => !this.mayBeOthers(rowVersion, kind));
    const keys = mine.map(({ key, documentId }): RedriveKey => {
      // By the document's id: two spellings of one key are two documents.
      return { id: documentId, parameters: key?.parameters ?? [], documentId };
    });
    const results = await this.redriver.redrive(this.context, keys, { timeoutMs: this.options.timeoutMs });
    return confirmed.map(({ documentId }) => {
      const result = results.get(documentId) ?? new Error(SHARED);
      tally.count(result instanceof Error ? 'failed' : 'repaired');
      return result instanceof Error ? result.message : 'repaired';
    });
  }

  /** Where several tables share the index, no lock and no version of this one keeps another from taking the id now. */
  private mayBeOthers(rowVersion: number | null, kind: DifferenceKind): boolean {
    return this.shared.isShared && rowVersion === null && kind === 'orphaned';
  }
}

const SHARED = 'the index is shared by several tables: look whose document it is, and delete it by hand';
