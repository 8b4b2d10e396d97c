import type { ChangeVerdict, GoneMark } from '../../../src/protocol/adopt.decision.js';
import type { Image } from './history.js';
import type { Rules } from './rules.js';
import type { Row, State } from './state.js';

/** One row change in the log that asks something of the backstop. */
export interface LogEntry {
  readonly verdict: Exclude<ChangeVerdict, 'undecided' | 'ignore'>;
  /** The image after, or before where the row is gone. */
  readonly mark: GoneMark;
  readonly image: Image;
  /** The clock at its commit. */
  readonly committedAt: number;
}

/** What the backstop knows while it works on one entry, and the version that it put last for the key. */
export interface Work {
  /** `take` the next entry, `look` at the slot, `fetch` the row, be `told` the answer; `redrive`, `drive`, `driven`, `drop` are a re-drive's steps. */
  readonly at: 'take' | 'look' | 'fetch' | 'told' | 'redrive' | 'drive' | 'driven' | 'drop';
  /** The version of its last request that was applied, or null. */
  readonly own: number | null;
  readonly mark: GoneMark | null;
  readonly conflicted: boolean;
  /** The document seen by the look; -1 for none. */
  readonly version: number;
  readonly restored: number;
  readonly image: Image;
  /** At which version it was sent. */
  readonly sent: number;
}

export const NO_WORK: Work = {
  at: 'take',
  own: null,
  mark: null,
  conflicted: false,
  version: -1,
  restored: 0,
  image: null,
  sent: 0,
};

function markOf(row: Row): GoneMark {
  return {
    state: row.pending ? 'prepare' : 'commit',
    version: row.version,
    operation: row.pending ? row.pending.operation : null,
  };
}

/** The state with what the row's change put into the log. */
export function logged(from: State, state: State, rules: Rules): State {
  const before = from.row;
  const after = state.row;
  if (before === after || (!before && !after)) return state;
  const was = before && markOf(before);
  const is = after && markOf(after);
  const verdict = rules.change(was, is, before?.image !== after?.image);
  if (verdict === 'undecided' || verdict === 'ignore') return state;
  const entry = { verdict, mark: (is ?? was)!, image: after ? after.image : null, committedAt: from.clock };
  return { ...state, log: [...state.log, entry] };
}

/** What can be given again: nothing of what is done, once no crash can come any more. */
export function remembered(state: State): State {
  if (state.faults > 0 || state.done === 0) return state;
  return { ...state, log: state.log.slice(state.done), done: 0 };
}
