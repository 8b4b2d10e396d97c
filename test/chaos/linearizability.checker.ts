/*
 * Is there an order of these operations, each somewhere between its call and its answer, that one register without any
 * concurrency could have produced? Wing and Gong's search in Lowe's just-in-time form: time is walked from event to event,
 * and an operation is only given its place when an answer forces it.
 *
 * What is known at a moment is a set of configurations: the state, which of the writes under way have happened, and which
 * of the reads under way have not yet seen their state. Three things keep the set small:
 * - a read takes its place as soon as the state agrees with it; that can never hurt;
 * - an operation of unknown fate never has to happen, so a configuration that has used fewer of them is as good as any
 *   that used more and is otherwise equal: those are dropped;
 * - where nothing is under way, only the state is left.
 */

export interface CheckedOperation<Action> {
  readonly action: Action;
  /** Reads never change the state. */
  readonly isRead: boolean;
  readonly invokedAt: number;
  /** Infinity where no answer came, or one that says nothing: it may have happened any time after the call, or never. */
  readonly returnedAt: number;
  /** For an operation without an answer: after this moment it can no longer happen. Default: never. */
  readonly until?: number;
}

export interface RegisterModel<State, Action> {
  /** The state after the action, or undefined where it is impossible. */
  step(state: State, action: Action): State | undefined;
  /** Equal for equal states only. */
  text(state: State): string;
}

export type Verdict<State, Action> =
  | { readonly ok: true; readonly states: readonly State[] }
  | {
      readonly ok: false;
      /** The operation whose answer fits no order. */
      readonly failed: CheckedOperation<Action>;
      /** The last moment before it at which nothing (but operations of unknown fate) was under way. */
      readonly quietAt: number;
      readonly statesWhenQuiet: readonly State[];
    };

interface Configuration<State> {
  readonly state: State;
  readonly text: string;
  /** Writes under way that have happened, and will be answered. */
  readonly done: ReadonlySet<number>;
  /** Writes of unknown fate that have happened. */
  readonly used: ReadonlySet<number>;
  /** Reads under way that have not seen their state yet. */
  readonly unseen: ReadonlySet<number>;
}

interface Event {
  readonly at: number;
  readonly what: 'call' | 'answer' | 'expiry';
  readonly operation: number;
}

/** More than this means that the history is too tangled to be decided here. */
const MAX_CONFIGURATIONS = 200_000;

export function checkLinearizability<State, Action>(
  model: RegisterModel<State, Action>,
  operations: readonly CheckedOperation<Action>[],
  initial: readonly State[],
): Verdict<State, Action> {
  return new Checker(model, operations, initial).check();
}

class Checker<State, Action> {
  private configurations: Configuration<State>[];
  private readonly reads = new Set<number>();
  private readonly writes = new Set<number>();

  constructor(
    private readonly model: RegisterModel<State, Action>,
    private readonly operations: readonly CheckedOperation<Action>[],
    initial: readonly State[],
  ) {
    const none = new Set<number>();
    this.configurations = initial.map((state) => ({
      state,
      text: model.text(state),
      done: none,
      used: none,
      unseen: none,
    }));
  }

  check(): Verdict<State, Action> {
    let quietAt = -Infinity;
    let statesWhenQuiet = this.states();
    let answersDue = 0;
    for (const { at, what, operation } of eventsOf(this.operations)) {
      if (answersDue === 0) {
        quietAt = at;
        statesWhenQuiet = this.states();
      }
      if (what === 'call') {
        if (this.isCertain(operation)) answersDue++;
        this.call(operation);
      } else if (what === 'expiry') {
        this.expire(operation);
      } else {
        answersDue--;
        if (!this.answer(operation))
          return { ok: false, failed: this.operations[operation]!, quietAt, statesWhenQuiet };
      }
    }
    return { ok: true, states: this.states() };
  }

  private isCertain(operation: number): boolean {
    return Number.isFinite(this.operations[operation]!.returnedAt);
  }

  private states(): State[] {
    return [...new Map(this.configurations.map(({ text, state }) => [text, state])).values()];
  }

  private call(operation: number): void {
    if (!this.operations[operation]!.isRead) {
      this.writes.add(operation);
      return;
    }
    this.reads.add(operation);
    this.configurations = this.configurations.map((configuration) =>
      this.agrees(configuration.state, operation)
        ? configuration
        : { ...configuration, unseen: new Set([...configuration.unseen, operation]) },
    );
  }

