import type { EntityManager, QueryRunner } from 'typeorm';
import type { EntityContext } from '../entity/entity.context.js';
import { isReplicated } from '../mysql/primary.connection.js';
import { discardConnection, limitRunner, queryPrimary } from '../mysql/statement.timeout.js';
import { within } from '../mysql/time.watch.js';
import { logTextOf } from '../observe/log.text.js';

const MS_PER_SECOND = 1_000;

/**
 * Reads from a replica that has everything the primary had when the read began, so that the answer is never stale:
 * `gtid_executed` of the primary, then a bounded wait for that set on the replica, then the read.
 *
 * Why that is linearizable: a write happens when Elasticsearch takes its document, which is asked only after the prepare
 * was acknowledged, that is, after its GTID is in `gtid_executed`. So the replica has the prepare of every write that
 * happened before this read, and shows its row in `prepare`, to be settled on the primary, or as it was flipped later. A
 * replica that is ahead of the primary shows flips of decided writes, or newer prepares, which are settled there too.
 */
export class ReplicaReader {
  private restsUntil = 0;

  constructor(private readonly context: EntityContext) {}

  /** Null where the primary must be read instead: there is no replica, or none that caught up in time. Never throws. */
  async read<T>(run: (manager: EntityManager) => Promise<T>): Promise<{ readonly value: T } | null> {
    const { dataSource } = this.context.binding;
    if (!isReplicated(dataSource) || performance.now() < this.restsUntil) return null;
    const runner = dataSource.createQueryRunner('slave');
    let silent = true;
    try {
      const obstacle = await this.bounded(this.obstacle(runner));
      silent = obstacle === SILENT;
      if (obstacle !== null) {
        this.rest(obstacle);
        return null;
      }
      return { value: await run(limitRunner(runner).manager) };
    } catch (error) {
      // A mistake in the query itself comes again, from the primary.
      this.context.logger.debug(`${this.context.binding.name}: ${logTextOf(error)}; the primary is read.`);
      return null;
    } finally {
      // A silent connection would never become free.
      if (silent) discardConnection(runner);
      else await runner.release();
    }
  }

  /** Why this replica cannot be read, or null when it has what the primary had. */
  private async obstacle(runner: QueryRunner): Promise<string | null> {
    const { binding, options } = this.context;
    try {
      const [primary] = (await queryPrimary(
        binding.dataSource,
        'SELECT @@GLOBAL.gtid_mode AS mode, @@GLOBAL.gtid_executed AS executed',
      )) as { mode: string; executed: string }[];
      // In the other modes there are transactions without a GTID, which the set does not name.
      if (primary!.mode !== 'ON') return `gtid_mode of the primary is ${primary!.mode}, not ON`;
      const seconds = options.readRepair.timeoutMs / MS_PER_SECOND;
      const [replica] = (await runner.query('SELECT WAIT_FOR_EXECUTED_GTID_SET(?, ?) AS late', [
        primary!.executed,
        seconds,
      ])) as { late: number | string | null }[];
      const { late } = replica!;
      return late !== null && Number(late) === 0 ? null : `a replica did not catch up within ${seconds} s`;
    } catch (error) {
      return (error as Error).message;
    }
  }

  /** The server's own bound does not help against a connection that has gone silent. */
  private bounded(obstacle: Promise<string | null>): Promise<string | null> {
    return within(obstacle, 2 * this.context.options.readRepair.timeoutMs, () => SILENT);
  }

  /** Replicas that stand still must not make every read wait for them. */
  private rest(reason: string): void {
    const { binding, logger, options } = this.context;
    const { timeoutMs } = options.readRepair;
    this.restsUntil = performance.now() + timeoutMs;
    logger.debug(`${binding.name}: ${reason}; reads go to the primary for ${timeoutMs} ms.`);
  }
}

const SILENT = 'a replica does not answer';
