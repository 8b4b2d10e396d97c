import { classifyMysqlError } from '../mysql/mysql.errors.js';
import type { ParkReason } from '../mysql/parked.store.js';
import { factsOf, logTextOf } from '../observe/log.text.js';
import type { IndexOutcome } from '../protocol/outcome.js';
import { type Completion, DEFERRED, failed, type NotTaken, notTaken } from './completion.js';
import type { PreparedWrite } from './prepared.write.js';

/*
 * The steps of a write that Elasticsearch did not take, for certain.
 */

/** The undo image goes back without a race: nobody else has anything to put at this version. */
export async function restoreRefused(write: PreparedWrite, outcome: IndexOutcome): Promise<Completion> {
  const { context, key, version, pending } = write;
  try {
    await context.store.restore({ key, version, operation: pending.operation });
  } catch (error) {
    if (classifyMysqlError(error) === 'refused') {
      await park(write, 'restore-refused', error).catch(() => undefined);
    }
    context.logger.warn(
      `${context.binding.name}: a refused write could not be undone yet: ${logTextOf(error)}`,
      factsOf(context),
    );
  }
  return failed(notTaken(write, outcome as NotTaken));
}

/** `decider: 'mysql'`: the write stands, its document does not; a person must look. */
export async function parkRefused(write: PreparedWrite, outcome: IndexOutcome): Promise<Completion> {
  const { context } = write;
  const { reason } = outcome as Extract<IndexOutcome, { kind: 'refused' }>;
  try {
    await park(write, 'document-refused', new Error(reason));
  } catch (error) {
    context.logger.warn(
      `${context.binding.name}: a refused document could not be parked yet: ${logTextOf(error)}`,
      factsOf(context),
    );
  }
  context.logger.error(
    `${context.binding.name}: Elasticsearch refuses the document of a decided write: ${logTextOf(reason)}`,
    factsOf(context, { version: write.version }),
  );
  return DEFERRED;
}

async function park(write: PreparedWrite, reason: ParkReason, error: unknown): Promise<void> {
  const { context, key, version } = write;
  if (!(await context.parked.park(context.store, write, reason, error))) return;
  context.events.emit('parked', {
    entity: context.binding.name,
    dataSource: context.binding.dataSourceName,
    key: key.id,
    version,
    reason,
  });
}
