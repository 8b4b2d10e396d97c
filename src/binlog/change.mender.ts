import { isDeepStrictEqual } from 'node:util';
import type { DocumentStore, FetchedDocument } from '../elasticsearch/document.store.js';
import { documentIdOf, documentTextOf } from '../entity/document.builder.js';
import type { EntityContext } from '../entity/entity.context.js';
import { keyOfImage } from '../entity/row.key.js';
import { ConsistentError, IndexRejectedError, InvalidDocumentError } from '../errors.js';
import { errnoOf } from '../mysql/mysql.errors.js';
import type { LoadedRow } from '../mysql/row.store.js';
import { decideAfterAdoptConflict, decideGone, decideSettled } from '../protocol/adopt.decision.js';
import { RESTORED_FIELD } from '../protocol/row.js';
import type { RedriveKey, Redriver } from '../settle/redriver.js';
import type { ChangeOutcomes } from './change.outcome.js';
import { saysIndexMissing } from './change.sender.js';
import type { ChangeWork } from './change.work.js';

const ER_BAD_FIELD = 1054;
const ER_NO_SUCH_TABLE = 1146;

export interface MenderParts {
  readonly context: EntityContext;
  readonly documents: DocumentStore;
  readonly redriver: Pick<Redriver, 'redrive'>;
  readonly outcomes: ChangeOutcomes;
  /** Whether the row's document was refused before: then it is not driven again for every look. */
  readonly refusedBefore: (id: string) => boolean;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** What a row's document should be; null where it has none by rule. */
type Expected = Record<string, unknown> | null;

/**
 * The slow way of one table's changes: reads rows and documents, compares, deletes documents without a row, and has the
 * rows that differ driven through the protocol. Documents are read before rows: a row that is not there after its document was seen is gone.
 */
export class ChangeMender {
  constructor(private readonly parts: MenderParts) {}

  async mend(works: readonly ChangeWork[]): Promise<void> {
    try {
      await this.gone(works.filter(({ kind }) => kind === 'gone'));
      await this.prove(works.filter(({ kind }) => kind === 'put'));
      await this.compare(works.filter(({ kind }) => kind !== 'gone' && kind !== 'put'));
    } catch (error) {
      this.failed(works, error as Error);
    }
  }

  private failed(works: readonly ChangeWork[], error: Error): void {
    const { outcomes } = this.parts;
    const number = errnoOf(error);
    if (number === ER_BAD_FIELD || number === ER_NO_SUCH_TABLE) outcomes.tableBroken(error.message);
    else if (/index_not_found_exception/.test(error.message)) outcomes.indexMissing(error.message);
    else for (const work of works) outcomes.again(work, false, error.message);
  }

  /** The rows of these works by document id, as they are now. */
  private async rows(works: readonly ChangeWork[]): Promise<Map<string, LoadedRow>> {
    const { binding, store } = this.parts.context;
    const found = await store.load(works.map(({ image }) => keyOfImage(binding, image)));
    const rows = new Map<string, LoadedRow>();
    // By document id: a key in another spelling is another document.
    for (const row of found.values()) rows.set(documentIdOf(binding, row.image), row);
    return rows;
  }

  private async gone(works: readonly ChangeWork[]): Promise<void> {
    if (works.length === 0) return;
    const { documents, context, outcomes, timeoutMs, signal } = this.parts;
    const rows = await this.rows(works);
    const removals: { work: ChangeWork; version: number }[] = [];
    const unsettled: ChangeWork[] = [];
    const fenced: ChangeWork[] = [];
    for (const work of works) {
      const verdict = decideGone(work.mark, work.slot!, rows.get(work.id) ?? null, work.conflicted);
      if (verdict.kind === 'delete') removals.push({ work, version: verdict.version });
      else if (verdict.kind === 'wait') unsettled.push(work);
      else if (verdict.kind === 'redrive') fenced.push(work);
      else outcomes.finished(work, false);
    }
    await this.settle(unsettled);
    await this.redrive(fenced);
    const writes = removals.map(({ work, version }) => ({ id: work.id, version, body: null }));
    const results = await documents.write(context.binding.alias, writes, { timeoutMs, signal });
    removals.forEach(({ work }, at) => {
      const outcome = results[at]!;
      if (outcome.kind === 'applied') {
        outcomes.finished(work, true);
      } else if (outcome.kind === 'conflict') {
        work.conflicted = true;
        work.slot = null;
        outcomes.onwards(work);
      } else if (saysIndexMissing(outcome)) outcomes.indexMissing(outcome.reason);
      else if (outcome.kind === 'refused') outcomes.refused(work, `${outcome.type}: ${outcome.reason}`);
      else {
        // The delete is decided anew after a look: its version depends on what is there.
        work.slot = null;
        outcomes.again(work, true, outcome.reason);
      }
    });
  }

