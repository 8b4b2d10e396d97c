import type { EntityContext } from '../entity/entity.context.js';
import { ReindexRefusedError } from '../errors.js';
import type { ReindexSession } from './reindex.session.js';
import type { CopyPlace } from './reindex.state.js';
import { RowCopier } from './row.copier.js';

const SAVE_EVERY_MS = 1_000;
const NOWHERE: CopyPlace = { after: null, rows: 0, copied: 0, isDone: false };

/** Copies every table of the index to `target`, each from where an earlier run has come to. */
export async function copyTables(session: ReindexSession, target: string): Promise<void> {
  for (const context of session.parts.contexts) await copyTable(session, context, target);
}

async function copyTable(session: ReindexSession, context: EntityContext, target: string): Promise<void> {
  const { options, signal } = session.parts;
  const { batchSize, maxRowsPerSecond, timeoutMs } = options;
  const table = context.binding.metadata.tablePath;
  const place = session.state.progress[table] ?? NOWHERE;
  if (place.isDone) return;
  await session.estimate(context);
  session.tell('copying', context, place.rows);
  const documents = session.documentsFor(target);
  const limits = { target, batchSize, maxRowsPerSecond, timeoutMs, signal };
  let savedAt = performance.now();
  await new RowCopier(context, documents, session.problems, limits).copy(place, async (reached) => {
    session.tell('copying', context, reached.rows);
    if (!reached.isDone && performance.now() - savedAt < SAVE_EVERY_MS) return;
    savedAt = performance.now();
    await session.keep({ progress: { ...session.state.progress, [table]: reached } });
  });
}

/** @throws ReindexRefusedError where documents were refused */
export function refuseProblems({ parts, problems }: ReindexSession, what: string): void {
  const { count, examples } = problems;
  if (count === 0) return;
  const [first] = examples;
  const example = first ? ` The first: ${first.entity} ${first.documentId}: ${first.reason}` : '';
  throw new ReindexRefusedError(`"${parts.alias}": ${count} ${what}.${example}`, {
    alias: parts.alias,
    count,
    problems: examples,
  });
}
