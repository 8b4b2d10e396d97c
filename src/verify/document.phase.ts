import { DocumentKeys } from './document.keys.js';
import type { DocumentPage } from './document.reader.js';
import type { Suspect } from './difference.recheck.js';
import { type Owned, RowPresence } from './row.presence.js';
import type { VerificationRun } from './verification.run.js';
import { VerifyTally } from './verify.tally.js';

const PAGE = 5_000;

/** From every document to its row: finds documents without one. Begins anew where it is interrupted; it is the cheap phase. */
export class DocumentPhase {
  private readonly keys: DocumentKeys;
  private readonly presence: RowPresence;

  constructor(private readonly run: VerificationRun) {
    const { binding } = run.parts.context;
    this.keys = new DocumentKeys(binding);
    this.presence = new RowPresence(binding);
  }

  async walk(): Promise<void> {
    const { reader, options } = this.run.parts;
    const found = new VerifyTally(options.maxExamples);
    const view = await this.run.persistently(() => reader.openView(options));
    try {
      let next = this.page(view, null);
      for (let page = await next; page; page = await next) {
        next = this.page(view, page.after);
        next.catch(() => undefined);
        const current = page;
        found.merge(await this.run.persistently(() => this.check(current)));
        await this.run.pace.keep(page.documents.length);
        await this.run.advance(null, found);
      }
      this.run.tally.counts.documents = 0;
      this.run.tally.merge(found);
    } catch (error) {
      // What was repaired will not be found again; the rest will.
      const { orphaned, repaired } = found.counts;
      const mended = new VerifyTally(0);
      mended.count('orphaned', Math.min(repaired, orphaned));
      mended.count('repaired', Math.min(repaired, orphaned));
      this.run.tally.merge(mended);
      throw error;
    } finally {
      await reader.closeView(view);
    }
  }

  private page(view: string, after: readonly unknown[] | null): Promise<DocumentPage | null> {
    const { reader, options } = this.run.parts;
    return this.run.persistently(() => reader.page(view, after, PAGE, this.keys.fields, options));
  }

  private async check({ documents }: DocumentPage): Promise<VerifyTally> {
    const { context, handler, shared, options } = this.run.parts;
    const tally = new VerifyTally(options.maxExamples);
    tally.count('documents', documents.length);
    const owned: Owned[] = [];
    const suspects: Suspect[] = [];
    for (const { id, source } of documents) {
      const owner = this.keys.ownerOf(id, source);
      if (owner === 'nobody') suspects.push({ documentId: id, key: null });
      else if (owner !== 'unknown') owned.push({ documentId: id, key: owner });
      else {
        tally.notChecked(
          `${context.binding.name} ${id}: the key's columns are not in the document, so its row is unknown`,
        );
      }
    }
    suspects.push(...(await this.presence.without(owned)));
    await handler.handle(await shared.nobodysElse(suspects), tally);
    return tally;
  }
}
