import type { EntityContext } from '../entity/entity.context.js';
import type { VerifyResult } from '../verify/verify.types.js';
import { type FollowerComparison, verifyFollower } from './follower.verification.js';
import { seatOf } from '../elasticsearch/index.route.js';
import type { ReindexSession } from './reindex.session.js';
import { refuseProblems } from './table.copy.js';

/** Rounds of comparing and mending, the last of which must find nothing. */
const MAX_ROUNDS = 5;
/** So many rounds in which the same could not be mended say that it cannot be. */
const MAX_FAILED_ROUNDS = 2;

/**
 * Compares every table with the index that follows until nothing differs, and mends it meanwhile.
 * @throws ReindexRefusedError where something cannot be mended, or cannot be compared
 */
export async function checkFollower(session: ReindexSession): Promise<void> {
  for (const context of session.parts.contexts) await checkTable(session, context);
}

async function checkTable(session: ReindexSession, context: EntityContext): Promise<void> {
  let failures = 0;
  for (let round = 1; ; round++) {
    const { result, rowsUnchecked, untold } = await compare(session, context);
    session.mended += result.repaired;
    if (result.failed > 0 || rowsUnchecked > 0) failures += 1;
    else if (differencesOf(result) === 0) {
      session.untold += untold;
      return;
    }
    if (failures >= MAX_FAILED_ROUNDS || round >= MAX_ROUNDS) refuse(session, result, rowsUnchecked);
  }
}

function compare(session: ReindexSession, context: EntityContext): Promise<FollowerComparison> {
  const { client, redriver, options, signal, contexts } = session.parts;
  const { maxRowsPerSecond, timeoutMs, maxExamples } = options;
  const seat = seatOf(session.followingIndex);
  const documents = session.documentsFor(seat);
  session.tell('verifying', context);
  return verifyFollower(
    { client, contexts, redriver, documents, seat },
    context,
    { maxRowsPerSecond, timeoutMs, maxExamples, signal },
    ({ phase, rows, documents: seen }) => session.tell('verifying', context, phase === 'rows' ? rows : seen),
  );
}

export function differencesOf({ missing, stale, foreign, orphaned }: VerifyResult): number {
  return missing + stale + foreign + orphaned;
}

function refuse(session: ReindexSession, result: VerifyResult, rowsUnchecked: number): void {
  const { problems } = session;
  const { entity, examples, reasons } = result;
  for (const { documentId, kind, repair } of examples) {
    if (repair !== 'repaired') problems.add({ entity, documentId, reason: repair ?? kind });
  }
  for (const reason of rowsUnchecked > 0 ? reasons : []) problems.add({ entity, documentId: '', reason });
  // More differ than are listed, or all were mended and others came: an instance that knows nothing of the new index.
  const wanted = Math.max(1, result.failed + rowsUnchecked);
  while (problems.count < wanted) problems.count += 1;
  if (problems.examples.length === 0) {
    problems.count = Math.max(problems.count, differencesOf(result));
    const reason = 'documents keep differing: does every instance run this version, with the same toDocument()?';
    problems.examples.push({ entity, documentId: '', reason });
  }
  refuseProblems(session, `documents of the new index are not as the rows make them, so nothing was exchanged`);
}
