import { type LogEntry, logged, NO_WORK, remembered } from './backstop.state.js';
import type { Effect, Image } from './history.js';
import { documentOf, History } from './history.js';
import { ProcessModel, type World } from './process.model.js';
import { type Rules, SHIPPED } from './rules.js';
import { EndModel } from './end.model.js';
import { ended, imageOf, isBypassed, type Message, type Spec, type State, Violation } from './state.js';
import { StateKeys } from './state.keys.js';

/** Who works on the one key, and what the world may do to them. */
export interface Scenario extends World {
  readonly name: string;
  readonly processes: readonly Spec[];
  /** The committed image at the beginning. */
  readonly initial: Image;
  /** Requests that arrive twice. */
  readonly duplicates?: boolean;
  /** Elasticsearch forgets tombstones: those that no older request can meet any more, or (`early`) any. */
  readonly forgetting?: boolean | 'early';
  /** `tombstones: 'durable'`: a delete is a document, which nobody forgets. Only a purge takes it away, long after any older request. */
  readonly durable?: boolean;
  /** How often the backstop may die, or get no answer. */
  readonly faults?: number;
}

export interface Exploration {
  readonly states: number;
  readonly ends: number;
  /** The first violation met, with the shortest way to it; null if there is none. */
  readonly violation: { readonly what: string; readonly trace: readonly string[] } | null;
  /** False when `limit` cut the search. */
  readonly complete: boolean;
}

const PROGRESS_STATES = 50_000;

/** Breadth first, so the first violation has the shortest trace. */
export function explore(
  scenario: Scenario,
  rules: Rules = SHIPPED,
  limit = Infinity,
  progress?: (states: number) => void,
): Exploration {
  return new Explorer(scenario, rules, limit, progress).run();
}

class Explorer {
  private readonly keys: StateKeys;
  private readonly parents: number[] = [-1];
  /** Each step's text is kept once. */
  private readonly labels: number[] = [0];
  private readonly texts = new Map<string, number>([['', 0]]);
  private next: { state: State; at: number }[] = [];
  private at = 0;
  private moves = 0;
  private stepping = 0;
  private readonly model: ProcessModel;

  private readonly scenario: Scenario;
  /** The place of the backstop, or -1. */
  private readonly backstop: number;
  private from: State | undefined;

  constructor(
    given: Scenario,
    private readonly rules: Rules,
    private readonly limit: number,
    private readonly progress?: (states: number) => void,
  ) {
    const strangers = given.processes.some(({ kind }) => kind === 'foreign');
    const scenario = { ...given, strangers, bypassed: isBypassed(given.processes) };
    this.scenario = scenario;
    this.backstop = scenario.processes.findIndex(({ kind }) => kind === 'backstop');
    this.keys = new StateKeys(scenario.processes, scenario.clocks === 'any');
    this.model = new ProcessModel(rules, scenario.processes, scenario, (label, state) =>
      this.reach(`${this.name(this.stepping)} ${label}`, state),
    );
  }

  run(): Exploration {
    let ends = 0;
    const first = this.initial();
    this.keys.isNew(first);
    let level = [{ state: first, at: 0 }];
    try {
      while (level.length > 0) {
        this.next = [];
        for (const { state, at } of level) {
          this.at = at;
          this.moves = 0;
          this.step(state);
          if (this.isOver(state)) {
            ends++;
            this.checkEnd(state);
          } else if (this.moves === 0) throw new Violation('nothing can go on');
          if (this.parents.length > this.limit) return this.result(ends, null, false);
        }
        level = this.next;
      }
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      const last = error.step === undefined ? 'everybody is gone' : `${this.name(this.stepping)} ${error.step}`;
      return this.result(ends, { what: error.message, trace: [...this.trace(), last] }, true);
    }
    return this.result(ends, null, true);
  }

  private isOver({ processes, messages, flips, log, done }: State): boolean {
    const drained = (at: number): boolean => at === this.backstop && done === log.length;
    return messages.length + flips.length === 0 && processes.every((each, at) => each.at === 'end' || drained(at));
  }

  private result(ends: number, violation: Exploration['violation'], complete: boolean): Exploration {
    return { states: this.parents.length, ends, violation, complete };
  }

  private initial(): State {
    const { initial, processes } = this.scenario;
    const document = documentOf(initial);
    return {
      // Where the clock may show less than it did, there is room for that.
      clock: this.scenario.clocks === 'any' ? 3 : 2,
      used: 2,
      row: initial === null ? null : { image: initial, version: 1, pending: null },
      document: { image: document, version: document === null ? -1 : 1, restored: 0 },
      messages: [],
      flips: [],
      processes: processes.map(({ kind }) => ({
        at: kind === 'backstop' ? 'take' : 'start',
        version: 0,
        tries: 0,
        doubtful: false,
        settling: null,
        work: kind === 'backstop' ? NO_WORK : null,
      })),
      log: [],
      done: 0,
      faults: this.scenario.faults ?? 0,
      history: History.start(processes.map(effectOf), initial),
    };
  }

  private reach(label: string, state: State): void {
    this.moves++;
    const tidy = this.tidied(this.backstop < 0 ? state : logged(this.from!, state, this.rules));
    if (!this.keys.isNew(tidy)) return;
    this.parents.push(this.at);
    if (this.parents.length % PROGRESS_STATES === 0) this.progress?.(this.parents.length);
    this.labels.push(this.textNumber(label));
    this.next.push({ state: tidy, at: this.parents.length - 1 });
  }

  private textNumber(label: string): number {
    let number = this.texts.get(label);
    if (number === undefined) this.texts.set(label, (number = this.texts.size));
    return number;
  }

