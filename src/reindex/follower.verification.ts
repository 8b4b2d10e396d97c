import type { Client } from '@elastic/elasticsearch';
import type { DocumentStore } from '../elasticsearch/document.store.js';
import type { EntityContext } from '../entity/entity.context.js';
import type { Redriver } from '../settle/redriver.js';
import { DifferenceHandler } from '../verify/difference.handler.js';
import { DifferenceRecheck } from '../verify/difference.recheck.js';
import { DocumentReader } from '../verify/document.reader.js';
import { RowExpectation } from '../verify/row.expectation.js';
import { SharedIndex } from '../verify/shared.index.js';
import { VerificationRun } from '../verify/verification.run.js';
import { resolveVerifyOptions } from '../verify/verify.options.js';
import type { VerifyOptions, VerifyProgress, VerifyResult } from '../verify/verify.types.js';
import { FollowerMender } from './follower.mender.js';

export interface FollowerParts {
  readonly client: Client;
  readonly contexts: readonly EntityContext[];
  readonly redriver: Pick<Redriver, 'redrive'>;
  /** Writes to the seat as it is, without routes. */
  readonly documents: DocumentStore;
  readonly seat: string;
}

/** What comparing one table with the follower came to. */
export interface FollowerComparison {
  readonly result: VerifyResult;
  /** Rows that could not be compared: undecided, parked, or without a document by fault. */
  readonly rowsUnchecked: number;
  /** Documents whose row cannot be told. */
  readonly untold: number;
}

/** Compares one table with the index that follows, as a verification does with the one that decides, and mends the follower. */
export async function verifyFollower(
  { client, contexts, redriver, documents, seat }: FollowerParts,
  context: EntityContext,
  given: Pick<VerifyOptions, 'maxRowsPerSecond' | 'timeoutMs' | 'maxExamples'> & { signal: AbortSignal },
  onProgress: (progress: VerifyProgress) => void,
): Promise<FollowerComparison> {
  let rowsUnchecked: number | null = null;
  const options = resolveVerifyOptions({
    ...given,
    repair: true,
    onProgress: (progress) => {
      // The first one of the second phase: every row is counted, and no document yet.
      if (progress.phase === 'documents') rowsUnchecked ??= progress.unchecked;
      onProgress(progress);
    },
  });
  const reader = new DocumentReader(client, seat);
  const recheck = new DifferenceRecheck(context, reader, new RowExpectation(context.binding), options);
  const shared = new SharedIndex(context, contexts);
  const mender = new FollowerMender(seat, documents, redriver);
  const handler = new DifferenceHandler(context, recheck, mender, shared, options);
  const run = new VerificationRun({ context, reader, handler, shared, options }, async () => undefined);
  const result = await run.run();
  const unchecked = rowsUnchecked ?? result.unchecked;
  return { result, rowsUnchecked: unchecked, untold: result.unchecked - unchecked };
}