  /** Old changes: those whose row has moved on have a later event; the others are sent. */
  private async prove(works: readonly ChangeWork[]): Promise<void> {
    if (works.length === 0) return;
    const rows = await this.rows(works);
    for (const work of works) {
      work.late = false;
      if (decideAfterAdoptConflict(work.mark, rows.get(work.id) ?? null) === 'fine') {
        this.parts.outcomes.finished(work, false);
      } else this.parts.outcomes.onwards(work);
    }
  }

  private async compare(works: readonly ChangeWork[]): Promise<void> {
    if (works.length === 0) return;
    const { documents, context, outcomes, timeoutMs, signal } = this.parts;
    const ids = works.map(({ id }) => id);
    const fetched = await documents.fetch(context.binding.alias, ids, { timeoutMs, signal });
    const rows = await this.rows(works);
    const unsettled: ChangeWork[] = [];
    const differing: ChangeWork[] = [];
    for (const [at, work] of works.entries()) {
      const row = rows.get(work.id) ?? null;
      const verdict = work.kind === 'settle' ? decideSettled(work.mark, row) : decideAfterAdoptConflict(work.mark, row);
      if (verdict === 'wait') unsettled.push(work);
      else if (verdict === 'fine') outcomes.finished(work, false);
      else await this.judge(work, row!, fetched[at]!, differing);
    }
    await this.settle(unsettled);
    await this.redrive(differing);
  }

  /** A difference counts when it is seen twice: the first look may have fallen between a write and its flip. */
  private async judge(
    work: ChangeWork,
    row: LoadedRow,
    document: FetchedDocument,
    differing: ChangeWork[],
  ): Promise<void> {
    const { outcomes, refusedBefore } = this.parts;
    let expected: Expected;
    try {
      expected = await this.expected(row);
    } catch (error) {
      return outcomes.refused(work, (error as Error).message);
    }
    if (agrees(expected, document)) return outcomes.finished(work, false);
    if (refusedBefore(work.id)) return outcomes.refused(work, 'its document was refused before');
    const seen = `${row.version}:${document.found ? document.version : 'none'}`;
    if (work.difference === seen) differing.push(work);
    else {
      work.difference = seen;
      outcomes.onwards(work);
    }
  }

  private async expected(row: LoadedRow): Promise<Expected> {
    const { binding } = this.parts.context;
    const entity = await binding.hydrate(row.image);
    if (binding.presence(row.image, entity) === 'absent') return null;
    return JSON.parse(documentTextOf(binding, row.image, entity)) as Expected;
  }

  private async settle(works: readonly ChangeWork[]): Promise<void> {
    if (works.length === 0) return;
    const { context, outcomes, timeoutMs } = this.parts;
    const keys = works.map(({ image }) => keyOfImage(context.binding, image));
    const results = await context.settler.resolve(keys, { purpose: 'sweep', timeoutMs });
    works.forEach((work, at) => {
      const result = results.get(keys[at]!.id)!;
      if (result instanceof Error) outcomes.again(work, false, result.message);
      else if (result.settled) this.lookAgain(work);
      else outcomes.again(work, false, result.parked ? 'the row is parked' : 'the row is not settled yet');
    });
  }

  private lookAgain(work: ChangeWork): void {
    work.slot = null;
    this.parts.outcomes.onwards(work);
  }

  private async redrive(works: readonly ChangeWork[]): Promise<void> {
    if (works.length === 0) return;
    const { context, redriver, outcomes, timeoutMs } = this.parts;
    const keys = works.map((work): RedriveKey => ({
      ...keyOfImage(context.binding, work.image),
      documentId: work.id,
    }));
    const results = await redriver.redrive(context, keys, { timeoutMs });
    works.forEach((work, at) => {
      const result = results.get(keys[at]!.id);
      if (result === undefined) outcomes.again(work, false, 'no result');
      // A key with a new row: only a look tells whether that row is now above the old one's request.
      else if (!(result instanceof Error) && work.kind === 'gone') this.lookAgain(work);
      else if (!(result instanceof Error)) outcomes.finished(work, result !== 'unchanged');
      else if (result instanceof IndexRejectedError || result instanceof InvalidDocumentError) {
        outcomes.refused(work, result.message);
      } else {
        const told = result instanceof ConsistentError ? `${result.code}: ${result.message}` : result.message;
        outcomes.again(work, false, told);
      }
    });
  }
}

function agrees(expected: Expected, document: FetchedDocument): boolean {
  if (!document.found) return expected === null;
  if (expected === null) return false;
  const held: Record<string, unknown> = { ...document.source };
  delete held[RESTORED_FIELD];
  return isDeepStrictEqual(held, expected);
}
