import { keyOfImage } from '../entity/row.key.js';
import { BatchSize } from '../walk/batch.size.js';
import { type RowChunk, RowWalker, type WalkedRow } from '../walk/row.walker.js';
import { decideDifference } from './difference.decision.js';
import type { Suspect } from './difference.recheck.js';
import { type Expectation, RowExpectation } from './row.expectation.js';
import type { VerificationRun } from './verification.run.js';
import { VerifyTally } from './verify.tally.js';

/** A batch under way, and where the run stands once it is counted. */
interface Batch {
  readonly after: readonly string[];
  readonly tally: Promise<VerifyTally>;
  ended: boolean;
}

interface Expected {
  readonly row: WalkedRow;
  readonly expectation: Expectation;
}

/** `nameless`: why some rows cannot have a document at all. */
interface Compared {
  readonly suspects: readonly Suspect[];
  readonly nameless: readonly string[];
}

/** Batches whose rows are compared and gone, and whose differences are still looked at: those mostly wait. */
const RECHECKED = 6;

/** From every row to its document: finds what is missing, stale or foreign, and documents that should not be. */
export class RowPhase {
  private readonly expectation: RowExpectation;
  private readonly walker: RowWalker;
  private readonly withText: boolean;
  private readonly comparing = new Set<Promise<void>>();
  private readonly size: BatchSize;

  constructor(private readonly run: VerificationRun) {
    const { context, options } = run.parts;
    this.expectation = new RowExpectation(context.binding);
    this.size = new BatchSize(options.batchSize);
    this.withText = options.depth === 'content';
    this.walker = new RowWalker(context.binding, this.withText || this.expectation.needsWholeRows);
  }

  /** Several batches at once; counted in their order, so that the cursor never passes one that is not done. */
  async walk(from: readonly string[] | null): Promise<void> {
    const { concurrency } = this.run.parts.options;
    const batches: Batch[] = [];
    let after = from;
    let limit = this.size.first;
    try {
      for (;;) {
        const chunk = await this.run.persistently(() => this.walker.next(after, limit));
        if (!chunk) break;
        after = chunk.after;
        batches.push(this.batch(chunk));
        while (this.comparing.size >= concurrency) await Promise.race(this.comparing);
        while (batches[0]?.ended || batches.length >= concurrency + RECHECKED) await this.count(batches.shift()!);
        await this.run.pace.keep(chunk.rows.length);
        limit = this.size.next;
      }
      for (let batch = batches.shift(); batch; batch = batches.shift()) await this.count(batch);
    } finally {
      // None may go on working, least of all repairing, once the run is over.
      await Promise.allSettled(batches.map(({ tally }) => tally));
    }
  }

  private async count({ after, tally }: Batch): Promise<void> {
    this.run.tally.merge(await tally);
    await this.run.advance(after);
  }

  private batch({ rows, after }: RowChunk): Batch {
    const { length } = rows;
    const comparing = this.run.persistently(() => this.compare(rows));
    const compared = comparing.then(
      () => undefined,
      () => undefined,
    );
    this.comparing.add(compared);
    void compared.finally(() => this.comparing.delete(compared));
    const batch: Batch = { after, tally: comparing.then((compared) => this.handle(compared, length)), ended: false };
    const end = () => {
      batch.ended = true;
    };
    batch.tally.then(end, end);
    return batch;
  }

  private handle({ suspects, nameless }: Compared, rows: number): Promise<VerifyTally> {
    const { options, handler } = this.run.parts;
    return this.run.persistently(async () => {
      const tally = new VerifyTally(options.maxExamples);
      tally.count('rows', rows);
      for (const reason of nameless) tally.notChecked(reason);
      await handler.handle(suspects, tally);
      return tally;
    });
  }

  /** One look at all of them; what does not agree at once is a suspect. */
  private async compare(rows: readonly WalkedRow[]): Promise<Compared> {
    const { reader, options, context } = this.run.parts;
    const suspects: Suspect[] = [];
    const nameless: string[] = [];
    const suspect = ({ image }: WalkedRow) => {
      const key = keyOfImage(context.binding, image);
      try {
        suspects.push({ documentId: this.expectation.idOf(image), key });
      } catch (error) {
        nameless.push(`${context.binding.name} ${key.id}: ${(error as Error).message}`);
      }
    };
    const expected: Expected[] = [];
    let characters = 0;
    for (const row of rows) {
      const expectation = row.state === 'commit' ? await this.expect(row) : null;
      if (!expectation) suspect(row);
      else {
        expected.push({ row, expectation });
        characters += expectation.text?.length ?? 0;
      }
    }
    this.size.measure(rows.length, characters);
    const views = await reader.compare(
      expected.map(({ expectation }) => expectation.documentId),
      expected.map(({ expectation }) => expectation.text),
      options,
    );
    expected.forEach(({ row, expectation: { presence } }, at) => {
      const view = views[at]!;
      if (view instanceof Error || decideDifference({ version: row.version, presence }, view)) suspect(row);
    });
    return { suspects, nameless };
  }

  /** Null where the row cannot become a document: the second look tells why. */
  private async expect({ image }: WalkedRow): Promise<Expectation | null> {
    try {
      return this.expectation.plain(image, this.withText) ?? (await this.expectation.of(image, this.withText));
    } catch {
      return null;
    }
  }
}
