import { lostWrites, UsedUpVersions } from './acknowledged.writes.js';
import { compareStores, type Difference, type FinalStores } from './final.comparison.js';
import type { Invocation, Return } from './history.js';
import { describeHistory, ITEM_MODEL, shrink } from './history.printer.js';
import { isRecordedWrite, readHistory, type Recorded, toChecked } from './history.reader.js';
import { hasDocument, type ItemAction, type ItemState } from './item.model.js';
import { checkLinearizability, type Verdict } from './linearizability.checker.js';

export interface HistoryFile {
  readonly process: string;
  readonly path: string;
}

export interface Judgement {
  writes: number;
  acknowledged: number;
  unknown: number;
  reads: number;
  keysChecked: number;
  nonLinearizable: number;
  lost: number;
  differences: Difference[];
  /** Keys whose history is too tangled to be checked: nothing is known of them, so the run is not clean. */
  readonly undecided: string[];
  /** How often each answer was given: `ok`, `unknown OUTCOME_UNKNOWN` … */
  readonly answers: Record<string, number>;
  /** The smallest part of each bad history, for people; the smallest first. */
  readonly badHistories: string[];
}

/** So many operations are held in memory at a time; larger runs are read several times, some keys at each. */
const OPERATIONS_PER_PASS = 1_500_000;

export interface JudgeOptions {
  readonly files: readonly HistoryFile[];
  /** `decider: 'mysql'`: what the index shows on the way may be late; only at the end it must agree. Default false. */
  readonly indexFollows?: boolean;
  readonly final: FinalStores;
  /** When the final state was read, on the histories' clock. */
  readonly finalAt: number;
  readonly progress?: (keys: number) => void;
}

/** Reads the histories of all processes and says what is wrong with them, and with what the stores hold at the end. */
export async function judge(options: JudgeOptions): Promise<Judgement> {
  const result: Judgement = {
    writes: 0,
    acknowledged: 0,
    unknown: 0,
    reads: 0,
    keysChecked: 0,
    nonLinearizable: 0,
    lost: 0,
    differences: [],
    undecided: [],
    answers: {},
    badHistories: [],
  };
  for (const { path, process } of options.files) {
    await readHistory(path, process, (recorded) => count(result, recorded));
  }
  const passes = Math.max(1, Math.ceil((result.writes + result.reads) / OPERATIONS_PER_PASS));
  const usedUp = new Map<string, UsedUpVersions>();
  for (let pass = 0; pass < passes; pass++) {
    const byKey = new Map<string, Recorded[]>();
    for (const { path, process } of options.files) {
      await readHistory(path, process, (recorded) => {
        const { key } = recorded.call;
        if (passOf(key, passes) !== pass) return;
        const known = byKey.get(key);
        if (known) known.push(recorded);
        else byKey.set(key, [recorded]);
      });
    }
    for (const [key, recorded] of byKey) {
      judgeKey(result, key, recorded, options);
      const versions = new UsedUpVersions();
      for (const one of recorded) if (isRecordedWrite(one)) versions.add(one);
      usedUp.set(key, versions);
    }
  }
  result.badHistories.sort((a, b) => a.length - b.length);
  result.differences = compareStores(options.final, (key, version) => usedUp.get(key)?.has(version) ?? false);
  return result;
}

function judgeKey(
  result: Judgement,
  key: string,
  recorded: Recorded[],
  { final, finalAt, progress, indexFollows = false }: JudgeOptions,
): void {
  const row = final.rows.get(key);
  const state = row?.prepared ? undefined : (row?.state ?? null);
  result.keysChecked++;
  progress?.(result.keysChecked);
  const during = indexFollows ? recorded.filter(({ call }) => call.kind !== 'document') : recorded;
  const all = state === undefined ? during : [...during, ...finalReads(key, state, final, finalAt)];
  const operations = toChecked(all);
  let verdict: Verdict<ItemState, ItemAction>;
  try {
    verdict = checkLinearizability(ITEM_MODEL, operations, [null]);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    result.undecided.push(key);
    return;
  }
  if (!verdict.ok) {
    result.nonLinearizable++;
    result.badHistories.push(describeHistory(key, shrink(operations, verdict), recorded));
  }
  if (state !== undefined) result.lost += lostWrites(recorded, state).length;
}

/** The last look belongs to the history. */
function finalReads(key: string, state: ItemState, final: FinalStores, t: number): Recorded[] {
  const document = final.documents.get(key);
  const seen = document ? { value: document.fields.value!, listed: true, deleted: false } : null;
  // A difference between the stores is reported as such; the history is about what the row holds then.
  const agreed = hasDocument(state) ? document?.fields.value === state?.value : !document;
  const call = (kind: 'row' | 'document'): Invocation => ({ n: 0, t, key, kind, via: 'the last look' });
  const answer = (of: ItemState): Return => ({ n: 0, t, result: 'seen', seen: of });
  const reads: Recorded[] = [{ name: 'end:1', call: call('row'), answer: answer(state) }];
  if (agreed) reads.push({ name: 'end:2', call: call('document'), answer: answer(seen) });
  return reads;
}

function count(result: Judgement, recorded: Recorded): void {
  const { answer } = recorded;
  const write = isRecordedWrite(recorded);
  const name = `${write ? 'write' : 'read'} ${answer ? [answer.result, answer.code].filter(Boolean).join(' ') : 'killed'}`;
  result.answers[name] = (result.answers[name] ?? 0) + 1;
  if (!write) {
    result.reads++;
    return;
  }
  result.writes++;
  if (answer?.result === 'ok') result.acknowledged++;
  else if (!answer || answer.result === 'unknown') result.unknown++;
}

function passOf(key: string, passes: number): number {
  let sum = 0;
  for (const character of key) sum = (sum * 31 + character.codePointAt(0)!) % 1_000_003;
  return sum % passes;
}
