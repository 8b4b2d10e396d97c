import { BinlogPositionLostError } from '../errors.js';
import type { SqlQuery } from '../mysql/table.introspection.js';
import type { BinlogPosition, BinlogStart } from './binlog.types.js';
import type { ParsedGtid } from './gtid.event.js';
import { GtidSet } from './gtid.set.js';
import type { DumpFrom } from './zongji.session.js';

export interface ResolvedStart {
  readonly from: DumpFrom;
  readonly serverUuid: string;
  readonly usesGtids: boolean;
  /** All transactions before the first event that the server will send. */
  readonly executed: GtidSet;
  /** Whether a transaction that begins there in the log comes before the wanted start. */
  skips(transaction: ParsedGtid, fromFile: string, fromPosition: number): boolean;
}

/** When a binary log file was begun, in ms since 1970. */
export type FileTime = (file: string) => Promise<number>;

const FIRST_EVENT = 4;
const MICROS_PER_MS = 1_000;
const MS_PER_SECOND = 1_000;
const never = (): boolean => false;

export interface ServerIdentity {
  readonly serverUuid: string;
  readonly usesGtids: boolean;
  readonly executed: string;
}

export async function readIdentity(query: SqlQuery): Promise<ServerIdentity> {
  const [row] = await query(
    'SELECT @@GLOBAL.server_uuid AS serverUuid, @@GLOBAL.gtid_mode AS gtidMode, @@GLOBAL.gtid_executed AS executed',
  );
  return { serverUuid: row.serverUuid, usesGtids: row.gtidMode === 'ON', executed: row.executed };
}

/** Finds where to ask the server to begin. Throws `BinlogPositionLostError` when the log does not reach back so far. */
export async function resolveStart(query: SqlQuery, start: BinlogStart, fileTime: FileTime): Promise<ResolvedStart> {
  const identity = await readIdentity(query);
  const { serverUuid, usesGtids } = identity;
  if (start.kind === 'now') {
    const executed = GtidSet.parse(identity.executed);
    const from = usesGtids ? { gtidSet: identity.executed } : await endOfLog(query);
    return { from, serverUuid, usesGtids, executed, skips: never };
  }
  if (start.kind === 'gtid-set') {
    const executed = GtidSet.parse(start.gtidSet);
    return { from: { gtidSet: executed.toString() }, serverUuid, usesGtids, executed, skips: never };
  }
  if (start.kind === 'position') return atPosition(query, start, identity);
  const file = await fileAt(query, start.time, fileTime);
  const wantedUs = start.time.getTime() * MICROS_PER_MS;
  let reached = false;
  return {
    from: { file, position: FIRST_EVENT },
    serverUuid,
    usesGtids,
    executed: await gtidsBefore(query, file),
    skips: ({ committedAtUs }) => {
      // From the first one on everything counts: the server's clock may have been set back.
      reached ||= committedAtUs >= wantedUs;
      return !reached;
    },
  };
}

/** With GTIDs the file is read from its beginning: only so is the exact set of what came before known. */
async function atPosition(query: SqlQuery, wanted: BinlogPosition, identity: ServerIdentity): Promise<ResolvedStart> {
  const { serverUuid, usesGtids } = identity;
  const { file, position } = wanted;
  const sizes = await binaryLogs(query);
  const found = sizes.find(({ name }) => name === file);
  if (!found || position > found.bytes) {
    throw new BinlogPositionLostError(
      `The server has no position ${position} in binary log ${file}: it was purged, or the position is another server's. ` +
        'Verify the tables and start from now.',
      { reason: found ? 'no-such-position' : 'purged', file, position },
    );
  }
  if (!usesGtids) return { from: wanted, serverUuid, usesGtids, executed: new GtidSet(), skips: never };
  return {
    from: { file, position: FIRST_EVENT },
    serverUuid,
    usesGtids,
    executed: await gtidsBefore(query, file),
    skips: ({ lengthBytes }, fromFile, fromPosition) =>
      fromFile === file && fromPosition + (lengthBytes ?? 1) <= position,
  };
}

async function endOfLog(query: SqlQuery): Promise<BinlogPosition> {
  // MySQL 8.4 knows only the new words, 8.0 only the old ones.
  const [row] = await query('SHOW BINARY LOG STATUS').catch(() => query('SHOW MASTER STATUS'));
  if (!row) {
    throw new BinlogPositionLostError('The server writes no binary log: start it with --log-bin.', {
      reason: 'no-log',
    });
  }
  return { file: row.File, position: Number(row.Position) };
}

async function binaryLogs(query: SqlQuery): Promise<{ name: string; bytes: number }[]> {
  const rows = await query('SHOW BINARY LOGS');
  return rows.map((row) => ({ name: row.Log_name, bytes: Number(row.File_size) }));
}

async function gtidsBefore(query: SqlQuery, file: string): Promise<GtidSet> {
  const rows = await query('SHOW BINLOG EVENTS IN ? LIMIT 3', [file]);
  const event = rows.find((row) => row.Event_type === 'Previous_gtids');
  return GtidSet.parse(String(event?.Info ?? ''));
}

/** The newest file that was begun before that time; its first event tells when. */
async function fileAt(query: SqlQuery, time: Date, fileTime: FileTime): Promise<string> {
  const files = await binaryLogs(query);
  let low = 0;
  let high = files.length;
  // The first file that may have been begun at that time or later.
  while (low < high) {
    const middle = (low + high) >> 1;
    // Its time is in whole seconds, cut off.
    if ((await fileTime(files[middle]!.name)) + MS_PER_SECOND <= time.getTime()) low = middle + 1;
    else high = middle;
  }
  if (low > 0) return files[low - 1]!.name;
  const first = files[0];
  // Nothing is missing where the oldest file is the very first one.
  if (first && /\.0*1$/.test(first.name)) return first.name;
  throw new BinlogPositionLostError(
    `The binary log does not reach back to ${time.toISOString()}: older files were purged. Verify the tables and start from now.`,
    { reason: 'purged', oldest: first?.name },
  );
}
