import { BinlogPositionLostError } from '../errors.js';
import type { BinlogCoordinates } from './binlog.types.js';
import { GtidSet } from './gtid.set.js';

/** What the server says of itself: `SELECT @@server_uuid …`, `SHOW BINARY LOGS`. */
export interface ServerFacts {
  readonly serverUuid: string;
  /** `@@GLOBAL.gtid_mode`: only with `ON` does every transaction have a GTID. */
  readonly gtidMode: string;
  readonly gtidExecuted: string;
  readonly gtidPurged: string;
  /** Files that are still there, with their sizes in bytes, oldest first. */
  readonly binlogs: readonly { readonly file: string; readonly size: number }[];
}

export type ResumePoint =
  | { readonly kind: 'gtid-set'; readonly gtidSet: string }
  | { readonly kind: 'position'; readonly file: string; readonly position: number };

export type ResumeDecision =
  /**
   * The server has all that the checkpoint names. `verify`: why every table must be verified nevertheless, or null. On another
   * server than before it must: the checkpoint lies in MySQL itself, so where transactions were lost at the fail-over, the
   * checkpoints that named them were lost too, and only the index knows of them.
   */
  | { readonly kind: 'resume-by-gtid'; readonly resume: ResumePoint; readonly verify: string | null }
  /** Nothing is missing, on the same server; not every transaction has a GTID. */
  | { readonly kind: 'resume-by-position'; readonly resume: ResumePoint }
  /** The server no longer has changes that were never seen. Read from `resume` on, and verify every table meanwhile. */
  | {
      readonly kind: 'purged';
      /** The transactions that were lost; null where only files are known. */
      readonly lost: string | null;
      readonly reason: string;
      readonly resume: ResumePoint;
    }
  /**
   * The index has seen changes that this server does not have (any more, or yet). Read from `resume` on, and verify every
   * table meanwhile.
   */
  | {
      readonly kind: 'errant';
      /** What this server lacks; null where that cannot be told. */
      readonly missing: string | null;
      /** True when the server lacks transactions of its own: it was reset or restored, or lost its tail. They will not come again. */
      readonly own: boolean;
      /** What was purged unseen besides, or null. */
      readonly lost: string | null;
      readonly reason: string;
      readonly resume: ResumePoint;
    };

/** The start of a log file: 4 bytes of magic number come before. */
const FIRST_POSITION = 4;

/**
 * Where to go on reading, and whether anything may have been missed. To be asked at every connect, with the newest place that
 * is known, not only at the first: behind the same address there may be another server now.
 *
 * | GTIDs on both sides                                         | decision                                            |
 * |-------------------------------------------------------------|-----------------------------------------------------|
 * | the server has all that was seen, and purged only such      | `resume-by-gtid`; on another server, with `verify`  |
 * | it purged some that were not seen                           | `purged`, from what was seen and purged on          |
 * | it lacks some that were seen                                | `errant`, from what both have on                    |
 * | same server, but its log ends before the checkpoint's place | `errant`: the log was reset; numbers are used again |
 *
 * | no GTIDs on a side               | decision                                                             |
 * |----------------------------------|----------------------------------------------------------------------|
 * | same server, file still there    | `resume-by-position`                                                 |
 * | same server, file purged         | `purged`, from the oldest file on                                    |
 * | same server, file not there yet  | `errant`, from the log's end on                                      |
 * | another server                   | `errant`, from the log's end on: the place means nothing there       |
 *
 * Throws `InvalidGtidSetError` for a GTID set that cannot be read.
 */
export function decideResume(checkpoint: BinlogCoordinates, server: ServerFacts): ResumeDecision {
  const seen = GtidSet.parse(checkpoint.gtidSet);
  if (server.gtidMode.toUpperCase() !== 'ON' || seen.isEmpty) return byPosition(checkpoint, server);
  return byGtid(checkpoint, seen, server);
}

/**
 * For a reader that only lost its connection: whoever answers now must have all that was read, and send all that comes after.
 * Nothing need be verified where that is so, for what was read is known exactly here.
 * Throws `BinlogPositionLostError` when it is not so.
 */
export function requireSameHistory(read: BinlogCoordinates, server: ServerFacts): void {
  // Nothing was read, so nothing can be missing.
  if (read.gtidSet === '') return;
  const decision = decideResume(read, server);
  if (decision.kind === 'resume-by-gtid' || decision.kind === 'resume-by-position') return;
  const gtidSet = decision.kind === 'errant' ? decision.missing : decision.lost;
  throw new BinlogPositionLostError(`${decision.reason} Verify the tables and start from now.`, {
    reason: decision.kind === 'errant' ? 'ahead' : 'purged',
    serverUuid: server.serverUuid,
    gtidSet,
  });
}

