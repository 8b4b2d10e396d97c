import { ReindexStateError } from '../errors.js';
import type { Verifier } from '../verify/verifier.js';
import { differencesOf } from './follower.check.js';
import type { ReindexSession } from './reindex.session.js';
import type { ReindexResult } from './reindex.types.js';
import { copyTables, refuseProblems } from './table.copy.js';

const FILLING = 'filling';
const FILLED = 'filled';

/**
 * Copies rows that were there before the library into the index that the alias has. There is nothing to exchange: a row in `commit` is put at its
 * own version, for which nobody races, and every write has a higher one. What changed around the library meanwhile is found, and
 * driven through the protocol, by the verification at the end.
 */
export async function fillCurrent(session: ReindexSession, verifier: Pick<Verifier, 'verify'>): Promise<ReindexResult> {
  const { alias, contexts, seats, options, signal } = session.parts;
  const { phase, step } = session.state;
  if (phase !== 'idle') {
    throw new ReindexStateError(`A reindex of "${alias}" is under way: finish it, or roll it back.`, { alias, step });
  }
  const index = await seats.current();
  if (step !== FILLING) await session.keep({ step: FILLING, progress: {} });
  await copyTables(session, alias);
  refuseProblems(session, 'documents are refused by the index');
  const { maxRowsPerSecond, timeoutMs, maxExamples } = options;
  for (const context of contexts) {
    session.tell('verifying', context);
    const result = await verifier.verify(context, {
      repair: true,
      maxRowsPerSecond,
      timeoutMs,
      maxExamples,
      signal,
      onProgress: ({ rows, documents, phase: part }) =>
        session.tell('verifying', context, part === 'rows' ? rows : documents),
    });
    session.mended += result.repaired;
    session.untold += result.unchecked;
    const left = differencesOf(result) - result.repaired;
    for (const { documentId, kind, repair } of left > 0 ? result.examples : []) {
      if (repair !== 'repaired') session.problems.add({ entity: result.entity, documentId, reason: repair ?? kind });
    }
  }
  refuseProblems(session, 'documents are not as the rows make them');
  await session.keep({ step: FILLED });
  const places = Object.values(session.state.progress);
  return {
    alias,
    formerIndex: null,
    index,
    rows: places.reduce((sum, { rows }) => sum + rows, 0),
    copied: places.reduce((sum, { copied }) => sum + copied, 0),
    mended: session.mended,
    untold: session.untold,
    barrierMs: 0,
    seconds: session.seconds,
  };
}
