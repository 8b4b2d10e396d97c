import type { KeyOperation } from './history.reader.js';
import { isWrite, type ItemAction, type ItemState, itemText, stepItem } from './item.model.js';
import { checkLinearizability, type Verdict } from './linearizability.checker.js';

export const ITEM_MODEL = { step: stepItem, text: itemText };

type Failure = Extract<Verdict<ItemState, ItemAction>, { ok: false }>;

const MAX_SHRINK_TRIES = 400;

/** The part of a bad history that is bad by itself: from the last quiet moment to the failed answer, needless reads left out. */
export function shrink(operations: readonly KeyOperation[], failure: Failure): KeyOperation[] {
  const until = failure.failed.returnedAt;
  let kept = operations.filter(
    (operation) =>
      operation.invokedAt <= until &&
      operation.returnedAt >= failure.quietAt &&
      (operation.until ?? Infinity) >= failure.quietAt,
  );
  const isBad = (some: readonly KeyOperation[]): boolean =>
    !checkLinearizability(ITEM_MODEL, some, failure.statesWhenQuiet).ok;
  if (!isBad(kept)) return operations.filter((operation) => operation.invokedAt <= until);
  let tries = 0;
  for (const candidate of kept) {
    // Only what can be left out of a good history without making it bad proves anything when it is left out of a bad one.
    if (!candidate.isRead && Number.isFinite(candidate.returnedAt)) continue;
    if (++tries > MAX_SHRINK_TRIES) break;
    const rest = kept.filter((operation) => operation !== candidate);
    if (candidate.isRead ? isBad(rest) : isBad(rest) && !isSeen(rest, candidate)) kept = rest;
  }
  return kept;
}

function isSeen(operations: readonly KeyOperation[], write: KeyOperation): boolean {
  const { action } = write;
  return (
    isWrite(action) && operations.some(({ action: other }) => !isWrite(other) && other.seen?.value === action.value)
  );
}

/** For people: one line for each operation, in the order of their calls, times in ms since the first. */
export function describeHistory(key: string, operations: readonly KeyOperation[], failure: Failure): string {
  const begin = Math.min(...operations.map(({ invokedAt }) => invokedAt));
  const ms = (t: number): string => (Number.isFinite(t) ? ((t - begin) / 1e6).toFixed(2) : '?').padStart(9);
  const lines = [...operations]
    .sort((a, b) => a.invokedAt - b.invokedAt)
    .map((operation) => {
      const { recorded, action, invokedAt, returnedAt } = operation;
      const failed = recorded === (failure.failed as KeyOperation).recorded ? '  <= fits no order' : '';
      const via = recorded.call.via ? ` via ${recorded.call.via}` : '';
      return `  ${ms(invokedAt)} …${ms(returnedAt)}  ${describeAction(action)}${via}  ${describeAnswer(operation)}  [${recorded.name}]${failed}`;
    });
  const states = failure.statesWhenQuiet.map(itemText).join(', or ');
  return [`key ${key}: begins as ${states}; times in ms from call to answer`, ...lines].join('\n');
}

function describeAction(action: ItemAction): string {
  if (!isWrite(action)) {
    if (action.kind === 'exists' || action.kind === 'missing')
      return `write refused: the row ${action.kind === 'exists' ? 'exists' : 'is missing'}`;
    return `read ${action.kind} → ${itemText(action.seen)}`;
  }
  const { kind, value, listed } = action;
  if (kind === 'remove' || kind === 'softRemove' || kind === 'recover') return kind;
  const expected = action.expected === undefined ? '' : ` if it is ${itemText(action.expected)}`;
  return `${kind} ${value}${listed ? '' : ' unlisted'}${expected}`;
}

function describeAnswer({ recorded: { answer }, isRead }: KeyOperation): string {
  if (!answer) return 'no answer (killed)';
  const version = answer.version === undefined ? '' : ` v${answer.version}`;
  return `${isRead ? '' : answer.result}${version}${answer.code ? ` ${answer.code}` : ''}`.trim();
}
