import type { IndexOutcome } from '../../../src/protocol/outcome.js';
import type { Decider } from '../../../src/protocol/row.js';
import { isDoubtful } from '../../../src/protocol/write.decision.js';
import { BackstopModel, type BackstopWorld } from './backstop.model.js';
import type { Ending } from './history.js';
import type { Rules } from './rules.js';
import { bypass } from './bypass.model.js';
import { abandon, beginSettling, type Emit, type Settled, SettleModel, type SettleWorld } from './settle.model.js';
import {
  ended,
  imageOf,
  parked,
  presence,
  type Process,
  replace,
  type Row,
  type Spec,
  type State,
  Violation,
} from './state.js';

/** What the stores may do in a scenario, beside the usual, and whose rule it is. */
export interface World extends SettleWorld, BackstopWorld {
  readonly decider?: Decider;
  readonly bypassed?: boolean;
  /** Documents are put from outside. */
  readonly strangers?: boolean;
  /** Refused for certain, and unavailable for certain (with one retry). */
  readonly refusals?: boolean;
  /** 503 (with one retry): an inner try may have been applied, or be applied later. */
  readonly busy?: boolean;
  /** `any`: a statement began at any time before it took effect, or MySQL's clock was set back. */
  readonly clocks?: 'any';
}

const REFUSED: IndexOutcome = { kind: 'refused', status: 400, type: 'x', reason: 'x' };
const RETRIES = 1;
const NOTHING_LEFT = { version: 0, tries: 0, doubtful: false, settling: null, work: null };

/** The next steps of one process: src/write (prepare, index, commit), a read through the library, or a sweep. */
export class ProcessModel {
  private readonly settle: SettleModel;
  private readonly decider: Decider;
  private readonly backstop: BackstopModel;

  constructor(
    private readonly rules: Rules,
    private readonly specs: readonly Spec[],
    private readonly world: World,
    private readonly emit: Emit,
  ) {
    this.settle = new SettleModel(rules, emit, (label, state, result) => this.settled(label, state, result), world);
    this.decider = world.decider ?? 'elasticsearch';
    this.backstop = new BackstopModel(rules, emit, world);
  }

  private current = 0;

  steps(state: State, process: number): void {
    this.current = process;
    const spec = this.specs[process]!;
    const own = state.processes[process]!;
    switch (own.at) {
      case 'start':
        return this.start(state, process, spec);
      case 'prepare':
        return this.prepare(state, process, spec);
      case 'send':
        return this.send(state, process, own, spec);
      case 'answer':
        return this.answer(state, process, own);
      case 'flip':
        return this.flip(state, process, own);
      case 'restore':
        return this.restore(state, process, own);
      case 'settle':
        return this.settle.steps(state, process, own.settling!);
      case 'wait':
        this.emit('tries again', replace(state, process, { at: 'settle', settling: beginSettling('wait') }));
        return this.end('gives up waiting', state, process, 'failed');
      case 'read':
        return this.read(state, process, spec);
      case 'end':
        return;
      default:
        return this.backstop.steps(state, process);
    }
  }

  private end(label: string, state: State, process: number, ending: Ending | null): void {
    // Around the library nothing is promised to readers: what they saw says nothing.
    // A stranger's document can outrank a write that failed: lifting the row makes it stand.
    const failed = this.world.strangers && ending === 'failed' ? 'unknown' : ending;
    const told = this.world.bypassed && typeof failed === 'object' && failed !== null ? 'failed' : failed;
    const history = told === null ? state.history : state.history.end(process, told);
    if (!history) throw new Violation(`not linearizable: told ${inWords(ending!)}`, label);
    this.emit(label, { ...replace(state, process, { at: 'end', ...NOTHING_LEFT }), history });
  }

  private start(state: State, process: number, spec: Spec): void {
    const { kind } = spec;
    if (kind === 'sweeper') {
      const pending = state.row?.pending;
      const version = pending && !pending.parked ? state.row!.version : -1;
      const settling = beginSettling('sweep', { claimed: version });
      if (version >= 0) this.emit('claims the row', replace(state, process, { at: 'settle', settling }));
      return this.end('finds nothing', state, process, null);
    }
    const begun = { ...state, history: state.history.begin(process) };
    const around = bypass(begun, spec);
    if (around) return this.end(around.label, around.state, process, around.ending);
    this.emit('begins', replace(begun, process, { at: kind === 'database' || kind === 'index' ? 'read' : 'prepare' }));
  }