function byGtid(checkpoint: BinlogCoordinates, seen: GtidSet, server: ServerFacts): ResumeDecision {
  const missing = seen.subtract(GtidSet.parse(server.gtidExecuted));
  const purged = GtidSet.parse(server.gtidPurged);
  const lost = purged.subtract(seen);
  const ownMissing = !missing.ofServer(server.serverUuid).isEmpty;
  // What this server lacks must not be skipped if it comes yet: by then the verification has put back what the rows hold.
  // What it purged it cannot send: it refuses a reader that wants it.
  const resume: ResumePoint = { kind: 'gtid-set', gtidSet: seen.subtract(missing).union(purged).toString() };
  const lostText = lost.isEmpty ? null : lost.toString();
  if (!missing.isEmpty) {
    const reason = ownMissing
      ? `The server ${server.serverUuid} lacks transactions of its own that the index has seen (${missing.toString()}): it was reset, ` +
        'restored from a backup, or lost the end of its log.'
      : `The server ${server.serverUuid} lacks transactions that the index has seen (${missing.toString()}): it is behind, or they were ` +
        'lost when it took over.';
    return { kind: 'errant', missing: missing.toString(), own: ownMissing, lost: lostText, reason, resume };
  }
  const same = sameServer(checkpoint, server);
  if (same && placeOf(checkpoint, server) === 'beyond') {
    const reason =
      `The log of server ${server.serverUuid} ends before ${checkpoint.file}:${checkpoint.position}, where the index has seen it: ` +
      'it was reset or restored, and its transactions of the same numbers may be others now.';
    return { kind: 'errant', missing: null, own: true, lost: lostText, reason, resume };
  }
  if (lostText !== null) {
    const reason = `The server ${server.serverUuid} has purged transactions that were never seen: ${lostText}.`;
    return { kind: 'purged', lost: lostText, reason, resume };
  }
  const verify = same
    ? null
    : `This is the server ${server.serverUuid}, and the checkpoint is of ${checkpoint.serverUuid}: what was lost at the fail-over ` +
      'cannot be told from the log.';
  return { kind: 'resume-by-gtid', resume: { kind: 'gtid-set', gtidSet: seen.toString() }, verify };
}

function byPosition(checkpoint: BinlogCoordinates, server: ServerFacts): ResumeDecision {
  const { file, position } = checkpoint;
  // What came before is verified anyway, and nobody knows where it begins.
  const end = server.binlogs.at(-1);
  const resume: ResumePoint = { kind: 'position', file: end?.file ?? '', position: end?.size ?? FIRST_POSITION };
  const errant = (reason: string): ResumeDecision => ({
    kind: 'errant',
    missing: null,
    own: false,
    lost: null,
    reason,
    resume,
  });
  if (!sameServer(checkpoint, server)) {
    return errant(
      `${file}:${position} is a place in the log of server ${checkpoint.serverUuid}, and means nothing on ${server.serverUuid}. ` +
        'Only with gtid_mode=ON on both can one go on there.',
    );
  }
  switch (placeOf(checkpoint, server)) {
    case 'there':
      return { kind: 'resume-by-position', resume: { kind: 'position', file, position } };
    case 'purged':
      return {
        kind: 'purged',
        lost: null,
        reason: `The server ${server.serverUuid} has purged ${file}, which was not read to its end.`,
        resume: { kind: 'position', file: server.binlogs[0]!.file, position: FIRST_POSITION },
      };
    case 'beyond':
      return errant(
        `The log of server ${server.serverUuid} ends before ${file}:${position}, where the index has seen it: it was reset or restored.`,
      );
  }
}

const sameServer = (checkpoint: BinlogCoordinates, server: ServerFacts): boolean =>
  checkpoint.serverUuid.toLowerCase() === server.serverUuid.toLowerCase();

function placeOf({ file, position }: BinlogCoordinates, { binlogs }: ServerFacts): 'there' | 'purged' | 'beyond' {
  const found = binlogs.find((one) => one.file === file);
  if (found) return position <= found.size ? 'there' : 'beyond';
  const first = binlogs[0];
  return first && isBefore(file, first.file) ? 'purged' : 'beyond';
}

/** Files are numbered: binlog.999999 comes before binlog.1000000. */
function isBefore(file: string, other: string): boolean {
  return file.length === other.length ? file < other : file.length < other.length;
}
