import type { DataSource } from 'typeorm';
import type { ResolvedBackstopOptions } from '../../binlog/backstop.options.js';
import { CheckpointStore } from '../../binlog/checkpoint.store.js';
import { primaryConnectionOf } from '../../binlog/backstop.connection.js';
import type { BinlogCoordinates } from '../../binlog/binlog.types.js';
import { GtidSet } from '../../binlog/gtid.set.js';
import { LeaderLock } from '../../binlog/leader.lock.js';
import { whereToBegin } from '../../binlog/backstop.begin.js';
import type { ServerFacts } from '../../binlog/failover.decision.js';
import { readServerFacts } from '../../binlog/server.facts.js';
import { InvalidOptionsError } from '../../errors.js';
import { tableExists } from '../../mysql/table.facts.js';
import type { InspectedTable, Inspection } from './inspected.types.js';
import { checkedQuery } from './log.query.js';

/** The backstop as MySQL shows it to anybody. */
export interface BackstopFacts {
  readonly name: string;
  readonly dataSource: string;
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

/** Every backstop, or that of one DataSource; those that were never started are left out. */
export async function readBackstops(inspection: Inspection, dataSourceName?: string): Promise<BackstopFacts[]> {
  const all: BackstopFacts[] = [];
  for (const backstop of inspection.backstops) {
    const dataSource = inspection.dataSources.get(backstop.dataSource);
    const wanted = dataSourceName === undefined || backstop.dataSource === dataSourceName;
    const facts = dataSource && wanted ? await readBackstop(backstop, dataSource) : null;
    if (facts) all.push(facts);
  }
  return all;
}

async function readBackstop(backstop: ResolvedBackstopOptions, dataSource: DataSource): Promise<BackstopFacts | null> {
  if (!(await tableExists((sql, values) => dataSource.query(sql, values), 'consistent_checkpoint'))) return null;
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
    dataSource: backstop.dataSource,
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
 * The one that is meant.
 * @throws InvalidOptionsError where there is none, or several and none was named
 */
function chosen({ backstops }: Inspection, dataSourceName: string | undefined): ResolvedBackstopOptions {
  const found = backstops.filter(({ dataSource }) => dataSourceName === undefined || dataSource === dataSourceName);
  const names = backstops.map(({ dataSource }) => dataSource).join(', ');
  if (found.length > 1)
    throw new InvalidOptionsError(`There are several backstops: give --data-source, one of ${names}.`);
  if (found[0]) return found[0];
  throw new InvalidOptionsError(
    backstops.length === 0
      ? 'The application has no backstop (BackstopModule).'
      : `The application has no backstop of the DataSource "${dataSourceName}". It has those of: ${names}.`,
  );
}

/**
 * Sets the place that the backstop goes on from. Whoever leads notices at its next save, gives up and begins anew there.
 * `now` leaves what lies between to a verification of every table.
 * @throws InvalidOptionsError
 */
export async function rewindBackstop(
  inspection: Inspection,
  to: { readonly gtidSet: string } | 'now',
  dataSourceName: string | undefined,
  signal: AbortSignal,
): Promise<BinlogCoordinates> {
  const backstop = chosen(inspection, dataSourceName);
  const dataSource = inspection.dataSources.get(backstop.dataSource);
  if (!dataSource) {
    throw new InvalidOptionsError(`No consistent table is registered for the DataSource "${backstop.dataSource}".`);
  }
  if (to !== 'now') GtidSet.parse(to.gtidSet);
  const store = new CheckpointStore(dataSource);
  await store.ensureTable();
  const before = await store.load(backstop.name);
  const place = await checkedQuery(inspection, backstop, signal, async (query) => {
    if (to !== 'now') refuseUnreadable(to.gtidSet, await readServerFacts(query));
    return whereToBegin(before, to, null, query);
  });
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

/** The leader would notice too, and verify every table instead: who asks for a place should learn that there is none. */
function refuseUnreadable(gtidSet: string, { gtidExecuted, gtidPurged }: ServerFacts): void {
  const wanted = GtidSet.parse(gtidSet);
  const unknown = wanted.subtract(GtidSet.parse(gtidExecuted));
  if (!unknown.isEmpty) {
    throw new InvalidOptionsError(
      `--gtid-set: this server has never seen ${unknown.toString()}. Take a set from \`backstop status\` or SELECT @@GLOBAL.gtid_executed.`,
      { unknown: unknown.toString() },
    );
  }
  const purged = GtidSet.parse(gtidPurged).subtract(wanted);
  if (!purged.isEmpty) {
    throw new InvalidOptionsError(
      `--gtid-set: the log no longer has ${purged.toString()}, which comes after that place. Give a later set, or --now, which has every table verified.`,
      { purged: purged.toString() },
    );
  }
}

function nameOf({ database, tableName }: InspectedTable): string {
  return `${database}.${tableName}`;
}

/** `uuid:1-5:8` is six transactions. */
function countOf(set: GtidSet): number {
  const ranges = set.toString().matchAll(/:(\d+)(?:-(\d+))?/g);
  return [...ranges].reduce((sum, [, start, end]) => sum + Number(end ?? start) - Number(start) + 1, 0);
}
