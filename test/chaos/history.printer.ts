import { isRecordedWrite, type KeyOperation, type Recorded } from './history.reader.js';
import { isWrite, type ItemAction, type ItemState, itemText, stepItem } from './item.model.js';
import { checkLinearizability, type Verdict } from './linearizability.checker.js';

export const ITEM_MODEL = { step: stepItem, text: itemText };

type Failure = Extract<Verdict<ItemState, ItemAction>, { ok: false }>;

/** A part of a bad history that is bad by itself, when begun in one of the failure's states. */
export interface BadPart {
  readonly operations: readonly KeyOperation[];
  readonly failure: Failure;
}

const MAX_SHRINK_TRIES = 400;

/** From the last quiet moment to the failed answer, reads that add nothing left out. */
export function shrink(operations: readonly KeyOperation[], failure: Failure): BadPart {
  const until = failure.failed.returnedAt;
  const window = operations.filter(
    (operation) =>
      operation.invokedAt <= until &&
      operation.returnedAt >= failure.quietAt &&
      (operation.until ?? Infinity) >= failure.quietAt,
  );
  const judge = (some: readonly KeyOperation[]): Failure | null => {
    const verdict = checkLinearizability(ITEM_MODEL, some, failure.statesWhenQuiet);
    return verdict.ok ? null : { ...verdict, statesWhenQuiet: failure.statesWhenQuiet };
  };
  let part: BadPart | null = null;
  const begun = judge(window);
  if (begun) part = { operations: window, failure: begun };
  let tries = 0;
  // Only a read can be left out of any good history without making it bad.
  for (const candidate of window.filter(({ isRead }) => isRead)) {
    if (!part || ++tries > MAX_SHRINK_TRIES) break;
    const rest: KeyOperation[] = part.operations.filter((operation) => operation !== candidate);
    const still = judge(rest);
    if (still) part = { operations: rest, failure: still };
  }
  return part ?? { operations: operations.filter(({ invokedAt }) => invokedAt <= until), failure };
}

/**
 * For people: one line for each operation, in the order of their calls, times in ms since the first; with the writes of
 * every value that is mentioned, whatever came of them.
 */
export function describeHistory(key: string, { operations, failure }: BadPart, all: readonly Recorded[]): string {
  const shown = new Set(operations.map(({ recorded }) => recorded));
  const values = new Set(failure.statesWhenQuiet.map((state) => state?.value));
  for (const { action } of operations) values.add(isWrite(action) ? action.expected?.value : action.seen?.value);
  for (const one of all) if (isRecordedWrite(one) && values.has(one.call.value)) shown.add(one);
  const failed = (failure.failed as KeyOperation).recorded;
  const begin = Math.min(...[...shown].map(({ call }) => call.t));
  const ms = (t: number | undefined): string => (t === undefined ? '?' : ((t - begin) / 1e6).toFixed(2)).padStart(10);
  const lines = [...shown]
    .sort((a, b) => a.call.t - b.call.t)
    .map((one) => {
      const mark = one === failed ? '  <= fits no order' : '';
      return `  ${ms(one.call.t)} …${ms(one.answer?.t)}  ${describeCall(one)} → ${describeAnswer(one)}  [${one.name}]${mark}`;
    });
  const states = failure.statesWhenQuiet.map(itemText).join(', or ');
  const quiet = Number.isFinite(failure.quietAt) ? ` at ${ms(failure.quietAt).trim()}` : '';
  return [`key ${key}: quiet${quiet}, then ${states}; times in ms from call to answer`, ...lines].join('\n');
}

function describeCall({ call }: Recorded): string {
  const via = call.via ? ` via ${call.via}` : '';
  if (call.value === undefined) return `read ${call.kind}${via}`;
  const named = call.kind === 'remove' || call.kind === 'softRemove' || call.kind === 'recover';
  const unlisted = call.kind !== 'update' && call.kind !== 'cas' && call.listed === false ? ' unlisted' : '';
  const expected = call.expected === undefined ? '' : ` if it is ${itemText(call.expected)}`;
  return `${call.kind}${named ? '' : ` ${call.value}${unlisted}${expected}`}${via}`;
}

function describeAnswer({ answer }: Recorded): string {
  if (!answer) return 'no answer (killed)';
  const version = answer.version === undefined ? '' : ` v${answer.version}`;
  if (answer.result === 'seen') return `${itemText(answer.seen ?? null)}${version}`;
  return `${answer.result}${version}${answer.code ? ` ${answer.code}` : ''}`;
}
