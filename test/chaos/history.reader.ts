import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { type HistoryLine, type Invocation, isReturn, type OperationKind, type Return } from './history.js';
import { isWrite, type ItemAction } from './item.model.js';
import type { CheckedOperation } from './linearizability.checker.js';

/** One operation on one key, as its process wrote it down. */
export interface Recorded {
  /** `writer-1.0:17`: process, life, number. */
  readonly name: string;
  readonly call: Invocation;
  answer: Return | null;
}

const READS: ReadonlySet<OperationKind> = new Set(['row', 'live', 'document']);

export function isRecordedWrite({ call }: Recorded): boolean {
  return !READS.has(call.kind);
}

/** Calls `take` with every operation in a file, once its answer is known or the file has ended. */
export async function readHistory(path: string, process: string, take: (recorded: Recorded) => void): Promise<void> {
  const open = new Map<number, Recorded>();
  for await (const text of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    const line = parse(text);
    if (!line) continue;
    if (!isReturn(line)) {
      open.set(line.n, { name: `${process}:${line.n}`, call: line, answer: null });
      continue;
    }
    const recorded = open.get(line.n);
    if (!recorded) continue;
    recorded.answer = line;
    open.delete(line.n);
    take(recorded);
  }
  for (const recorded of open.values()) take(recorded);
}

/** The last line of a killed process may be cut off: such a call was never begun, such an answer never given. */
function parse(text: string): HistoryLine | undefined {
  try {
    return JSON.parse(text) as HistoryLine;
  } catch {
    return undefined;
  }
}

export interface KeyOperation extends CheckedOperation<ItemAction> {
  readonly recorded: Recorded;
}

interface Acknowledged {
  readonly version: number | undefined;
  readonly begunAt: number;
  readonly t: number;
}

/** More than twice what MySQL lets a statement wait for a lock, which is the longest of all delays that a run makes. */
const LONGEST_ON_ITS_WAY_NS = 120e9;

/** What the checker needs of one key's operations: those that say nothing are left out. */
export function toChecked(recorded: readonly Recorded[]): KeyOperation[] {
  const acknowledged = recorded
    .filter((one) => isRecordedWrite(one) && one.answer?.result === 'ok')
    .map(({ call, answer }) => ({ version: answer!.version, begunAt: call.t, t: answer!.t }));
  const operations: KeyOperation[] = [];
  for (const one of recorded) {
    const operation = checkedOf(one, acknowledged);
    if (operation) operations.push(operation);
  }
  return withoutUnseenUpdates(operations);
}

function checkedOf(one: Recorded, acknowledged: readonly Acknowledged[]): KeyOperation | undefined {
  const { call, answer } = one;
  const span = { recorded: one, invokedAt: call.t };
  if (!isRecordedWrite(one)) {
    if (answer?.result !== 'seen') return undefined;
    const kind = call.kind as 'row' | 'live' | 'document';
    return { ...span, isRead: true, returnedAt: answer.t, action: { kind, seen: answer.seen ?? null } };
  }
  if (answer?.result === 'no') return undefined;
  if (answer?.result === 'exists' || answer?.result === 'missing') {
    return { ...span, isRead: true, returnedAt: answer.t, action: { kind: answer.result, seen: null } };
  }
  const action = {
    kind: call.kind,
    value: call.value,
    listed: call.listed ?? true,
    ...(call.expected === undefined ? {} : { expected: call.expected }),
  } as ItemAction;
  if (answer?.result === 'ok') return { ...span, isRead: false, returnedAt: answer.t, action };
  return { ...span, isRead: false, returnedAt: Infinity, until: undecidedUntil(one, acknowledged), action };
}

/**
 * A row takes its next write only once the last one is decided, and versions grow. So a write of unknown fate has happened
 * or never will, when a write with a higher version was acknowledged; and one whose version nobody was told, when a write
 * was acknowledged that began so much later that nothing of the first can still be on its way to MySQL. This is stricter
 * than linearizability, and it is what keeps hot keys cheap to check, however long the run.
 */
function undecidedUntil({ call, answer }: Recorded, acknowledged: readonly Acknowledged[]): number {
  const known = answer?.version;
  let until = Infinity;
  for (const { version, begunAt, t } of acknowledged) {
    const later =
      known === undefined ? begunAt > call.t + LONGEST_ON_ITS_WAY_NS : version !== undefined && version > known;
    if (later && t < until) until = t;
  }
  return until;
}

/**
 * An update of unknown fate whose value nobody ever saw needs no place in any order: it changes the value and nothing
 * else, and every read that would tell the difference would have seen it.
 */
function withoutUnseenUpdates(operations: readonly KeyOperation[]): KeyOperation[] {
  const seen = new Set<string>();
  for (const { action } of operations) {
    if (!isWrite(action)) seen.add(action.seen?.value ?? '');
    else if (action.expected) seen.add(action.expected.value);
  }
  return operations.filter(
    ({ action, returnedAt }) =>
      Number.isFinite(returnedAt) ||
      !isWrite(action) ||
      (action.kind !== 'update' && action.kind !== 'cas') ||
      seen.has(action.value),
  );
}
