import type { RowMark } from '../../../src/protocol/adopt.decision.js';
import type { Decider, SlotView } from '../../../src/protocol/row.js';
import { type LogEntry, NO_WORK, type Work } from './backstop.state.js';
import { documentOf, type Image } from './history.js';
import type { Rules } from './rules.js';
import { abandon, beginSettling, type Emit } from './settle.model.js';
import { ended, presence, replace, type Row, type State, Violation } from './state.js';

export interface BackstopWorld {
  readonly decider?: Decider;
  /** Somebody writes around the library. Else there is nothing to repair, and a re-drive would be one too many. */
  readonly bypassed?: boolean;
  /** It is so far behind that tombstones are forgotten: it reads the row before it adopts. */
  readonly late?: boolean;
}

/** The backstop: one entry of the log after the other, from src/binlog. Its first way on is always the one without a fault. */
export class BackstopModel {
  constructor(
    private readonly rules: Rules,
    private readonly emit: Emit,
    private readonly world: BackstopWorld,
  ) {}

  steps(state: State, process: number): void {
    const work = state.processes[process]!.work!;
    const entry = state.log[state.done];
    if (entry) this.step(state, process, work, entry);
    if (state.faults > 0) this.crash(state, process, work);
  }

  /** Its settling is over: it reads the row again. */
  settled(label: string, state: State, process: number): void {
    this.go(label, state, process, { at: 'look' });
  }

  private go(label: string, state: State, process: number, next: Partial<Work>): void {
    const work = essential({ ...state.processes[process]!.work!, ...next });
    this.emit(label, replace(state, process, { at: work.at, work, settling: null }));
  }

  private finish(label: string, state: State, process: number, own: number | null): void {
    const done = { ...state, done: state.done + 1 };
    this.emit(
      label,
      replace(done, process, { at: 'take', work: own === null || !this.rules.chained ? NO_WORK : { ...NO_WORK, own } }),
    );
  }

  private step(state: State, process: number, work: Work, entry: LogEntry): void {
    switch (work.at) {
      case 'take':
        return this.take(state, process, work, entry);
      case 'look':
        return this.look(state, process, work, entry);
      case 'fetch':
        return this.fetch(state, process, work, entry);
      case 'redrive':
        return this.redrive(state, process, work);
      case 'drive':
        return this.send('drives', state, process, work.sent, work.image, false, 'driven');
      case 'told':
      case 'driven':
        return this.told(state, process, work);
      case 'drop':
        return this.drop(state, process, work);
    }
  }

  private take(state: State, process: number, work: Work, entry: LogEntry): void {
    const { verdict, mark, image, committedAt } = entry;
    if (verdict === 'adopt') {
      const version = this.rules.adoptVersion(mark, work.own, committedAt);
      if (
        this.world.late &&
        this.rules.lateReads &&
        this.rules.afterAdoptConflict(mark, rowMark(state.row)) === 'fine'
      ) {
        return this.finish('reads the row first: it has moved on', state, process, work.own);
      }
      return this.send('adopts', state, process, version, documentOf(image), this.rules.adoptMarked, 'told');
    }
    const fresh = { ...work, mark, conflicted: false };
    if (verdict === 'adopt-settled') return this.settleFirst(state, process, fresh);
    this.look(state, process, fresh, entry);
  }

  private settleFirst(state: State, process: number, work: Work): void {
    if (this.rules.settled(work.mark!, rowMark(state.row)) !== 'wait') {
      return this.go('finds the row settled', state, process, { ...work, at: 'look', conflicted: true });
    }
    this.wait(state, process, work);
  }

  private wait(state: State, process: number, work: Work): void {
    this.emit('waits for the row', replace(state, process, { at: 'settle', settling: beginSettling('sweep'), work }));
  }

  private look(state: State, process: number, work: Work, { verdict, mark }: LogEntry): void {
    const { version, image } = state.document;
    const slot: SlotView =
      image === null ? { found: false } : { found: true, version, restored: state.document.restored || null };
    const seen = { ...work, restored: state.document.restored, version: slot.found ? version : -1, image };
    if (verdict === 'check-gone' || verdict === 'adopt-gone') {
      const gone = this.rules.gone(mark, slot, undefined, work.conflicted);
      if (gone.kind === 'fine') return this.finish('looks: gone', state, process, work.own);
    } else if (verdict === 'check' && !work.conflicted) {
      if (this.rules.check(work.mark!, slot, undefined) === 'fine')
        return this.finish('checks: fine', state, process, work.own);
    }
    this.go('looks at the document', state, process, { ...seen, at: 'fetch' });
  }

  private fetch(state: State, process: number, work: Work, { verdict, mark: before }: LogEntry): void {
    const { version, image, mark } = work;
    const { row } = state;
    const slot: SlotView = version < 0 ? { found: false } : { found: true, version, restored: work.restored || null };
    if (verdict === 'check-gone' || verdict === 'adopt-gone') {
      const gone = this.rules.gone(before, slot, rowMark(row), work.conflicted);
      switch (gone.kind) {
        case 'delete':
          return this.send('removes', state, process, gone.version, null, false, 'told');
        case 'redrive': {
          // At a version above both: as if the look had found the old row's request.
          const above = { at: 'redrive', version: Math.max(version, gone.above) } as const;
          return this.go('reads the row: a new one', state, process, {
            ...above,
            mark: { ...mark!, ...rowMark(row)! },
          });
        }
        case 'wait':
          return this.wait(state, process, work);
        case 'read-row':
          throw new Violation('the row was read already');
        case 'fine':
          return this.finish('reads the row: it is there again', state, process, work.own);
      }
    }
    const verdictNow =
      verdict === 'check' && !work.conflicted
        ? this.rules.check(mark!, slot, rowMark(row))
        : this.rules[verdict === 'adopt-settled' ? 'settled' : 'afterAdoptConflict'](mark!, rowMark(row));
    if (verdictNow === 'wait') return this.settleFirst(state, process, work);
    if (verdictNow === 'fine') return this.finish('reads the row: it has moved on', state, process, work.own);
    if (documentOf(row!.image) === image) return this.finish('compares: equal', state, process, work.own);
    if (!this.world.bypassed)
      throw new Violation('the backstop repairs what nobody but the library wrote', 'compares: different');
    this.go('compares: different', state, process, { at: 'redrive' });
  }