  /** Forgets what can have no effect any more. */
  private tidied(given: State): State {
    const state = remembered(given);
    const useless = ({ abandoned, version }: Message): boolean =>
      abandoned && !this.scenario.forgetting && !this.rules.accepts(version, state.document.version);
    const spent = (version: number): boolean =>
      this.rules.versionNamed && !(state.row?.pending && state.row.version === version);
    if (!state.messages.some(useless) && !state.flips.some(spent)) return state;
    return {
      ...state,
      messages: state.messages.filter((message) => !useless(message)),
      flips: state.flips.filter((version) => !spent(version)),
    };
  }

  private step(state: State): void {
    this.from = state;
    state.messages.forEach((message, at) => this.travel(state, message, at));
    state.flips.forEach((version, at) => {
      const flips = state.flips.toSpliced(at, 1);
      const row = ended(state.row, version, 'commit', this.rules.versionNamed);
      if (row !== undefined) this.reach(`a flip of ${version} arrives late`, { ...state, flips, row });
      this.reach(`a flip of ${version} is lost`, { ...state, flips });
    });
    this.forget(state);
    for (let process = 0; process < state.processes.length; process++) {
      if (this.mustWait(state, process)) continue;
      this.stepping = process;
      this.model.steps(state, process);
    }
  }

  private travel(state: State, message: Message, at: number): void {
    if (message.answer) return;
    const { version, image, restored, abandoned } = message;
    const taken = this.rules.accepts(version, state.document.version);
    const document = taken ? { version, image, restored: image === null ? 0 : restored } : state.document;
    const whose = `${abandoned ? 'a' : `${this.name(message.sender)}'s`} request ${image === null ? 'to delete' : `with ${image}${restored ? ', restored,' : ''}`} at ${version}`;
    const verdict = taken ? 'is applied' : 'meets a conflict';
    if (abandoned) {
      const messages = state.messages.toSpliced(at, 1);
      this.reach(`${whose} arrives late and ${verdict}`, { ...state, document, messages });
      this.reach(`${whose} is lost`, { ...state, messages });
      return;
    }
    const answer = taken ? 'applied' : 'conflict';
    this.reach(`${whose} ${verdict}`, {
      ...state,
      document,
      messages: state.messages.with(at, { ...message, answer }),
    });
    if (this.scenario.duplicates && taken && !message.duplicated) {
      const messages = state.messages.with(at, { ...message, duplicated: true });
      this.reach(`a copy of ${whose} is applied`, { ...state, document, messages });
    }
  }

  private forget(state: State): void {
    const { document, messages, processes, log } = state;
    const { durable } = this.scenario;
    if (!this.scenario.forgetting || document.image !== null || document.version < 0) return;
    const forgotten = { ...state, document: { image: null, version: -1, restored: 0 } };
    if (this.scenario.forgetting === 'early' && !durable)
      return this.reach('Elasticsearch forgets the tombstone', forgotten);
    const older = (version: number): boolean => version > 0 && version <= document.version;
    const underWay = processes.some(
      ({ at, version, settling, work }) =>
        (at === 'send' && older(version)) ||
        (at === 'drive' && older(work!.sent)) ||
        (settling?.at === 'fence' && older(settling.row!.version)) ||
        // The purge comes so late that nobody is left who has read the row before.
        (durable === true && settling?.row && older(settling.row.version)),
    );
    // What the backstop has not adopted yet is under way, unless it reads the row before.
    const toAdopt = ({ verdict, mark }: LogEntry): boolean => verdict === 'adopt' && older(mark.version + 1);
    if (!this.scenario.late && log.some(toAdopt)) return;
    if (underWay || messages.some((message) => !message.answer && older(message.version))) return;
    this.reach(durable ? 'the tombstone is purged' : 'Elasticsearch forgets the tombstone', forgotten);
  }

  /** Two of a kind are the same: the first begins first. */
  private mustWait(state: State, process: number): boolean {
    if (state.processes[process]!.at !== 'start') return false;
    const kind = JSON.stringify(this.scenario.processes[process]);
    return state.processes.some(
      ({ at }, other) => other < process && at === 'start' && JSON.stringify(this.scenario.processes[other]) === kind,
    );
  }

  /**
   * Everybody is gone: one more settler must leave nothing in prepare (but what is parked, until an operator retries it),
   * both stores equal, and the register with a value it may have.
   */
  private checkEnd(given: State): void {
    const end = new EndModel(this.rules, this.scenario, this.backstop);
    let state = end.settled(given, false);
    if (state.row?.pending?.parked) state = end.settled(state, true);
    if (state.row?.pending) throw new Violation('the row stays in prepare for ever');
    if (this.backstop >= 0) state = end.drained(state, this.scenario.strangers === true);
    const image = state.row ? state.row.image : null;
    if (documentOf(image) !== state.document.image) {
      throw new Violation(`the stores differ: row ${image}, document ${state.document.image}`);
    }
    if (!state.history.allows(image)) throw new Violation(`an acknowledged write is lost: both stores hold ${image}`);
  }

  private name(process: number): string {
    const spec = this.scenario.processes[process]!;
    return `${process + 1}:${spec.kind}${'image' in spec ? spec.image : ''}`;
  }

  private trace(): string[] {
    const texts = [...this.texts.keys()];
    const lines: string[] = [];
    for (let at = this.at; at > 0; at = this.parents[at]!) lines.unshift(texts[this.labels[at]!]!);
    return lines;
  }
}

function effectOf(spec: Spec): Effect | undefined {
  const image = imageOf(spec);
  switch (spec.kind) {
    case 'save':
    case 'soft':
    case 'sql':
    case 'sqlSoft':
      return () => image;
    case 'insert':
      return (value) => (value === null ? image : undefined);
    case 'remove':
    case 'sqlRemove':
      return (value) => (value === null ? undefined : null);
    default:
      return undefined;
  }
}