  private read(state: State, process: number, { kind }: Spec): void {
    const { row, document } = state;
    if (kind === 'index') return this.end('gets the document', state, process, { document: document.image });
    if (!row?.pending) return this.end('selects the row', state, process, { row: row ? row.image : null });
    this.emit('selects the row', replace(state, process, { at: 'settle', settling: beginSettling('read') }));
  }

  private prepare(state: State, process: number, spec: Spec): void {
    const { row } = state;
    if (row?.pending && !this.mayGoOver(row, spec)) {
      return this.emit('meets a prepare', replace(state, process, { at: 'settle', settling: beginSettling('wait') }));
    }
    if (spec.kind === 'insert' && row) return this.end('is a duplicate', state, process, { saw: 'something' });
    if (spec.kind === 'remove' && !row) return this.end('finds no row', state, process, { saw: 'nothing' });
    for (const version of this.versions(state)) this.prepareAt(state, process, spec, version);
  }

  /** By every time that MySQL's clock may have shown the statement. */
  private versions({ row, clock, used }: State): Iterable<number> {
    const held = row ? row.version : null;
    if (this.world.clocks !== 'any') return [this.rules.nextVersion(held, clock)];
    const all = Array.from({ length: clock }, (_, before) => this.rules.nextVersion(held, clock - before));
    // An assumption of the protocol: no two lives of one key ever have the same version, to the microsecond.
    return new Set(row ? all : all.filter((version) => !(used & (1 << version))));
  }

  private prepareAt(state: State, process: number, spec: Spec, version: number): void {
    const { row } = state;
    const previous = row ? row.image : null;
    const image = imageOf(spec);
    const next = presence(image);
    const before = presence(previous);
    const operation = spec.kind === 'remove' ? 'delete' : row ? 'update' : 'insert';
    const pending = { operation, next, before, decider: this.decider, previous, parked: false } as const;
    const clock = state.clock + 1;
    const used = state.used | (1 << version);
    if (next === 'absent' && before === 'absent' && this.decider === 'elasticsearch') {
      const complete: Row | null = image === null ? null : { image, version, pending: null };
      return this.end('writes without a document', { ...state, clock, used, row: complete }, process, 'done');
    }
    const prepared: Row = { image: image ?? previous, version, pending };
    this.emit(`prepares ${operation} at ${version}`, {
      ...replace(state, process, { at: 'send', version }),
      clock,
      used,
      row: prepared,
    });
  }

  /** `RowStatements.free`: a decided write may be written over, unless it is a delete. */
  private mayGoOver({ pending }: Row, { kind }: Spec): boolean {
    return this.decider === 'mysql' && pending!.operation !== 'delete' && kind !== 'insert';
  }

  private send(state: State, process: number, { version }: Process, spec: Spec): void {
    const whole = imageOf(spec);
    const image = presence(whole) === 'present' ? whole : null;
    const message = {
      sender: process,
      version,
      image,
      restored: 0,
      abandoned: false,
      duplicated: false,
      answer: null,
    };
    this.emit(image === null ? `sends DELETE at ${version}` : `sends ${image} at ${version}`, {
      ...replace(state, process, { at: 'answer' }),
      messages: [...state.messages, message],
    });
    this.end('dies', state, process, 'unknown');
  }

  private answer(state: State, process: number, own: Process): void {
    const at = state.messages.findIndex((message) => message.sender === process && !message.abandoned);
    const { answer, duplicated } = state.messages[at]!;
    const without = { ...state, messages: state.messages.toSpliced(at, 1) };
    if (answer) {
      const kind = answer;
      this.after(kind === 'applied' ? 'is told: applied' : 'is told: conflict', without, process, own, { kind });
    } else {
      const reason = 'x';
      // An assumption of the protocol: what is refused for certain was refused in every copy.
      if (this.world.refusals && !duplicated) {
        this.after('is refused', without, process, own, REFUSED);
        this.after('is not served', without, process, own, { kind: 'unavailable', certain: true, reason });
      }
      if (this.world.busy) {
        this.after('is told 503', abandon(state, at), process, own, { kind: 'unavailable', certain: false, reason });
      }
    }
    this.after('gets no answer', abandon(state, at), process, own, { kind: 'unknown', reason: 'x' });
  }