  /** `Redriver`: a write of the library that changes no column, at a version above both. */
  private redrive(state: State, process: number, work: Work): void {
    const { row, clock } = state;
    if (!row || row.pending || row.version !== work.mark!.version) {
      return this.finish('finds the row changed', state, process, null);
    }
    const has = presence(row.image);
    const version = Math.max(this.rules.nextVersion(row.version, clock), work.version + 1);
    const pending = {
      operation: 'update',
      next: has,
      before: has,
      decider: this.world.decider ?? 'elasticsearch',
      previous: null,
      unchanged: true,
      parked: false,
    } as const;
    const prepared: Row = { image: row.image, version, pending };
    const mark = { ...work.mark!, version };
    const driving = { ...state, row: prepared, clock: clock + 1 };
    this.go(`prepares the same row at ${version}`, driving, process, {
      at: 'drive',
      sent: version,
      mark,
      image: documentOf(row.image),
    });
  }

  private send(
    what: string,
    state: State,
    process: number,
    version: number,
    image: Image,
    marked: boolean,
    at: 'told' | 'driven',
  ): void {
    const row = state.row;
    // Somebody else has settled it: there is nothing left to drive.
    if (at === 'driven' && !(row?.pending && row.version === version)) {
      return this.go('finds the row settled', state, process, { at: 'look', conflicted: true });
    }
    const message = {
      sender: process,
      version,
      image,
      restored: marked && image !== null ? version : 0,
      abandoned: false,
      duplicated: false,
      answer: null,
    };
    const sent = { ...state, messages: [...state.messages, message] };
    const label = image === null ? `${what}: DELETE at ${version}` : `${what} ${image} at ${version}`;
    if (at === 'told' && !this.rules.inOrder) {
      return this.finish(label, abandon(sent, sent.messages.length - 1), process, null);
    }
    const mark = at === 'told' ? state.log[state.done]!.mark : state.processes[process]!.work!.mark;
    this.go(label, sent, process, { at, sent: version, mark });
  }

  private told(state: State, process: number, work: Work): void {
    const at = state.messages.findIndex((message) => message.sender === process && !message.abandoned);
    const { answer } = state.messages[at]!;
    const without = { ...state, messages: state.messages.toSpliced(at, 1) };
    const driven = work.at === 'driven';
    if (answer === 'applied') {
      if (driven) this.go('is told: applied', without, process, { at: 'drop' });
      else this.finish('is told: applied', without, process, work.sent);
    }
    if (answer === 'conflict') this.afterConflict(without, process, driven);
    if (state.faults === 0) return;
    const lost = { ...abandon(state, at), faults: state.faults - 1 };
    if (driven) this.afterConflict(lost, process, true, 'gets no answer');
    // The same again: another delivery of the same request.
    else this.go('gets no answer', lost, process, { ...NO_WORK, own: work.own });
  }

  private afterConflict(state: State, process: number, driven: boolean, label = 'is told: conflict'): void {
    if (!driven) return this.go(label, state, process, { at: 'look', own: null, conflicted: true });
    const work = { ...state.processes[process]!.work!, conflicted: true, own: null };
    this.emit(label, replace(state, process, { at: 'settle', settling: beginSettling('sweep'), work }));
  }

  private drop(state: State, process: number, { sent }: Work): void {
    const row = ended(state.row, sent, 'commit', this.rules.versionNamed);
    this.finish('flips the row', row === undefined ? state : { ...state, row }, process, null);
    if (state.faults > 0) this.finish('does not flip the row', { ...state, faults: state.faults - 1 }, process, null);
  }

  /** Begins again at the checkpoint, which is somewhere in what is done. */
  private crash(state: State, process: number, work: Work): void {
    if (work === NO_WORK && state.done === 0) return;
    const at = state.messages.findIndex((message) => message.sender === process && !message.abandoned);
    const left = { ...(at < 0 ? state : abandon(state, at)), faults: state.faults - 1 };
    const end = Math.min(state.done + this.rules.checkpointAhead, state.log.length);
    for (let done = 0; done <= end; done++) {
      const label = `dies, and begins again ${state.done - done} entries back`;
      this.emit(label, replace({ ...left, done }, process, { at: 'take', work: NO_WORK, settling: null }));
    }
  }
}

function rowMark(row: Row | null): RowMark | null {
  return row && { state: row.pending ? 'prepare' : 'commit', version: row.version };
}

/** Without what no later step asks for. */
function essential(work: Work): Work {
  const seen = work.at === 'fetch' || work.at === 'redrive';
  return {
    ...work,
    version: seen ? work.version : -1,
    restored: work.at === 'fetch' ? work.restored : 0,
    image: work.at === 'fetch' || work.at === 'drive' ? work.image : null,
  };
}
