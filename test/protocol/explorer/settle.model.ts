import type { Decider, PreparedRow } from '../../../src/protocol/row.js';
import { forwardImage, forwardVerdict, landedByConflict, needsNoLook } from './forward.model.js';
import type { Image } from './history.js';
import type { Rules } from './rules.js';
import {
  ended,
  imageAfter,
  imageBefore,
  parked,
  presence,
  replace,
  type Settling,
  type State,
  Violation,
} from './state.js';

/** What a settler's caller goes on with: `Resolution`, or null for `Unsettled`. */
export type Settled = {
  readonly visible: Image;
  readonly settled: boolean;
  readonly acted: 'committed' | 'restored' | null;
  readonly settling: Settling;
} | null;

export type Emit = (label: string, next: State) => void;
/** Tells the process how its settling ended. */
export type Resume = (label: string, state: State, result: Settled) => void;

export interface SettleWorld {
  /** Default `elasticsearch`. */
  readonly decider?: Decider;
  /** MySQL may refuse to put an undo image back, and Elasticsearch to take a previous document: the row is parked. */
  readonly parking?: boolean;
  /** Settle parked rows as well: an operator asked for it. */
  readonly operator?: boolean;
  /** Somebody writes around the library. */
  readonly bypassed?: boolean;
}

/** As `LIFT_AFTER` in src/settle/settler.ts. */
const LIFT_AFTER = 2;

export function beginSettling(
  purpose: Settling['purpose'],
  { conflictedAt = -1, claimed = -1 }: { conflictedAt?: number; claimed?: number } = {},
): Settling {
  return {
    purpose,
    at: 'load',
    row: null,
    expired: false,
    version: conflictedAt,
    conflicted: conflictedAt >= 0,
    reread: false,
    superseded: 0,
    fenced: 0,
    slot: null,
    claimed,
    theirs: 0,
  };
}

/** One process's next steps while it settles: the rounds of src/settle/settler.ts, one request to a store at a time. */
export class SettleModel {
  constructor(
    private readonly rules: Rules,
    private readonly emit: Emit,
    private readonly resume: Resume,
    private readonly world: SettleWorld = {},
  ) {}

  steps(state: State, process: number, settling: Settling): void {
    switch (settling.at) {
      case 'load':
        return this.load(state, process, settling);
      case 'look':
        return this.look(state, process, settling);
      case 'commit':
      case 'restore':
        return this.act(state, process, settling, settling.at);
      case 'fence':
        return this.fence(state, process, settling);
      case 'answer':
        return this.answer(state, process, settling);
      case 'lift':
        return this.lift(state, process, settling);
    }
  }

  private go(label: string, state: State, process: number, settling: Settling, next: Partial<Settling>): void {
    this.emit(label, replace(state, process, { settling: essential({ ...settling, ...next }) }));
  }

  private load(state: State, process: number, settling: Settling): void {
    const { row } = state;
    if (!row?.pending) {
      const visible = row ? row.image : null;
      return this.resume('reads the row', state, { visible, settled: true, acted: null, settling });
    }
    const operator = this.world.operator === true;
    if (needsNoLook(state, settling, this.world)) {
      const visible = this.rules.decided === 'after' ? imageAfter(row) : imageBefore(row);
      return this.resume('reads the row', state, { visible, settled: false, acted: null, settling });
    }
    const fresh =
      settling.version === row.version
        ? {}
        : { version: row.version, conflicted: false, reread: false, superseded: 0, fenced: 0 };
    // A deadline can pass at any moment, and a lease can move it: each reading may find either.
    const sure = row.pending.parked ? [operator] : settling.claimed === row.version ? [true] : undefined;
    for (const expired of sure ?? [false, true]) {
      this.go(`reads the row${expired ? ', expired' : ''}`, state, process, settling, {
        ...fresh,
        row,
        expired,
        at: 'look',
      });
    }
  }

  private look(state: State, process: number, settling: Settling): void {
    const row = settling.row!;
    const { document } = state;
    const slot: NonNullable<Settling['slot']> =
      document.image === null
        ? { found: false }
        : { found: true, version: document.version, restored: document.restored || null };
    const prepared: PreparedRow = { version: row.version, expired: settling.expired, pending: row.pending! };
    const forward = row.pending!.decider === 'mysql';
    const seen = { ...settling, slot, theirs: slot.found ? slot.version : 0 };
    const verdict = forward ? forwardVerdict(this.rules, row, slot) : this.rules.settle(prepared, slot, settling);
    if (
      !forward &&
      row.pending!.parked &&
      !this.world.operator &&
      this.rules.parkedEnds(verdict, settling.superseded)
    ) {
      const visible = verdict === 'commit' ? imageAfter(row) : this.rules.parkedImage(row);
      return this.resume('looks: parked', state, { visible, settled: false, acted: null, settling: seen });
    }
    const go = (next: Partial<Settling>): void => this.go(`looks: ${verdict}`, state, process, seen, next);
    switch (verdict) {
      case 'commit':
      case 'restore':
        return go({ at: verdict });
      case 'race':
      case 'fence':
        return go({ at: 'fence' });
      case 'in-flight': {
        const visible = this.rules.inFlight === 'before' ? imageBefore(row) : row.image;
        return this.resume('looks: in flight', state, { visible, settled: false, acted: null, settling: seen });
      }
      case 'superseded':
        if (settling.superseded + 1 >= LIFT_AFTER) return go({ at: 'lift' });
        return go({ at: 'load', superseded: settling.superseded + 1 });
      case 'reread':
        if (settling.conflicted && settling.fenced > LIFT_AFTER) return go({ at: 'lift' });
        return go({ at: 'load', reread: true, conflicted: false });
    }
  }