  private agrees(state: State, read: number): boolean {
    return this.model.step(state, this.operations[read]!.action) !== undefined;
  }

  private expire(operation: number): void {
    this.writes.delete(operation);
    const kept = new Frontier<State>();
    for (const configuration of this.configurations) {
      kept.add({ ...configuration, used: without(configuration.used, operation) });
    }
    this.configurations = kept.all();
  }

  /** Keeps the configurations in which the operation has taken its place, and those that can get there. */
  private answer(operation: number): boolean {
    const isRead = this.operations[operation]!.isRead;
    const reached = ({ done, unseen }: Configuration<State>): boolean =>
      isRead ? !unseen.has(operation) : done.has(operation);
    const visited = new Frontier<State>();
    const queue = this.configurations.filter((configuration) => visited.add(configuration));
    const arrived: Configuration<State>[] = [];
    for (let at = 0; at < queue.length; at++) {
      const from = queue[at]!;
      if (reached(from)) {
        arrived.push(from);
        continue;
      }
      for (const write of this.writes) {
        const next = this.take(from, write);
        if (next && visited.add(next)) queue.push(next);
      }
      if (queue.length > MAX_CONFIGURATIONS) throw new RangeError('the history is too tangled to be checked');
    }
    this.writes.delete(operation);
    this.reads.delete(operation);
    const kept = new Frontier<State>();
    for (const configuration of arrived) kept.add({ ...configuration, done: without(configuration.done, operation) });
    this.configurations = kept.all();
    return this.configurations.length > 0;
  }

  private take(from: Configuration<State>, write: number): Configuration<State> | undefined {
    if (from.done.has(write) || from.used.has(write)) return undefined;
    const state = this.model.step(from.state, this.operations[write]!.action);
    if (state === undefined) return undefined;
    const certain = this.isCertain(write);
    return {
      state,
      text: this.model.text(state),
      done: certain ? new Set([...from.done, write]) : from.done,
      used: certain ? from.used : new Set([...from.used, write]),
      unseen: new Set([...from.unseen].filter((read) => !this.agrees(state, read))),
    };
  }
}

/** Configurations of which none makes another superfluous. */
class Frontier<State> {
  private readonly groups = new Map<string, Configuration<State>[]>();

  /** False when one that is at least as good is there already. */
  add(configuration: Configuration<State>): boolean {
    const group = `${configuration.text}\n${[...configuration.done].sort((a, b) => a - b).join()}`;
    const known = this.groups.get(group) ?? [];
    if (known.some((other) => isAsGood(other, configuration))) return false;
    const kept = known.filter((other) => !isAsGood(configuration, other));
    kept.push(configuration);
    this.groups.set(group, kept);
    return true;
  }

  all(): Configuration<State>[] {
    return [...this.groups.values()].flat();
  }
}

function isAsGood<State>(a: Configuration<State>, b: Configuration<State>): boolean {
  return isWithin(a.used, b.used) && isWithin(a.unseen, b.unseen);
}

function isWithin(part: ReadonlySet<number>, whole: ReadonlySet<number>): boolean {
  if (part.size > whole.size) return false;
  for (const item of part) if (!whole.has(item)) return false;
  return true;
}

function without(set: ReadonlySet<number>, item: number): ReadonlySet<number> {
  if (!set.has(item)) return set;
  const rest = new Set(set);
  rest.delete(item);
  return rest;
}

/** Calls come before answers of the same moment: what touches counts as concurrent. */
function eventsOf(operations: readonly CheckedOperation<unknown>[]): Event[] {
  const events: Event[] = [];
  for (const [operation, { invokedAt, returnedAt, isRead, until = Infinity }] of operations.entries()) {
    // A read without an answer tells nothing.
    if (isRead && !Number.isFinite(returnedAt)) continue;
    events.push({ at: invokedAt, what: 'call', operation });
    if (Number.isFinite(returnedAt)) events.push({ at: returnedAt, what: 'answer', operation });
    else if (Number.isFinite(until)) events.push({ at: Math.max(until, invokedAt), what: 'expiry', operation });
  }
  const rank = { call: 0, answer: 1, expiry: 2 };
  return events.sort((a, b) => a.at - b.at || rank[a.what] - rank[b.what]);
}
