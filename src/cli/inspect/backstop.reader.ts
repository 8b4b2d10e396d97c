import { CheckpointStore } from '../../binlog/checkpoint.store.js';
import { primaryConnectionOf } from '../../binlog/backstop.connection.js';
import type { BinlogCoordinates } from '../../binlog/binlog.types.js';
import { GtidSet } from '../../binlog/gtid.set.js';
import { LeaderLock } from '../../binlog/leader.lock.js';
import { whereToBegin } from '../../binlog/backstop.begin.js';
import { InvalidOptionsError } from '../../errors.js';
import type { InspectedTable, Inspection } from './inspected.types.js';
import { checkedQuery } from './log.query.js';

/** The backstop as MySQL shows it to anybody. */
export interface BackstopFacts {
  readonly name: string;
  /** Whether some instance holds the leader's lock. */
  readonly leading: boolean;
  /** Its connection: KILL of it ends the leadership. Null where nobody leads. */
  readonly connectionId: number | null;
  readonly checkpoint: BinlogCoordinates | null;
  readonly leader: string | null;
  readonly epoch: number | null;
  /** Seconds since it was last saved. While nothing is written that is at most half a minute. */
  readonly savedSecondsAgo: number | null;
  /** Transactions that MySQL has and the checkpoint has not; null without GTIDs. Others than ours count as well. */
  readonly transactionsBehind: number | null;
  readonly toVerify: Readonly<Record<string, string>>;
}

/** Null where there is no backstop, or it was never started. */
export async function readBackstop(inspection: Inspection): Promise<BackstopFacts | null> {
  const { backstop, dataSources } = inspection;
  const dataSource = backstop && dataSources.get(backstop.dataSource);
  if (!backstop || !dataSource) return null;
  const found = (await dataSource.query(
    `SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'consistent_checkpoint'`,
  )) as unknown[];
  if (found.length === 0) return null;
  const checkpoint = await new CheckpointStore(dataSource).load(backstop.name);
  const { lockName } = new LeaderLock({ connection: primaryConnectionOf(dataSource), name: backstop.name });
  const [facts] = (await dataSource.query(
    `SELECT IS_USED_LOCK(?) AS holder, @@GLOBAL.gtid_executed AS executed,
       TIMESTAMPDIFF(SECOND, ?, UTC_TIMESTAMP(6)) AS savedAgo`,
    [lockName, checkpoint?.updatedAt ?? null],
  )) as [{ holder: string | null; executed: string; savedAgo: string | null }];
  const behind = checkpoint?.gtidSet ? GtidSet.parse(facts.executed).subtract(GtidSet.parse(checkpoint.gtidSet)) : null;
  const { gtidSet = '', file = '', position = 0, serverUuid = '' } = checkpoint ?? {};
  return {
    name: backstop.name,
    leading: facts.holder !== null,
    connectionId: facts.holder === null ? null : Number(facts.holder),
    checkpoint: checkpoint ? { gtidSet, file, position, serverUuid } : null,
    leader: checkpoint?.leader || null,
    epoch: checkpoint?.epoch ?? null,
    savedSecondsAgo: facts.savedAgo === null ? null : Number(facts.savedAgo),
    transactionsBehind: behind ? countOf(behind) : null,
    toVerify: checkpoint?.toVerify ?? {},
  };
}

/**
 * Sets the place that the backstop goes on from. Whoever leads notices at its next save, gives up and begins anew there.
 * `now` leaves what lies between to a verification of every table.
 */
export async function rewindBackstop(
  inspection: Inspection,
  to: { readonly gtidSet: string } | 'now',
  signal: AbortSignal,
): Promise<BinlogCoordinates> {
  const { backstop, dataSources } = inspection;
  const dataSource = backstop && dataSources.get(backstop.dataSource);
  if (!backstop || !dataSource) throw new InvalidOptionsError('The application has no backstop (BackstopModule).');
  if (to !== 'now') GtidSet.parse(to.gtidSet);
  const store = new CheckpointStore(dataSource);
  await store.ensureTable();
  const before = await store.load(backstop.name);
  const place = await checkedQuery(inspection, signal, (query) => whereToBegin(before, to, null, query));
  const at = place.at!;
  const epoch = await store.rewind(backstop.name, at);
  if (to === 'now') {
    const reason = "the changes between the checkpoint and the log's end were left out";
    const toVerify = Object.fromEntries(
      inspection.tables.filter((table) => table.dataSource === dataSource).map((table) => [nameOf(table), reason]),
    );
    const notes = { indexUuids: before?.indexUuids ?? {}, toVerify: { ...before?.toVerify, ...toVerify } };
    await store.save(backstop.name, epoch, at, notes);
  }
  return at;
}

function nameOf({ database, tableName }: InspectedTable): string {
  return `${database}.${tableName}`;
}

/** `uuid:1-5:8` is six transactions. */
function countOf(set: GtidSet): number {
  const ranges = set.toString().matchAll(/:(\d+)(?:-(\d+))?/g);
  return [...ranges].reduce((sum, [, start, end]) => sum + Number(end ?? start) - Number(start) + 1, 0);
}