  private act(state: State, process: number, settling: Settling, how: 'commit' | 'restore'): void {
    const { version } = settling.row!;
    const label = how === 'commit' ? 'commits the row' : 'restores the row';
    const row = ended(state.row, version, how, this.rules.versionNamed);
    if (row === undefined) this.go(`${label}: moved on`, state, process, settling, { at: 'load' });
    else {
      const visible = how === 'commit' ? imageAfter(settling.row!) : imageBefore(settling.row!);
      const acted = how === 'commit' ? 'committed' : 'restored';
      this.resume(label, { ...state, row }, { visible, settled: true, acted, settling });
    }
    this.resume(`${label}: MySQL fails`, state, null);
    if (how === 'restore') this.park('is refused by MySQL', state, process, settling);
  }

  /** `SettleActions.lift`: the same pending write, above the version that came from outside. */
  private lift(state: State, process: number, settling: Settling): void {
    if (!this.world.bypassed) throw new Violation('a row was lifted although nobody wrote around the protocol');
    const { row, clock } = state;
    const { version } = settling.row!;
    if (!row?.pending || row.version !== version) {
      return this.go('lifts the row: moved on', state, process, settling, { at: 'load' });
    }
    const pending = this.rules.liftedDecided ? ({ ...row.pending, decider: 'mysql' } as const) : row.pending;
    const lifted = { ...row, pending, version: Math.max(settling.theirs + 1, version + 1, clock) };
    const label = `lifts the row to ${lifted.version}`;
    this.go(label, { ...state, row: lifted, clock: clock + 1 }, process, settling, { at: 'load' });
  }

  /** `SettleActions.park`; a row that moved on meanwhile is read again. */
  private park(why: string, state: State, process: number, settling: Settling): void {
    if (!this.world.parking) return;
    const row = parked(state.row, settling.row!.version);
    if (!row) return this.go(`${why}: moved on`, state, process, settling, { at: 'load' });
    const visible = row.pending!.decider === 'mysql' ? imageAfter(row) : imageBefore(row);
    this.resume(`${why}: parked`, { ...state, row }, { visible, settled: false, acted: null, settling });
  }

  private fence(state: State, process: number, settling: Settling): void {
    const { version, pending } = settling.row!;
    const forward = pending!.decider === 'mysql';
    const before = imageBefore(settling.row!);
    const previous = presence(before) === 'present' ? before : null;
    const image = forward ? forwardImage(settling.row!) : previous;
    const at = forward ? version : this.rules.fenceVersion(version);
    const message = {
      sender: process,
      version: at,
      image,
      restored: this.rules.marked && image !== null && !forward ? at : 0,
      abandoned: false,
      duplicated: false,
      answer: null,
    };
    this.go(
      image === null ? `sends DELETE at ${at}` : `sends the ${forward ? 'new' : 'previous'} image ${image} at ${at}`,
      { ...state, messages: [...state.messages, message] },
      process,
      settling,
      { at: 'answer' },
    );
  }

  private answer(state: State, process: number, settling: Settling): void {
    const at = state.messages.findIndex((message) => message.sender === process && !message.abandoned);
    const { answer } = state.messages[at]!;
    const without = { ...state, messages: state.messages.toSpliced(at, 1) };
    const fenced = Math.min(settling.fenced + 1, LIFT_AFTER + 1);
    const forward = settling.row!.pending!.decider === 'mysql';
    const won = forward ? 'commit' : 'restore';
    if (answer === 'applied') this.go('has won the slot', without, process, settling, { fenced, at: won });
    if (answer === 'conflict' && forward) {
      if (landedByConflict(settling)) this.go('meets its own delete', without, process, settling, { at: 'commit' });
      else
        this.go('is told: conflict', without, process, settling, { fenced, at: fenced > LIFT_AFTER ? 'lift' : 'load' });
    } else if (answer === 'conflict') {
      this.go('has lost the slot', without, process, settling, { fenced, conflicted: true, at: 'load' });
    }
    if (answer === null) this.park('is refused by Elasticsearch', without, process, settling);
    this.resume('gets no answer', abandon(state, at), null);
  }
}

/** Without what no later step asks for: states that differ in nothing else are one. */
function essential(settling: Settling): Settling {
  const fated = settling.purpose === 'look' || settling.purpose === 'race';
  const driving = settling.row?.pending?.decider === 'mysql' && (settling.at === 'fence' || settling.at === 'answer');
  return {
    ...settling,
    row: settling.at === 'load' ? null : settling.row,
    expired: settling.at === 'look' && settling.expired,
    slot: fated || driving ? settling.slot : null,
    theirs: settling.at === 'lift' || driving ? settling.theirs : 0,
  };
}

/** The sender gives up: what is under way may still arrive. Two such requests that say the same are one. */
export function abandon(state: State, at: number): State {
  const { answer, ...message } = state.messages[at]!;
  const others = state.messages.toSpliced(at, 1);
  const late = { ...message, sender: -1, abandoned: true, duplicated: false, answer: null };
  const known = others.some(
    (other) =>
      other.abandoned &&
      other.version === late.version &&
      other.image === late.image &&
      other.restored === late.restored,
  );
  return { ...state, messages: answer || known ? others : [...others, late] };
}