  /** `Completer.afterIndex`, and the retries of `Completer.index`. */
  private after(label: string, state: State, process: number, own: Process, outcome: IndexOutcome): void {
    const { version, tries } = own;
    const step = this.rules.afterIndex(outcome, this.decider, tries < RETRIES, own.doubtful);
    const doubtful = own.doubtful || isDoubtful(outcome);
    const settle = (settling: ReturnType<typeof beginSettling>): void =>
      this.emit(label, replace(state, process, { at: 'settle', settling }));
    switch (step) {
      case 'commit':
        return this.emit(label, replace(state, process, { at: 'flip' }));
      case 'retry':
        return this.emit(label, replace(state, process, { at: 'send', tries: tries + 1, doubtful }));
      case 'restore':
        return this.emit(label, replace(state, process, { at: 'restore' }));
      case 'race':
        return settle(beginSettling('race', { claimed: version }));
      case 'look':
        return settle(beginSettling('look', { conflictedAt: version }));
      case 'leave':
        if (this.decider === 'mysql') return this.end(label, state, process, 'done');
        return this.end(label, state, process, this.rules.left === 'unknown' ? 'unknown' : 'failed');
      case 'park':
        if (this.decider !== 'mysql') throw new Violation('a write under the strict decider was parked by its writer');
        return this.end(
          `${label}: parked`,
          { ...state, row: parked(state.row, version) ?? state.row },
          process,
          'done',
        );
    }
  }

  private flip(state: State, process: number, { version }: Process): void {
    const row = ended(state.row, version, 'commit', this.rules.versionNamed);
    this.end('flips the row', row === undefined ? state : { ...state, row }, process, 'done');
    this.end('flips late, or never', { ...state, flips: [...state.flips, version] }, process, 'done');
    this.end('dies', state, process, 'unknown');
  }

  private restore(state: State, process: number, { version }: Process): void {
    const row = ended(state.row, version, 'restore', this.rules.versionNamed);
    this.end('restores its row', row === undefined ? state : { ...state, row }, process, 'failed');
    this.end('cannot restore its row', state, process, 'failed');
    const stuck = this.world.parking ? parked(state.row, version) : null;
    if (stuck) this.end('parks its row: the restore is refused', { ...state, row: stuck }, process, 'failed');
  }

  private settled(label: string, state: State, result: Settled): void {
    const process = this.current;
    const { version, settling } = state.processes[process]!;
    switch (settling!.purpose) {
      case 'sweep':
        if (this.specs[process]!.kind === 'backstop') return this.backstop.settled(label, state, process);
        return this.end(label, state, process, null);
      case 'read':
        // A read that fails says nothing.
        return this.end(label, state, process, result ? { row: result.visible } : 'failed');
      case 'wait':
        return this.emit(label, replace(state, process, { at: result?.settled ? 'prepare' : 'wait', settling: null }));
      default:
        return this.end(label, state, process, this.fate(result, version, settling!.purpose === 'race', process));
    }
  }

  /** `Completer.race` and `Completer.byFate`. */
  private fate(result: Settled, version: number, race: boolean, process: number): Ending {
    // Decided already, whoever has the slot.
    if (this.decider === 'mysql') return 'done';
    if (!result) return 'unknown';
    const { settling } = result;
    const acted = settling.row?.version === version ? result.acted : null;
    if (race && acted === 'restored') return 'failed';
    const row = acted ?? (result.settled ? 'moved' : 'unsettled');
    const next = presence(imageOf(this.specs[process]!));
    const fate = this.rules.afterConflict(version, next, settling.slot ?? { found: false }, row);
    return fate === 'landed' ? 'done' : fate === 'aborted' ? 'failed' : 'unknown';
  }
}

function inWords(ending: Ending): string {
  if (typeof ending === 'string') return ending === 'done' ? 'success' : ending === 'failed' ? 'failure' : ending;
  if ('saw' in ending) return ending.saw === 'nothing' ? 'no such row' : 'a duplicate';
  const [what, image] = 'row' in ending ? ['row', ending.row] : ['document', ending.document];
  return image === null ? `no ${what}` : `${what} ${image}`;
}
