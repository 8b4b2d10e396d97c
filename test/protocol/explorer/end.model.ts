import { BackstopModel } from './backstop.model.js';
import { type LogEntry, logged } from './backstop.state.js';
import type { World } from './process.model.js';
import type { Rules } from './rules.js';
import { beginSettling, SettleModel } from './settle.model.js';
import { replace, type State, Violation } from './state.js';

const MAX_STEPS = 200;

/** What is done at the very end, without faults: one more settler, an operator's retry, the rest of the log. */
export class EndModel {
  constructor(
    private readonly rules: Rules,
    private readonly world: World,
    /** Its place among the processes, or -1. */
    private readonly backstop: number,
  ) {}

  settled(given: State, operator: boolean): State {
    const place = this.backstop === 0 ? 1 : 0;
    const settling = beginSettling('sweep', { claimed: given.row?.version ?? 0 });
    let state = replace(given, place, { at: 'settle', settling });
    const world = { ...this.world, operator };
    for (let step = 0; step < MAX_STEPS; step++) {
      if (!state.row?.pending || (state.row.pending.parked && !operator)) break;
      // A lifted row's deadline has passed as well.
      const { settling: now } = state.processes[place]!;
      if (now?.at === 'load') state = replace(state, place, { settling: { ...now, claimed: state.row.version } });
      state = this.firstWay(state, (take) =>
        new SettleModel(this.rules, take, take, world).steps(state, place, state.processes[place]!.settling!),
      );
    }
    return replace(state, place, { at: 'end', settling: null });
  }

  /** The log to its end; `stranger`: with a comparison of both stores, as no log tells of foreign documents. */
  drained(given: State, stranger: boolean): State {
    const calm = { ...given, faults: 0 };
    let state = stranger ? { ...calm, log: [...calm.log, verification(calm)] } : calm;
    for (let step = 0; step < MAX_STEPS && state.done < state.log.length; step++) {
      state = this.firstWay(state, (take) =>
        new BackstopModel(this.rules, take, this.world).steps(state, this.backstop),
      );
      const { at, work } = state.processes[this.backstop]!;
      if (at === 'settle') {
        const looking = { at: 'look', settling: null, work: { ...work!, at: 'look' } } as const;
        state = this.settled(replace(state, this.backstop, looking), false);
      }
    }
    if (state.done < state.log.length) throw new Violation('the log is never drained');
    return state;
  }

  /** Without faults the first way on is the only one; what is sent arrives. */
  private firstWay(state: State, steps: (take: (label: string, next: State) => void) => void): State {
    let after: State | undefined;
    steps((_, next) => void (after ??= next));
    const next = this.backstop < 0 ? after! : logged(state, after!, this.rules);
    const sent = next.messages.findIndex((message) => !message.answer);
    return sent >= 0 ? this.delivered(next, sent) : next;
  }

  private delivered(state: State, at: number): State {
    const message = state.messages[at]!;
    const { version, image, restored } = message;
    const taken = this.rules.accepts(version, state.document.version);
    return {
      ...state,
      document: taken ? { version, image, restored } : state.document,
      messages: state.messages.with(at, { ...message, answer: taken ? 'applied' : 'conflict' }),
    };
  }
}

function verification({ row, document, clock }: State): LogEntry {
  const mark = { state: 'commit', version: row ? row.version : document.version, operation: null } as const;
  return { verdict: row ? 'check' : 'adopt-gone', mark, image: row && row.image, committedAt: clock };
}
