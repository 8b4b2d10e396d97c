import type { BackstopStart } from './backstop.options.js';
import type { BinlogCoordinates, BinlogStart } from './binlog.types.js';
import { decideResume, type ResumePoint, type ServerFacts } from './failover.decision.js';
import { readServerFacts, type RowQuery } from './server.facts.js';

/** Where a run begins to read. */
export interface BeginPlace {
  readonly start: BinlogStart;
  readonly serverUuid: string;
  /** The same as a checkpoint; null where only the log itself tells (a time). */
  readonly at: BinlogCoordinates | null;
  /** The place is not after the checkpoint: it has to be set, not advanced. */
  readonly back: boolean;
  /** Why every table must be verified, or null: something may have been missed. */
  readonly verify: string | null;
}

/**
 * Where to begin. `lost`: why the log cannot be read from the checkpoint on although the server's facts do not show it; then
 * at the log's end, and everything is verified.
 */
export async function whereToBegin(
  checkpoint: BinlogCoordinates | null,
  startFrom: BackstopStart,
  lost: string | null,
  query: RowQuery,
): Promise<BeginPlace> {
  const facts = await readServerFacts(query);
  const { serverUuid } = facts;
  if (lost !== null) return { ...atEnd(facts), back: true, verify: lost };
  if (typeof startFrom === 'object' && 'gtidSet' in startFrom) {
    const at = { gtidSet: startFrom.gtidSet, file: '', position: 0, serverUuid };
    return { start: { kind: 'gtid-set', gtidSet: startFrom.gtidSet }, serverUuid, at, back: true, verify: null };
  }
  if (typeof startFrom === 'object') {
    return { start: { kind: 'time', time: startFrom.time }, serverUuid, at: null, back: true, verify: null };
  }
  if (!checkpoint) return { ...atEnd(facts), back: false, verify: null };
  if (startFrom === 'now') {
    return {
      ...atEnd(facts),
      back: true,
      verify: "the changes between the checkpoint and the log's end were left out",
    };
  }
  const decision = decideResume(checkpoint, facts);
  const start = startOf(decision.resume);
  if (decision.kind === 'resume-by-gtid' || decision.kind === 'resume-by-position') {
    const verify = decision.kind === 'resume-by-gtid' ? decision.verify : null;
    return { start, serverUuid, at: checkpoint, back: false, verify };
  }
  return { start, serverUuid, at: coordinatesOf(decision.resume, serverUuid), back: true, verify: decision.reason };
}

function atEnd(facts: ServerFacts): Pick<BeginPlace, 'start' | 'serverUuid' | 'at'> {
  const { serverUuid, gtidExecuted } = facts;
  const last = facts.binlogs.at(-1);
  const [file, position] = [last?.file ?? '', last?.size ?? 0];
  const byGtid = facts.gtidMode.toUpperCase() === 'ON' && gtidExecuted !== '';
  const start: BinlogStart = byGtid
    ? { kind: 'gtid-set', gtidSet: gtidExecuted }
    : { kind: 'position', file, position };
  return { start, serverUuid, at: { gtidSet: byGtid ? gtidExecuted : '', file, position, serverUuid } };
}

function startOf(resume: ResumePoint): BinlogStart {
  return resume;
}

function coordinatesOf(resume: ResumePoint, serverUuid: string): BinlogCoordinates {
  if (resume.kind === 'gtid-set') return { gtidSet: resume.gtidSet, file: '', position: 0, serverUuid };
  return { gtidSet: '', file: resume.file, position: resume.position, serverUuid };
}
